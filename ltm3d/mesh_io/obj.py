"""Wavefront OBJ: polygons, indices that count from the end, materials by name."""

from dataclasses import dataclass, field

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.base_color import srgb_to_linear, to_linear
from ltm3d.geometry.parts import CLAMP, PLAIN, REPEAT, Material, Part, Texture, select_faces
from ltm3d.mesh_io.mtl import ObjMaterial, parse_mtl
from ltm3d.mesh_io.polygons import triangulate
from ltm3d.mesh_io.references import BoundedResolver


@dataclass
class _Lines:
    """The lines of an OBJ by kind; of each polygon also how many `v` and `vt` stood before it, and its material."""

    points: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    polygons: list[str] = field(default_factory=list)
    before: list[tuple[int, int, int]] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)  # of materials; number -1 is none
    libraries: list[str] = field(default_factory=list)


def read_obj(data: bytes, files: BoundedResolver) -> list[Part]:
    """Read an OBJ file with its materials and pictures, one part a material.

    Colours behind the coordinates are sRGB, to 1 or to 255. They count where the material has no picture.

    Raises:
        AssetError: `parse_error`. ValueError: a number that is none.
    """
    lines = _sort_lines(decode_text(data))
    vertices, colors = _points(lines.points)
    uv = _rows(lines.places, 2)
    corners, counts = _corners(lines.polygons)
    before = np.array(lines.before, np.int64).reshape(-1, 3)
    vertex = _absolute(corners[:, 0], before[:, 0], counts, len(vertices))
    place = _absolute(corners[:, 1], before[:, 1], counts, len(uv), required=False)
    triangles, owner = triangulate(vertices, vertex, counts)
    light = None if colors is None else colors[vertex[triangles]]
    materials = _materials(lines, files)
    kind = 2 * before[owner, 2] + (place[triangles] >= 0).all(axis=1)  # of material, with texture coordinates or not
    parts = []
    for number, has_uv in (divmod(int(code), 2) for code in np.unique(kind)):
        mine = kind == 2 * number + has_uv
        corner = triangles[mine]
        material, placed = _material(materials[number], uv[place[corner]] if has_uv else None, files)
        whole = Part(
            vertices=vertices,
            faces=vertex[corner],
            material=material,
            uv=placed,
            light=None if light is None or material.texture is not None else light[mine],
        )
        parts.append(select_faces(whole, np.arange(len(corner))))
    return parts


def library_names(text: str) -> list[str]:
    """Return what stands behind each `mtllib` of an OBJ's text: one name with blanks, or several names."""
    rows = [line.split(None, 1) for line in text.split("\n") if "mtllib" in line]
    return [row[1].strip().strip("\"'").replace("\\", "/") for row in rows if len(row) == 2 and row[0] == "mtllib"]


def decode_text(data: bytes) -> str:
    """Return a text file's text with lines that end in \\n; byte-order marks of UTF-8 and UTF-16 are understood."""
    is_wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = data.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")


def _sort_lines(text: str) -> _Lines:
    lines = _Lines()
    number = -1
    for line in text.replace("\\\n", " ").split("\n"):
        pieces = line.split(None, 1)
        if len(pieces) < 2:
            continue
        key, rest = pieces
        if key == "v":
            lines.points.append(rest)
        elif key == "vt":
            lines.places.append(rest)
        elif key in ("f", "fo"):
            lines.polygons.append(rest)
            lines.before.append((len(lines.points), len(lines.places), number))
        elif key == "usemtl":
            number = lines.names.setdefault(rest.strip(), len(lines.names))
        elif key == "mtllib":
            lines.libraries.append(rest.strip())
    return lines


def _points(rows: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return positions [N, 3] and linear light [N, 3], or None where not every vertex has a colour."""
    if not rows:
        return np.zeros((0, 3)), None
    values = _rows(rows, None)
    if values.shape[1] < 6:
        return values[:, :3], None
    colors = values[:, 3:6]
    colors = np.clip(colors / (255 if colors.max() > 1 else 1), 0, 1)
    return values[:, :3], srgb_to_linear(np.rint(colors * 255).astype(np.uint8))


def _rows(rows: list[str], width: int | None) -> np.ndarray:
    """Return the numbers of rows [R, width]; with None as many as each row has, but three at least."""
    if not rows:
        return np.zeros((0, width or 3))
    pieces = [row.split("#")[0].split() for row in rows]
    shortest, least = min(len(row) for row in pieces), 3 if width is None else 1
    if shortest < least:
        raise AssetError("parse_error", f"a vertex of the OBJ has {shortest} numbers")
    taken = shortest if width is None else min(width, shortest)
    values = np.array([number for row in pieces for number in row[:taken]], dtype=np.float64).reshape(-1, taken)
    return values if width is None else np.pad(values, ((0, 0), (0, width - taken)))


def _corners(rows: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of v and vt at each corner as written, 0 = none, int [C, 2], and each polygon's corners."""
    pieces = [row.split("#")[0].split() for row in rows]
    counts = np.array([len(row) for row in pieces], np.int64)
    tokens = [token for row in pieces for token in row]
    corners = np.zeros((len(tokens), 2), np.int64)
    slashes = {token.count("/") for token in tokens}
    if slashes == {0}:
        corners[:, 0] = np.array(tokens, dtype=np.int64)
    elif len(slashes) == 1 and slashes <= {1, 2}:
        text = " ".join(tokens) + " "
        text = text.replace("//", "/0/").replace("/ ", "/0 ").replace("/", " ")
        corners[:] = np.array(text.split(), dtype=np.int64).reshape(len(tokens), slashes.pop() + 1)[:, :2]
    else:
        for row, token in enumerate(tokens):
            names = token.split("/")
            corners[row] = int(names[0]), int(names[1] or 0) if len(names) > 1 else 0
    return corners, counts


def _absolute(
    written: np.ndarray, before: np.ndarray, counts: np.ndarray, size: int, *, required: bool = True
) -> np.ndarray:
    """Return indices from 0 for those of an OBJ: from 1, or negative and relative to what stood before; -1 = none."""
    found = np.where(written > 0, written - 1, np.repeat(before, counts) + written)
    is_wrong = (written == 0) | (found < 0) | (found >= size)
    if required and is_wrong.any():
        number = written[is_wrong][0]
        raise AssetError("parse_error", f"a face names vertex {number}; the OBJ has 1 to {size}")
    return np.where(is_wrong, -1, found)


def _materials(lines: _Lines, files: BoundedResolver) -> dict[int, ObjMaterial | None]:
    """Return the materials that polygons use, by number; the only one there is where none is named."""
    found: dict[str, ObjMaterial] = {}
    for names in lines.libraries:
        whole = files.get_optional(names.strip("\"'"), "materials", only_if_there=True)
        each = [whole] if whole is not None else [files.get_optional(name, "materials") for name in names.split()]
        for data in each:
            found |= {} if data is None else parse_mtl(decode_text(data))
    by_case = {name.casefold(): material for name, material in found.items()}
    materials = {number: found.get(name) or by_case.get(name.casefold()) for name, number in lines.names.items()}
    return {**materials, -1: next(iter(found.values())) if len(found) == 1 else None}


def _material(
    written: ObjMaterial | None, uv: np.ndarray | None, files: BoundedResolver
) -> tuple[Material, np.ndarray | None]:
    """Return a material, and the places [F, 3, 2] in its picture of texture coordinates [F, 3, 2]."""
    if written is None:
        return PLAIN, None
    picture = written.picture
    pixels = None if picture is None or uv is None else files.get_pixels(picture.name)
    if picture is None or uv is None or pixels is None:
        diffuse = written.diffuse
        return Material(factor=None if diffuse is None else np.append(to_linear(np.clip(diffuse, 0, 1)), 1.0)), None
    wrap = CLAMP if picture.clamp else REPEAT
    placed = uv * picture.scale + picture.offset
    placed[..., 1] = 1 - placed[..., 1]
    # Kd beside a picture is usually left at its default, often black: the picture alone counts.
    return Material(texture=Texture(pixels=pixels, wrap=(wrap, wrap))), placed
