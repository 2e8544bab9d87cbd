from pathlib import Path

import numpy as np
import pytest
import trimesh

from ltm3d.geometry.point_cloud import PointCloud, write_ply


def cloud() -> PointCloud:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(rng.normal(size=(50, 3)), normals, rng.integers(0, 256, (50, 3)))


def test_an_independent_reader_finds_points_normals_and_colours(tmp_path: Path) -> None:
    path = tmp_path / "cloud.ply"
    write_ply(cloud(), path)
    read = trimesh.load(path)
    np.testing.assert_array_equal(np.asarray(read.vertices, np.float32), cloud().points)
    np.testing.assert_array_equal(read.colors[:, :3], cloud().colors)
    raw = read.metadata["_ply_raw"]["vertex"]["data"]
    np.testing.assert_array_equal(np.stack([raw[name] for name in ("nx", "ny", "nz")], axis=1), cloud().normals)


def test_a_bare_cloud_has_a_bare_file(tmp_path: Path) -> None:
    path = tmp_path / "bare.ply"
    write_ply(PointCloud(cloud().points), path)
    assert b"nx" not in path.read_bytes()[:200] and len(trimesh.load(path).vertices) == 50


def test_arrays_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"normals have the shape \(49, 3\); expected \(50, 3\)"):
        PointCloud(cloud().points, cloud().normals[1:])
