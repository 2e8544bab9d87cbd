"""Skinned glTF meshes in the pose in which the file's nodes stand."""

from typing import Any

import numpy as np

from ltm3d.geometry.gltf_file import GltfFile


def skin_to_rest_pose(gltf: GltfFile, *, node_name: str, geometry: Any) -> np.ndarray | None:
    """Return the world positions [N, 3] of a skinned mesh, or None where the node has no skin.

    By glTF 2.0, 3.7.3.3, a skin replaces the node's own transform: v' = sum_j w_j (world_j · inverse_bind_j) v.
    """
    node = gltf.header["nodes"][int(node_name.removeprefix("node").split("_")[0])]
    joints = geometry.vertex_attributes.get("_JOINTS_0")
    weights = geometry.vertex_attributes.get("_WEIGHTS_0")
    if "skin" not in node or joints is None or weights is None:
        return None
    skin = gltf.header["skins"][node["skin"]]
    world = world_transforms(gltf.header["nodes"])
    matrices = np.stack([world[joint] for joint in skin["joints"]])
    if "inverseBindMatrices" in skin:
        bind = gltf.read_accessor(skin["inverseBindMatrices"])[: len(matrices)].astype(np.float64)
        matrices = matrices @ bind.reshape(-1, 4, 4).transpose(0, 2, 1)  # stored by columns
    weights = np.maximum(np.nan_to_num(np.asarray(weights, np.float64)), 0)
    weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, 1.0)  # none: its joints share alike
    total = weights.sum(axis=1, keepdims=True)
    joints = np.minimum(np.asarray(joints, np.int64), len(matrices) - 1)
    blended = np.einsum("nk,nkxy->nxy", weights / total, matrices[joints])
    vertices = np.asarray(geometry.vertices, np.float64)
    return np.einsum("nxy,ny->nx", blended[:, :3, :3], vertices) + blended[:, :3, 3]


def world_transforms(nodes: list[dict[str, Any]]) -> list[np.ndarray]:
    """Return the world matrix [4, 4] of each glTF node."""
    parents = {child: index for index, node in enumerate(nodes) for child in node.get("children", ())}
    world: dict[int, np.ndarray] = {}
    for index in range(len(nodes)):
        chain = [index]
        while chain[-1] in parents and chain[-1] not in world and len(chain) <= len(nodes):
            chain.append(parents[chain[-1]])
        for node in reversed(chain):
            if node not in world:
                above = world.get(parents.get(node, -1), np.eye(4))
                world[node] = above @ local_transform(nodes[node])
    return [world[index] for index in range(len(nodes))]


def local_transform(node: dict[str, Any]) -> np.ndarray:
    """Return a glTF node's own matrix [4, 4]."""
    if "matrix" in node:
        return np.asarray(node["matrix"], np.float64).reshape(4, 4).T
    matrix = np.eye(4)
    x, y, z, w = np.asarray(node.get("rotation", (0, 0, 0, 1)), np.float64)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix[:3, :3] = rotation * np.asarray(node.get("scale", (1, 1, 1)), np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix
