from pathlib import Path

import numpy as np
import pytest
from shapes import box, uniform_points

from ltm3d.errors import AssetError
from ltm3d.mesh_io.loading import LoadLimits
from ltm3d.mesh_io.point_files import is_point_cloud, load_points
from ltm3d.mesh_io.writing import write_mesh


def write_points(points: np.ndarray, path: Path, *, claimed: int | None = None) -> Path:
    """A binary PLY file of positions and nothing else."""
    count = len(points) if claimed is None else claimed
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {count}\n{axes}end_header\n"
    path.write_bytes(header.encode() + points.astype("<f4").tobytes())
    return path


def test_points_come_back_to_the_last_bit(tmp_path: Path) -> None:
    points = uniform_points(50)
    path = write_points(points, tmp_path / "a.ply")
    assert is_point_cloud(path) and np.array_equal(load_points(path).points, points)


def test_a_text_file_with_colours_and_an_empty_list_of_faces_is_a_cloud(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    properties = "property float x\nproperty float y\nproperty float z\nproperty uchar red\n"
    faces = "element face 0\nproperty list uchar int vertex_indices\n"
    path.write_text(f"ply\nformat ascii 1.0\nelement vertex 2\n{properties}{faces}end_header\n0 1 2 255\n3 4 5 0\n")
    assert is_point_cloud(path)
    assert np.array_equal(load_points(path).points, np.arange(6, dtype=np.float32).reshape(2, 3))


def test_a_mesh_is_no_cloud_and_neither_is_what_has_no_header(tmp_path: Path) -> None:
    write_mesh(box(), tmp_path / "mesh.ply")
    (tmp_path / "noise.ply").write_bytes(b"ply\nelement vertex 3\n" + bytes(100))
    assert not is_point_cloud(tmp_path / "mesh.ply") and not is_point_cloud(tmp_path / "noise.ply")


def test_broken_clouds_have_a_reason(tmp_path: Path) -> None:
    points = uniform_points(10)
    cases = [
        (write_points(points, tmp_path / "short.ply", claimed=10_000_000), "parse_error"),
        (write_points(points[:0], tmp_path / "empty.ply"), "no_surface"),
        (write_points(points * np.inf, tmp_path / "far.ply"), "non_finite"),
    ]
    for path, reason in cases:
        with pytest.raises(AssetError) as caught:
            load_points(path)
        assert caught.value.reason == reason, path


@pytest.mark.parametrize("limits", [LoadLimits(max_faces=3), LoadLimits(max_bytes=100)])
def test_limits_hold(tmp_path: Path, limits: LoadLimits) -> None:
    path = write_points(uniform_points(10), tmp_path / "a.ply")
    with pytest.raises(AssetError) as caught:
        load_points(path, limits=limits)
    assert caught.value.reason == "too_large"
