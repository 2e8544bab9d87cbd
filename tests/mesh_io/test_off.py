import numpy as np
import pytest

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh, face_areas, is_watertight
from ltm3d.mesh_io.loading import load_asset

POINTS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def cube(head: str = "OFF\n8 6 0\n", point: str = "", face: str = "") -> str:
    rows = [f"{x} {y} {z}{point}" for x, y, z in POINTS]
    return head + "\n".join(rows + [f"4 {' '.join(map(str, quad))}{face}" for quad in QUADS]) + "\n"


def load(tmp_path, text: str) -> Mesh:
    (tmp_path / "a.off").write_text(text)
    return load_asset(tmp_path / "a.off").mesh


@pytest.mark.parametrize(
    "text",
    [
        cube(),
        cube("OFF8 6 0\n"),  # ModelNet
        cube("OFF 8 6 0\n"),
        cube("\n# by hand\noff\n\n8 6 0 # counts\n".lstrip()).replace("# by hand\n", ""),
        cube("NOFF\n8 6 0\n", " 0 0 1"),
        cube().replace("\n", "\r\n"),
        cube().replace("\n", " # here\n").replace("OFF # here", "OFF"),
        cube(face=" 3"),
    ],
)
def test_a_cube_of_quads(tmp_path, text: str) -> None:
    mesh = load(tmp_path, text)
    assert len(mesh.faces) == 12 and is_watertight(mesh) and mesh.vertex_colors is None


def test_a_concave_polygon(tmp_path) -> None:
    corners = "2 0 0\n2 1 0\n1 1 0\n1 2 0\n0 2 0\n0 0 0\n"
    assert face_areas(load(tmp_path, f"OFF\n6 1 0\n{corners}6 0 1 2 3 4 5\n")).sum() == pytest.approx(3)


@pytest.mark.parametrize(
    "text",
    [
        cube("COFF\n8 6 0\n", " 200 25 0 255"),
        cube("COFF\n8 6 0\n", " 200 25 0"),
        cube("COFF\n8 6 0\n", " 0.7843 0.098 0.0 1.0"),
        cube("OFF\n8 6 0\n", " 200 25 0"),
        cube("CNOFF\n8 6 0\n", " 0 0 1 200 25 0 255"),
        cube(face=" 200 25 0"),
        cube(face=" 200 25 0 255"),
        cube(face=" 0.7843 0.098 0.0"),
    ],
)
def test_colours(tmp_path, text: str) -> None:
    assert np.abs(load(tmp_path, text).vertex_colors.astype(int) - (200, 25, 0)).max() <= 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "OFF\n",
        "OFF BINARY\n",
        "OFF\n8 6\n",
        cube().replace("4 0 1 3 2", "4 0 1 3"),
        cube().replace("4 0 1 3 2", "4 0 1 3 8"),
        "XOFF\n",
    ],
)
def test_broken_files_are_parse_errors(tmp_path, text: str) -> None:
    with pytest.raises(AssetError, match="parse_error"):
        load(tmp_path, text)
