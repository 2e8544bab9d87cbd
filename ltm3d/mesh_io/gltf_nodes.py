"""The node tree of a glTF file: which meshes stand where."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.mesh_io.gltf_file import GltfFile
from ltm3d.mesh_io.skinning import local_transform

_INSTANCING, _VISIBILITY = "EXT_mesh_gpu_instancing", "KHR_node_visibility"
_MAX_NODES = 1_000_000  # that are met, shared ones each time


@dataclass(frozen=True, eq=False)
class Placed:
    """A node that holds a mesh, and the world matrices [4, 4] of its instances [I, 4, 4]."""

    node: dict[str, Any]
    matrices: np.ndarray


def placed_nodes(gltf: GltfFile) -> Iterator[Placed]:
    """Yield the nodes of the scene that hold a mesh and are visible, parents first.

    Raises:
        AssetError: `too_large` for more nodes than can be gone through. ValueError: nodes hold each other in a circle.
    """
    nodes = gltf.header.get("nodes", [])
    _refuse_cycles([node.get("children", ()) for node in nodes])
    stack = [(root, np.eye(4)) for root in reversed(list(dict.fromkeys(_roots(gltf.header, nodes))))]
    met = 0
    while stack:
        index, above = stack.pop()
        node = nodes[index]
        met += 1
        if met > _MAX_NODES:
            raise AssetError("too_large", f"more than {_MAX_NODES:,} nodes")
        extensions = node.get("extensions", {})
        if extensions.get(_VISIBILITY, {}).get("visible", True) is False:
            continue
        world = above @ local_transform(node)
        if "mesh" in node:
            instances = extensions.get(_INSTANCING)
            yield Placed(node, world[None] if instances is None else world @ _instances(gltf, instances))
        stack.extend((child, world) for child in reversed(node.get("children", ())))


def _roots(header: dict[str, Any], nodes: list[dict[str, Any]]) -> list[int]:
    """Return the roots of the file's scene; without scenes every node that no other one holds."""
    scenes = header.get("scenes", [])
    if scenes:
        return list(scenes[header.get("scene", 0)].get("nodes", []))
    children = {child for node in nodes for child in node.get("children", ())}
    return [index for index in range(len(nodes)) if index not in children]


def _instances(gltf: GltfFile, extension: dict[str, Any]) -> np.ndarray:
    """Return the matrices [I, 4, 4] of EXT_mesh_gpu_instancing: T · R · S each."""
    read = {name: gltf.read_accessor(index) for name, index in extension.get("attributes", {}).items()}
    counts = {len(values) for name, values in read.items() if name in ("TRANSLATION", "ROTATION", "SCALE")}
    if len(counts) != 1:
        raise ValueError(f"{_INSTANCING} with attributes of {sorted(counts)} entries")
    matrices = np.empty((counts.pop(), 4, 4))
    for number in range(len(matrices)):
        parts = {name.lower(): read[name][number] for name in ("TRANSLATION", "ROTATION", "SCALE") if name in read}
        matrices[number] = local_transform(parts)
    return matrices


def _refuse_cycles(children: list[Any]) -> None:
    """Refuse a node that is below itself: leaves are taken away until none is left, or only cycles."""
    parents: list[list[int]] = [[] for _ in children]
    for parent, below in enumerate(children):
        for child in below:
            parents[child].append(parent)
    num_open = [len(below) for below in children]
    leaves = [node for node, count in enumerate(num_open) if not count]
    for leaf in leaves:  # grows while it is gone through
        for parent in parents[leaf]:
            num_open[parent] -= 1
            if not num_open[parent]:
                leaves.append(parent)
    if len(leaves) < len(children):
        raise ValueError(f"{len(children) - len(leaves)} nodes hold each other in a circle")
