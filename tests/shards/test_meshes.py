from dataclasses import replace

import numpy as np
import pytest
from mesh_files import write_meshes
from shapes import box

from ltm3d.geometry.face_colors import FaceColors
from ltm3d.shards.meshes import MeshSet, mesh_at
from ltm3d.shards.read import ShardSet, read_shard

RED = (200, 0, 0)


def test_meshes_come_back_with_and_without_colours(tmp_path):
    write_meshes(tmp_path / "shard-00000", {"red": box(color=RED), "plain": box()})
    shard = read_shard(tmp_path / "shard-00000")
    np.testing.assert_array_equal(mesh_at(shard, 0).vertex_colors, box(color=RED).vertex_colors)
    assert mesh_at(shard, 1).vertex_colors is None
    np.testing.assert_array_equal(mesh_at(shard, 1).faces, box().faces)


def test_a_set_reads_each_mesh_in_the_order_asked_for(tmp_path):
    write_meshes(tmp_path / "shard-00000", {"red": box(color=RED), "plain": box()})
    write_meshes(tmp_path / "shard-00001", {"long": box((1.9, 0.2, 0.2))})
    meshes = MeshSet(ShardSet(tmp_path, ["long", "plain"]))
    assert len(meshes) == 2
    np.testing.assert_array_equal(meshes[0].vertices, box((1.9, 0.2, 0.2)).vertices)
    assert [mesh.vertex_colors for mesh in meshes] == [None, None]
    with pytest.raises(IndexError):
        meshes[2]


def test_colours_within_faces_come_back(tmp_path):
    plain = box(color=RED)
    levels = np.zeros(len(plain.faces), np.uint8)
    levels[[2, 7]] = 1, 3
    own = FaceColors(levels, np.arange(39).reshape(13, 3))
    write_meshes(tmp_path / "shard-00000", {"plain": plain, "marked": replace(plain, face_colors=own)})
    shard = read_shard(tmp_path / "shard-00000")
    assert mesh_at(shard, 0).face_colors is None
    back = mesh_at(shard, 1).face_colors
    assert np.array_equal(back.levels, levels) and np.array_equal(back.texels, own.texels)
