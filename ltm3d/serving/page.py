"""The demo page: a picture or a text in, progress, a shape that spins, a file to take away; nothing is fetched."""

from collections.abc import Sequence
from html import escape
from string import Template
from typing import Any

from ltm3d.serving.packing import pack_shape
from ltm3d.serving.requests import RequestLimits
from ltm3d.serving.still_pictures import magnification
from ltm3d.serving.viewer import ASSETS, script_json, three_script, viewer_script
from ltm3d.tokenizers.shape import Shape

ANY_TEXT = "A 3D model of a wooden chair with four legs, Chair."
CONTENT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def demo_page(*, model: str, limits: RequestLimits, examples: Sequence[str] = ()) -> str:
    """Return the page's text.

    Args:
        model: which version it is, shown in the page.
        examples: texts that a click writes into the form.
    """
    template = Template((ASSETS / "demo.html").read_text("utf-8"))
    return template.substitute(
        model=escape(model),
        examples="".join(f'<button type="button" class="chip">{escape(text)}</button>' for text in examples),
        first=escape(examples[0] if examples else ANY_TEXT),
        style=(ASSETS / "demo.css").read_text("utf-8"),
        three=three_script(),
        viewer=viewer_script(),
        limits=script_json({"image_bytes": limits.max_image_bytes}),
        max_text=limits.max_text_length,
        max_steps=limits.max_steps,
        max_guidance=f"{limits.max_guidance:g}",
        max_temperature=f"{limits.max_temperature:g}",
        script=(ASSETS / "demo.js").read_text("utf-8"),
    )


def view_of(shape: Shape) -> dict[str, Any]:
    """Return a shape as the page's viewer takes it, with its magnification."""
    return {"shape": pack_shape(shape), "magnify": magnification([shape])}
