"""OFF as Geomview and ModelNet write it: text, polygons, colours of vertices or faces."""

import re

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.base_color import srgb_to_linear
from ltm3d.geometry.parts import Part
from ltm3d.mesh_io.polygons import triangulate
from ltm3d.mesh_io.references import BoundedResolver

_KEYWORD = re.compile(r"\s*(ST)?(C)?(N)?OFF", re.IGNORECASE)


def read_off(data: bytes, files: BoundedResolver) -> list[Part]:
    """Read an OFF file.

    Raises:
        AssetError: `parse_error`. ValueError, IndexError: rows that are too short or no numbers.
    """
    text = data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    keyword = _KEYWORD.match(text)
    if keyword is None or text[keyword.end() :].lstrip().upper().startswith("BINARY"):
        raise AssetError("parse_error", "no text in the OFF format: it begins with OFF, COFF, NOFF or STOFF")
    rows = [row for row in (line.split("#")[0].split() for line in text[keyword.end() :].split("\n")) if row]
    num_vertices, num_faces = int(rows[0][0]), int(rows[0][1])
    if min(num_vertices, num_faces) < 0 or num_vertices + num_faces > len(rows) - 1:
        raise AssetError(
            "parse_error", f"the OFF says {num_vertices:,} vertices and {num_faces:,} faces in {len(rows) - 1:,} rows"
        )
    points = rows[1 : 1 + num_vertices]
    vertices = np.array([row[:3] for row in points], dtype=np.float64).reshape(-1, 3)
    polygons = rows[1 + num_vertices : 1 + num_vertices + num_faces]
    counts = np.array([int(row[0]) for row in polygons], np.int64)
    if (counts < 0).any() or any(len(row) <= count for row, count in zip(polygons, counts, strict=True)):
        raise AssetError("parse_error", "a face of the OFF has fewer vertices than it says")
    corners = np.array(
        [int(vertex) for row, count in zip(polygons, counts, strict=True) for vertex in row[1 : 1 + count]], np.int64
    )
    if len(corners) and (corners.min() < 0 or corners.max() >= num_vertices):
        raise AssetError("parse_error", f"a face names vertex {corners.max()}; there are {num_vertices}")
    triangles, owner = triangulate(vertices, corners, counts)
    faces = corners[triangles]
    skipped = 3 + (3 if keyword[3] else 0)
    light = _light([row[skipped : skipped + 3] for row in points]) if keyword[2] or skipped == 3 else None
    if light is not None:
        light = light[faces]
    else:
        by_face = _light([row[1 + count :][:3] for row, count in zip(polygons, counts, strict=True)])
        light = None if by_face is None else np.repeat(by_face[owner][:, None], 3, axis=1)
    return [Part(vertices=vertices, faces=faces, light=light)]


def _light(rows: list[list[str]]) -> np.ndarray | None:
    """Return linear light [R, 3] for colours to 255, or of fractions to 1; None where a row has fewer than three."""
    if not rows or any(len(row) < 3 for row in rows):
        return None
    colors = np.nan_to_num(np.array(rows, dtype=np.float64))
    is_fraction = colors.max() <= 1 and any("." in value for row in rows for value in row)
    return srgb_to_linear(np.rint(np.clip(colors * (255 if is_fraction else 1), 0, 255)).astype(np.uint8))
