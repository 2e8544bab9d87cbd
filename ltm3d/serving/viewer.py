"""One self-contained page that spins shapes in a browser: geometry, script and style inside, nothing fetched."""

import json
import zipfile
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from string import Template
from typing import Any

import numpy as np

from ltm3d.errors import ModelError
from ltm3d.rendering.cameras import CANONICAL_AZIMUTH, CANONICAL_ELEVATION, ViewConfig, orbit_distance
from ltm3d.rendering.shading import BLACK, GREY, KEY_DIRECTION, WHITE, diffuse_light
from ltm3d.serving import ASSETS
from ltm3d.serving.packing import pack_shape
from ltm3d.serving.still_pictures import FIELD_OF_VIEW, magnification
from ltm3d.tokenizers.shape import Shape

# trimesh ships a viewer page whose one script is three.js, two add-ons, and last the page's own code.
SHIPPED_PAGE = ("trimesh/resources/templates/viewer.zip", "viewer.html.template")
SCRIPT_START = "<script>"
PAGE_CODE_START = "var camera,controls,scene,renderer"


@cache
def three_script() -> str:
    """Return three.js (global `THREE`, its licence line included) out of the installed trimesh package.

    Raises:
        ModelError: the installed trimesh ships its viewer in another form.
    """
    archive, member = SHIPPED_PAGE
    package = metadata.distribution("trimesh")
    try:
        with zipfile.ZipFile(str(package.locate_file(archive))) as shipped:
            page = shipped.read(member).decode("utf-8")
        script = page[page.index(SCRIPT_START) + len(SCRIPT_START) : page.index(PAGE_CODE_START)]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"trimesh {package.version} has no viewer script at {archive} ({error}); "
            "install the version that constraints.txt names"
        ) from error
    return script


def viewer_script() -> str:
    """Return shapes.js and viewer.js with the renderer's camera and light in them."""
    config = ViewConfig(field_of_view=FIELD_OF_VIEW)
    below = diffuse_light(np.array([[0.0, -1.0, 0.0]]), np.eye(3), sky=1.0, headlight=0.0)
    look = {
        "azimuth": CANONICAL_AZIMUTH,
        "elevation": CANONICAL_ELEVATION,
        "field_of_view": FIELD_OF_VIEW,
        "distance": orbit_distance(config),
        "sky": config.sky,
        "ground": float(below[0]),
        "headlight": config.headlight,
        "key_direction": [float(x) for x in KEY_DIRECTION],
        "grey": GREY,
        "black": float(BLACK),
        "white": float(WHITE),
    }
    text = "".join((ASSETS / name).read_text("utf-8") for name in ("shapes.js", "viewer.js"))
    return text.replace('"$look"', script_json(look))


def script_json(value: Any) -> str:
    """Return JSON that may stand inside a script element: no text in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


def view_html(shapes: Sequence[tuple[str, Shape]]) -> str:
    """Return the page's text: each named shape in its own pane, all turning; drag or arrow keys turn, wheel zooms."""
    if not shapes:
        raise ValueError("a page needs at least one shape; 0 were given")
    panes = [{"name": name, "shape": pack_shape(shape)} for name, shape in shapes]
    page = Template((ASSETS / "view.html").read_text("utf-8"))
    return page.substitute(
        title="ltm3d shape" if len(shapes) == 1 else f"ltm3d, {len(shapes)} shapes",
        three=three_script(),
        viewer=viewer_script(),
        shapes=script_json(panes),
        magnify=f"{magnification([shape for _, shape in shapes]):.4f}",
    )
