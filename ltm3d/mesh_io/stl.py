"""STL, binary and text."""

import re
import struct

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.parts import Part
from ltm3d.mesh_io.references import BoundedResolver

_HEADER, _FACET = 84, 50
_VERTEX = re.compile(rb"^[ \t]*vertex[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)", re.MULTILINE | re.IGNORECASE)


def read_stl(data: bytes, files: BoundedResolver) -> list[Part]:
    """Read an STL file; where its count of facets is wrong, those that it holds are read, and noted.

    Raises:
        AssetError: `parse_error`. ValueError: a number that is none.
    """
    corners = _text(data, files) if _is_text(data) else _binary(data, files)
    return [Part(vertices=corners.reshape(-1, 3), faces=np.arange(3 * len(corners)).reshape(-1, 3))]


def _is_text(data: bytes) -> bool:
    """Say whether the file is text: binary ones may begin with `solid`, too."""
    if data.lstrip()[:5].lower() != b"solid":
        return False
    return b"\0" not in data[:512] and (b"facet" in data[:4096].lower() or len(data) < _HEADER)


def _text(data: bytes, files: BoundedResolver) -> np.ndarray:
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    vertices = np.array(_VERTEX.findall(data), dtype="S32").astype(np.float64).reshape(-1, 3)
    if len(vertices) % 3:
        raise AssetError("parse_error", f"{len(vertices)} vertices are no whole number of facets; the STL is cut off")
    if b"endsolid" not in data[-512:].lower():
        files.note("the STL has no endsolid: perhaps it is cut off")
    return vertices.reshape(-1, 3, 3)


def _binary(data: bytes, files: BoundedResolver) -> np.ndarray:
    if len(data) < _HEADER:
        raise AssetError("parse_error", f"{len(data)} bytes are too few for a binary STL")
    declared = struct.unpack_from("<I", data, _HEADER - 4)[0]
    held, rest = divmod(len(data) - _HEADER, _FACET)
    if declared > held and rest:
        raise AssetError("parse_error", f"the STL says {declared:,} facets; it is cut off in facet {held + 1:,}")
    count = declared if rest else held
    if declared != held:
        files.note(f"the STL says {declared:,} facets and has room for {held:,}; {count:,} are read")
    facets = np.frombuffer(data, np.uint8, count * _FACET, _HEADER).reshape(count, _FACET)
    return np.ascontiguousarray(facets[:, 12:48]).view("<f4").reshape(-1, 3, 3).astype(np.float64)
