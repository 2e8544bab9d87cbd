"""One self-contained page that spins shapes in a browser: geometry, script and style inside, nothing fetched."""

import base64
import json
import zipfile
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ltm3d.errors import ModelError
from ltm3d.geometry.mesh import Mesh
from ltm3d.rendering.cameras import CANONICAL_AZIMUTH, CANONICAL_ELEVATION, ViewConfig, orbit_camera, orbit_distance
from ltm3d.rendering.shading import BLACK, GREY, KEY_DIRECTION, WHITE, diffuse_light

ASSETS = Path(__file__).with_name("assets")
# trimesh ships a viewer page whose one script is three.js, two add-ons, and last the page's own code.
SHIPPED_PAGE = ("trimesh/resources/templates/viewer.zip", "viewer.html.template")
SCRIPT_START = "<script>"
PAGE_CODE_START = "var camera,controls,scene,renderer"
INT16_MAX = 32767
FIELD_OF_VIEW = 30.0  # degrees
MARGIN = 0.94  # share of the picture's half width that a turning shape may reach


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


def _text(array: np.ndarray, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(array).astype(dtype).tobytes()).decode("ascii")


def viewer_script() -> str:
    """Return viewer.js with the renderer's camera and light in it."""
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
    return (ASSETS / "viewer.js").read_text("utf-8").replace('"$look"', script_json(look))


def pack_mesh(mesh: Mesh) -> dict[str, Any]:
    """Return a mesh as JSON for `ltm3d.toObject` in viewer.js: positions as 16-bit integers, the rest exact."""
    extent = float(np.abs(mesh.vertices).max()) if len(mesh.vertices) else 1.0
    scale = max(extent, 1e-9) / INT16_MAX
    wide = len(mesh.vertices) > 2**16
    return {
        "scale": scale,
        "positions": _text(np.rint(mesh.vertices / scale), "<i2"),
        "faces": _text(mesh.faces, "<u4" if wide else "<u2"),
        "wide": wide,
        "colors": None if mesh.vertex_colors is None else _text(mesh.vertex_colors, "u1"),
    }


def script_json(value: Any) -> str:
    """Return JSON that may stand inside a script element: no text in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


def magnification(meshes: Sequence[Mesh]) -> float:
    """Return how far the turntable's picture may be enlarged about its middle before a turning shape leaves it."""
    config = ViewConfig(field_of_view=FIELD_OF_VIEW)
    reach = 1e-6
    for mesh in meshes:
        points = mesh.vertices[np.unique(mesh.faces)].astype(np.float64)
        for azimuth in range(0, 360, 15):
            camera = orbit_camera(azimuth, CANONICAL_ELEVATION, orbit_distance(config))
            seen = (points - camera[:3, 3]) @ camera[:3, :3]
            plane = seen[:, :2] / (np.maximum(-seen[:, 2:], 1e-3) * config.half_tangent)
            reach = max(reach, float(np.abs(plane).max(initial=0.0)))
    return float(np.clip(MARGIN / reach, 0.2, 4.0))


def view_html(meshes: Sequence[tuple[str, Mesh]]) -> str:
    """Return the page's text: each named mesh in its own pane, all turning; drag turns, wheel zooms."""
    if not meshes:
        raise ValueError("a page needs at least one shape; 0 were given")
    shapes = [{"name": name, "mesh": pack_mesh(mesh)} for name, mesh in meshes]
    page = Template((ASSETS / "view.html").read_text("utf-8"))
    return page.substitute(
        title="ltm3d shape" if len(meshes) == 1 else f"ltm3d, {len(meshes)} shapes",
        three=three_script(),
        viewer=viewer_script(),
        shapes=script_json(shapes),
        magnify=f"{magnification([mesh for _, mesh in meshes]):.4f}",
    )
