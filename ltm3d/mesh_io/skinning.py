"""Skinned glTF meshes in the pose in which the file's nodes stand."""

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ltm3d.geometry.parts import Part
from ltm3d.mesh_io.gltf_file import GltfFile


class Skins:
    """The skins of a glTF file at rest."""

    def __init__(self, gltf: GltfFile) -> None:
        self._gltf = gltf

    def pose(self, skin: int, attributes: dict[str, int], part: Part) -> Part | None:
        """Return a skinned part in the world, or None where it has no joints.

        By glTF 2.0, 3.7.3.3: v' = sum_j w_j (world_j · inverse_bind_j) v. A primitive may have several sets of four.
        """
        sets = [number for number in range(8) if {f"JOINTS_{number}", f"WEIGHTS_{number}"} <= set(attributes)]
        if not sets:
            return None
        read = self._gltf.read_accessor
        joints = np.concatenate([read(attributes[f"JOINTS_{number}"]) for number in sets], axis=1).astype(np.int64)
        weights = np.concatenate([read(attributes[f"WEIGHTS_{number}"]) for number in sets], axis=1).astype(np.float64)
        entry = self._gltf.header["skins"][skin]
        matrices = np.stack([self._world[joint] for joint in entry["joints"]])
        if "inverseBindMatrices" in entry:
            bind = read(entry["inverseBindMatrices"])[: len(matrices)].astype(np.float64)
            matrices = matrices @ bind.reshape(-1, 4, 4).transpose(0, 2, 1)  # stored by columns
        weights = np.maximum(np.nan_to_num(weights), 0)
        weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, 1.0)  # none: its joints share alike
        total = weights.sum(axis=1, keepdims=True)
        blended = np.einsum("nk,nkxy->nxy", weights / total, matrices[np.minimum(joints, len(matrices) - 1)])
        return replace(part, vertices=np.einsum("nxy,ny->nx", blended[:, :3, :3], part.vertices) + blended[:, :3, 3])

    @cached_property
    def _world(self) -> list[np.ndarray]:
        return world_transforms(self._gltf.header["nodes"])


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
