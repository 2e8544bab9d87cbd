import struct

import numpy as np
import pytest
from shapes import box

from ltm3d.errors import AssetError
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.mesh import is_watertight
from ltm3d.mesh_io.loading import LoadedAsset, load_asset


def binary(count: int = 12, head: bytes = b"made by hand") -> bytes:
    rows = b"".join(bytes(12) + triangle.astype("<f4").tobytes() + bytes(2) for triangle in box().triangles)
    return head.ljust(80, b" ") + struct.pack("<I", count) + rows


def text() -> str:
    corners = ["".join(f"      vertex {x} {y} {z}\n" for x, y, z in triangle.tolist()) for triangle in box().triangles]
    return "solid a\n" + "".join(f"facet normal 0 0 0\n outer loop\n{each} endloop\nendfacet\n" for each in corners)


def load(tmp_path, data: bytes) -> LoadedAsset:
    (tmp_path / "a.stl").write_bytes(data)
    return load_asset(tmp_path / "a.stl")


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (binary(), ""),
        (binary(head=b"solid that is binary all the same"), ""),
        (binary() + b"trailing bytes", ""),
        (binary() + bytes(50), "has room for 13; 13 are read"),  # an empty facet more
        (binary(count=0), "says 0 facets"),
        (binary(count=0xFFFFFFFF), "has room for 12"),
        (binary(count=5), "has room for 12"),
        (binary(count=999), "has room for 12"),
        ((text() + "endsolid a\n").encode(), ""),
        ((text() + "endsolid a\n").upper().encode(), ""),
        ((text() + "endsolid a\n").replace("\n", "\r").encode(), ""),
        (text().encode(), "no endsolid"),
    ],
)
def test_a_box_is_a_box_whatever_the_count_says_and_the_record_tells(tmp_path, data: bytes, note: str) -> None:
    asset = load(tmp_path, data)
    mesh = clean_mesh(asset.mesh)
    assert len(mesh.faces) == 12 and is_watertight(mesh)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([1, 1, 1])
    assert (note in asset.notes[0]) if note else not asset.notes


@pytest.mark.parametrize(
    "data", [b"", b"solid", binary()[:70], binary()[:-20], text().encode().replace(b"vertex", b"", 1), b"\xff" * 300]
)
def test_what_is_cut_off_is_refused(tmp_path, data: bytes) -> None:
    with pytest.raises(AssetError) as caught:
        load(tmp_path, data)
    assert caught.value.reason in ("parse_error", "no_surface")
