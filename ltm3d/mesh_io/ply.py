"""PLY meshes: polygons and triangle strips, colours of vertices or faces, a picture named in a comment."""

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.base_color import srgb_to_linear
from ltm3d.geometry.parts import PLAIN, Material, Part, Texture
from ltm3d.mesh_io.ply_file import Element, PlyFile, Ragged, parse_ply
from ltm3d.mesh_io.polygons import triangulate
from ltm3d.mesh_io.references import BoundedResolver
from ltm3d.mesh_io.strips import strip_triangles

_RED = ("red", "r", "diffuse_red")
_COLORS = ("red", "green", "blue")
_PLACES = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))


def read_ply(data: bytes, files: BoundedResolver) -> list[Part]:
    """Read a PLY mesh.

    Raises:
        AssetError: `parse_error`, `no_surface` where it has points alone. ValueError, KeyError, IndexError: broken.
    """
    ply = parse_ply(data)
    vertex = ply.elements["vertex"]
    vertices = ply_positions(vertex)
    corners, counts, name = _polygons(ply, len(vertices))
    triangles, owner = triangulate(vertices, corners, counts)
    faces = corners[triangles]
    light = _light(vertex)
    by_face = _light(ply.elements.get(name, {})) if light is None and name == "face" else None
    if light is not None:
        light = light[faces]
    elif by_face is not None:
        light = np.repeat(by_face[owner][:, None], 3, axis=1)
    uv, material = _picture(ply, vertex, faces, triangles, files)
    return [Part(vertices=vertices, faces=faces, material=material, uv=uv, light=light if uv is None else None)]


def ply_positions(vertex: Element) -> np.ndarray:
    """Return the positions of a PLY's vertices, float64 [N, 3]."""
    columns = [np.asarray(vertex[axis], np.float64) for axis in "xyz"]
    return np.stack(columns, axis=1)


def _polygons(ply: PlyFile, num_vertices: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the vertices of all polygons in a row, the corners of each, and the element they come from."""
    for name in ("face", "tristrips"):
        element = ply.elements.get(name, {})
        found = element.get("vertex_indices", element.get("vertex_index"))
        if not isinstance(found, Ragged) or not len(found.counts):
            continue
        corners, counts = found.values.astype(np.int64), found.counts
        if name == "tristrips":
            corners = strip_triangles(corners, restart=-1).reshape(-1)
            counts = np.full(len(corners) // 3, 3)
        if len(corners) and (corners.min() < 0 or corners.max() >= num_vertices):
            raise AssetError("parse_error", f"a face names vertex {corners.max()}; there are {num_vertices}")
        return corners, counts, name
    raise AssetError("no_surface", "the PLY has no faces")


def _light(element: Element) -> np.ndarray | None:
    """Return linear light [N, 3] of an element's colours: whole numbers to 255 (or to 65535), or fractions to 1."""
    red = next((name for name in _RED if name in element), None)
    names = [] if red is None else [red.replace("red", color) if len(red) > 1 else color[0] for color in _COLORS]
    values = [element[name] for name in names if name in element]
    if len(values) != 3 or any(isinstance(value, Ragged) for value in values):
        return None
    colors = np.stack([np.asarray(value) for value in values], axis=1)
    is_fraction = colors.dtype.kind == "f" and float(colors.max(initial=0)) <= 1
    top = 1.0 if is_fraction else 65535.0 if colors.dtype.itemsize == 2 else 255.0
    return srgb_to_linear(np.rint(np.clip(np.nan_to_num(colors.astype(np.float64)) / top, 0, 1) * 255).astype(np.uint8))


def _picture(
    ply: PlyFile, vertex: Element, faces: np.ndarray, triangles: np.ndarray, files: BoundedResolver
) -> tuple[np.ndarray | None, Material]:
    """Return texture coordinates [F, 3, 2] and the material of the picture, where there are both."""
    if ply.texture is None:
        return None, PLAIN
    by_corner = ply.elements.get("face", {}).get("texcoord")
    names = next((names for names in _PLACES if all(name in vertex for name in names)), None)
    if isinstance(by_corner, Ragged) and len(by_corner.values) > 2 * triangles.max(initial=-1) + 1:
        uv = by_corner.values.astype(np.float64).reshape(-1, 2)[triangles]
    elif names is not None:
        uv = np.stack([np.asarray(vertex[name], np.float64) for name in names], axis=1)[faces]
    else:
        return None, PLAIN
    pixels = files.get_pixels(ply.texture)
    if pixels is None:
        return None, PLAIN
    uv[..., 1] = 1 - uv[..., 1]
    return uv, Material(texture=Texture(pixels=pixels))
