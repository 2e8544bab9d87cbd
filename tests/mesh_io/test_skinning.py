import numpy as np
import pytest
from gltf_scenes import gltf_of, save
from shapes import box

from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.gltf_file import GltfFile
from ltm3d.mesh_io.loading import load_mesh
from ltm3d.mesh_io.skinning import local_transform, world_transforms


def skinned(weights: np.ndarray) -> GltfFile:
    """A box of two joints; the mesh's own node is far off, which a skin makes meaningless."""
    gltf = gltf_of(
        Mesh(box().vertices, box().faces),
        JOINTS_0=(np.tile(np.array([0, 1, 0, 0], np.uint8), (8, 1)), "VEC4"),
        WEIGHTS_0=(weights.astype(np.float32), "VEC4"),
    )
    gltf.header["nodes"] = [
        {"mesh": 0, "skin": 0, "translation": [500, 0, 0]},
        {"children": [2], "translation": [0, 10, 0]},
        {"translation": [3, 0, 0]},
    ]
    gltf.header["scenes"] = [{"nodes": [0, 1]}]
    bind = np.stack([np.eye(4), np.eye(4)])
    bind[1, :3, 3] = (-3, 0, 0)  # joint 1 stood at x = 3 when bound
    columns = bind.transpose(0, 2, 1).reshape(2, 16).astype(np.float32)
    gltf.header["skins"] = [{"joints": [1, 2], "inverseBindMatrices": gltf.add_accessor(columns, "MAT4")}]
    return gltf


def test_the_pose_of_the_nodes_moves_a_skin_and_its_own_node_does_not(tmp_path) -> None:
    weights = np.tile([0.25, 0.75, 0, 0], (8, 1))
    mesh = load_mesh(save(skinned(weights), tmp_path))
    assert mesh.vertices == pytest.approx(box(center=(0, 10, 0)).vertices, abs=1e-5)


def test_a_turned_joint_turns_what_hangs_on_it(tmp_path) -> None:
    weights = np.zeros((8, 4))
    upper = box().vertices[:, 1] > 0
    weights[upper, 1], weights[~upper, 0] = 1, 1
    gltf = skinned(weights)
    gltf.header["nodes"][2]["rotation"] = [0, 2**-0.5, 0, 2**-0.5]  # a quarter around y, at x = 3
    moved = load_mesh(save(gltf, tmp_path)).vertices
    assert moved[~upper] == pytest.approx(box(center=(0, 10, 0)).vertices[~upper], abs=1e-5)
    x, y, z = box().vertices[upper].T
    assert moved[upper] == pytest.approx(np.stack([3 + z, 10 + y, -(x - 3)], axis=1), abs=1e-5)


def test_missing_weights_share_the_joints(tmp_path) -> None:
    weights = np.tile([1.0, 0, 0, 0], (8, 1))
    weights[0], weights[1] = np.nan, 0
    assert np.isfinite(load_mesh(save(skinned(weights), tmp_path)).vertices).all()


def test_world_transforms_follow_the_tree_and_survive_a_loop() -> None:
    turn = {"rotation": [0, 0, 2**-0.5, 2**-0.5]}
    nodes = [{"translation": [1, 0, 0]}, {"children": [0], **turn}, {"children": [1], "scale": [2, 2, 2]}]
    assert (world_transforms(nodes)[0] @ [0, 0, 0, 1])[:3] == pytest.approx([0, 2, 0])
    matrix = np.arange(16.0).reshape(4, 4)
    assert np.array_equal(local_transform({"matrix": matrix.T.reshape(-1).tolist()}), matrix)
    assert len(world_transforms([{"children": [1]}, {"children": [0]}])) == 2
