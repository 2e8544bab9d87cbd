"""The two editions of a gallery page: a folder whose data load by script tags, and one capped file with all inside.

A browser lets a page from the disk read neither files nor modules, and MLflow shows a page in a sandboxed frame without
its folder: so the first edition hands its shapes over by scripts, the second holds them.
"""

import base64
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from ltm3d.errors import DataError
from ltm3d.serving import ASSETS
from ltm3d.serving.viewer import script_json, three_script, viewer_script

INDEX_FILE, SINGLE_FILE = "index.html", "gallery.html"
MAX_SINGLE_BYTES = 20_000_000
_STYLE, _PAGE = "gallery.css", "gallery.html"
_SCRIPTS = ("gallery_tiles.js", "gallery_plots.js", "gallery_process.js", "gallery.js")
_DATA_FILE, _DATA_START = "items.js", "window.GALLERY = "
_SHAPE_START = "ltm3d.receive("
WEBP_QUALITY = 85


@dataclass(frozen=True)
class SinglePage:
    """What a single file holds."""

    path: Path
    num_items: int
    num_left_out: int


def write_shape_script(assets: Path, name: str, squeezed: str) -> None:
    """Write a shape, as `squeeze_shape` makes it, as a script that hands itself over."""
    (assets / f"{name}.js").write_text(f'{_SHAPE_START}"{name}", "{squeezed}");\n', "utf-8")


def read_shape_script(assets: Path, name: str) -> str:
    """Return what `write_shape_script` was given."""
    return (assets / f"{name}.js").read_text("utf-8").rsplit('"', 2)[1]


def write_pages(folder: Path, data: Mapping[str, Any]) -> Path:
    """Write both editions over a folder whose shapes and pictures are there; return the first one's path."""
    assets = folder / "assets"
    for name in (_STYLE, *_SCRIPTS):
        shutil.copyfile(ASSETS / name, assets / name)
    (assets / "three.js").write_text(three_script(), "utf-8")
    (assets / "viewer.js").write_text(viewer_script(), "utf-8")
    (assets / _DATA_FILE).write_text(f"{_DATA_START}{script_json(data)};\n", "utf-8")
    names = ("three.js", "viewer.js", _DATA_FILE, *_SCRIPTS)
    page = folder / INDEX_FILE
    page.write_text(
        _fill(
            data["title"],
            style=f'<link rel="stylesheet" href="assets/{_STYLE}">',
            scripts="\n".join(f'<script src="assets/{name}"></script>' for name in names),
        ),
        "utf-8",
    )
    write_single_page(folder, folder / SINGLE_FILE)
    return page


def read_page_data(folder: Path) -> dict[str, Any]:
    """Read what `write_pages` was given.

    Raises:
        DataError: the folder holds no gallery, or one of an earlier version.
    """
    path = folder / "assets" / _DATA_FILE
    try:
        text = path.read_text("utf-8")
        data = json.loads(text[len(_DATA_START) : text.rindex(";")])
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} holds no gallery ({error}); give a folder that evaluate_generator wrote") from error
    if not isinstance(data, dict) or "versions" not in data:
        raise DataError(f"{folder} holds a gallery of an earlier version; make it again (evaluate_generator)")
    return data


def write_single_page(folder: Path, path: Path, *, max_bytes: int = MAX_SINGLE_BYTES) -> SinglePage:
    """Write the gallery of a folder as one file of at most `max_bytes`, with one still picture a shape.

    What does not fit is left out, from the last item on but for those whose generation is shown step by step; the page
    says so.

    Raises:
        DataError: not even the first item fits.
    """
    data, assets = read_page_data(folder), folder / "assets"
    data["frames"] = 1
    left = max_bytes - len(_single_text(data, {}, {}).encode())
    first = {process["item"] for process in data["processes"]}
    order = sorted(range(len(data["items"])), key=lambda index: (index not in first, index))
    shapes: dict[str, str] = {}
    pictures: dict[str, str] = {}
    kept: list[int] = []
    for index in order:
        names = list(_shape_names(data, index))
        new_shapes = {name: read_shape_script(assets, name) for name in names if name not in shapes}
        new_pictures = {f"assets/{name}.webp": _still(assets / f"{name}.webp") for name in new_shapes}
        prompt = data["items"][index]["prompt_image"]
        if prompt:
            new_pictures[prompt] = _data_uri((folder / prompt).read_bytes(), "png")
        size = sum(len(name) + len(text) + 6 for part in (new_shapes, new_pictures) for name, text in part.items())
        if size > left:
            break
        left -= size
        shapes |= new_shapes
        pictures |= new_pictures
        kept.append(index)
    if data["items"] and not kept:
        raise DataError(f"no item of {folder} fits into {max_bytes:,} bytes; raise the limit")
    _keep(data, sorted(kept))
    path.write_text(_single_text(data, shapes, pictures), "utf-8")
    return SinglePage(path, len(kept), data["num_left_out"])


def _shape_names(data: Mapping[str, Any], index: int) -> Iterable[str]:
    """Name the shapes that an item shows, each once."""
    item = data["items"][index]
    names = [item["truth"], *(name for result in item["results"] for name in result["samples"])]
    names += [name for process in data["processes"] if process["item"] == index for name in process["steps"]]
    return dict.fromkeys(name for name in names if name is not None)


def _keep(data: dict[str, Any], kept: list[int]) -> None:
    """Take the other items out of a page's data."""
    place = {index: new for new, index in enumerate(kept)}
    data["num_left_out"] = len(data["items"]) - len(kept)
    data["items"] = [data["items"][index] for index in kept]
    data["blind"] = [place[index] for index in data["blind"] if index in place]
    data["processes"] = [
        {**process, "item": place[process["item"]]} for process in data["processes"] if process["item"] in place
    ]


def _single_text(data: Mapping[str, Any], shapes: Mapping[str, str], pictures: Mapping[str, str]) -> str:
    inside = (
        f"{_DATA_START}{script_json(data)};\n"
        f"window.GALLERY_SHAPES = {script_json(shapes)};\nwindow.GALLERY_PICTURES = {script_json(pictures)};\n"
    )
    scripts = (three_script(), viewer_script(), inside, *((ASSETS / name).read_text("utf-8") for name in _SCRIPTS))
    return _fill(
        data["title"],
        style=f"<style>\n{(ASSETS / _STYLE).read_text('utf-8')}</style>",
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _fill(title: str, *, style: str, scripts: str) -> str:
    page = Template((ASSETS / _PAGE).read_text("utf-8"))
    return page.substitute(title=escape(title), style=style, scripts=scripts)


def _still(strip: Path) -> str:
    """Return the first frame of a strip of square ones, small, as a data address."""
    from PIL import Image

    with Image.open(strip) as image:
        frame = image.crop((0, 0, image.height, image.height))
    buffer = io.BytesIO()
    frame.save(buffer, "WEBP", quality=WEBP_QUALITY)
    return _data_uri(buffer.getvalue(), "webp")


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
