"""glTF 2.0, read by its own rules: no Python library knows instancing, default morphs, visibility and skins at rest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.parts import PLAIN, Part, place
from ltm3d.mesh_io import draco
from ltm3d.mesh_io.gltf_file import GltfFile, read_container
from ltm3d.mesh_io.gltf_materials import GltfMaterials
from ltm3d.mesh_io.gltf_nodes import placed_nodes
from ltm3d.mesh_io.references import BoundedResolver
from ltm3d.mesh_io.skinning import Skins
from ltm3d.mesh_io.strips import fan_triangles, strip_triangles

_TRIANGLES, _STRIP, _FAN = 4, 5, 6


def read_gltf(path: Path, files: BoundedResolver, *, max_faces: int) -> list[Part]:
    """Read a .glb or .gltf file: all instances in place, morphs by their default weights, skins at rest.

    Args:
        max_faces: of all instances together.

    Raises:
        AssetError: `parse_error`, `unsupported_compression`, `unsupported_extension`, `unsafe_reference`, `too_large`.
            KeyError, TypeError, ValueError and the like: broken.
    """
    gltf = read_container(path, resolver=files, max_points=3 * max_faces)
    if draco.EXTENSION in gltf.header.get("extensionsRequired", ()):
        draco.unpack_draco(gltf, max_points=3 * max_faces)
    return list(_Reader(gltf, files, max_faces).parts())


class _Reader:
    def __init__(self, gltf: GltfFile, files: BoundedResolver, max_faces: int) -> None:
        self._gltf, self._max_faces = gltf, max_faces
        self._materials = GltfMaterials(gltf, files)
        self._skins = Skins(gltf)
        self._read: dict[tuple[int, tuple[float, ...]], list[tuple[dict[str, Any], Part]]] = {}

    def parts(self) -> Iterator[Part]:
        count = 0
        for placed in placed_nodes(self._gltf):
            primitives = self._primitives(placed.node)
            skin = placed.node.get("skin")
            count += sum(len(part.faces) for _, part in primitives) * len(placed.matrices)
            if count > self._max_faces:
                raise AssetError("too_large", f"{count:,} faces; the limit is {self._max_faces:,}")
            for attributes, part in primitives:
                posed = None if skin is None else self._skins.pose(skin, attributes, part)
                if posed is not None:  # by glTF 2.0, 3.7.3.3, a skin replaces the node's own transform
                    yield posed
                    continue
                for matrix in placed.matrices:
                    yield place(part, matrix)

    def _primitives(self, node: dict[str, Any]) -> list[tuple[dict[str, Any], Part]]:
        """Return the triangles of a node's mesh, each with the attributes of its primitive."""
        mesh = self._gltf.header["meshes"][node["mesh"]]
        weights = tuple(float(weight) for weight in node.get("weights", mesh.get("weights", ())))
        key = (node["mesh"], weights)
        if key not in self._read:
            self._read[key] = [
                (part["attributes"], self._part(part, weights))
                for part in mesh["primitives"]
                if part.get("mode", _TRIANGLES) >= _TRIANGLES
                and "POSITION" in part["attributes"]  # no points, no lines
            ]
        return self._read[key]

    def _part(self, primitive: dict[str, Any], weights: tuple[float, ...]) -> Part:
        gltf, attributes = self._gltf, primitive["attributes"]
        vertices = gltf.read_accessor(attributes["POSITION"]).astype(np.float64)
        for weight, target in zip(weights, primitive.get("targets", ()), strict=False):
            if weight and "POSITION" in target:
                vertices = vertices + weight * gltf.read_accessor(target["POSITION"])
        if vertices.ndim != 2 or vertices.shape[1] != 3:
            raise ValueError(f"positions of {vertices.shape[1]} numbers")
        indices = (
            gltf.read_accessor(primitive["indices"]).reshape(-1).astype(np.int64)
            if "indices" in primitive
            else np.arange(len(vertices))
        )
        faces = _triangles(indices, primitive.get("mode", _TRIANGLES))
        if len(faces) and faces.max() >= len(vertices):
            raise AssetError("parse_error", f"a face names vertex {faces.max()}; there are {len(vertices)}")
        light = None
        if "COLOR_0" in attributes:
            light = gltf.read_accessor(attributes["COLOR_0"]).astype(np.float32)[faces]
        material, uv, glow_uv = PLAIN, None, None
        if "material" in primitive:
            material = self._materials.get(primitive["material"])
            if material.texture is not None:
                uv = self._places(self._materials.texture_info(primitive["material"]), attributes, faces)
            if material.glow_texture is not None:
                info = self._materials.texture_info(primitive["material"], glow=True)
                glow_uv = self._places(info, attributes, faces)
        return Part(vertices=vertices, faces=faces, material=material, uv=uv, glow_uv=glow_uv, light=light)

    def _places(self, info: dict[str, Any], attributes: dict[str, int], faces: np.ndarray) -> np.ndarray | None:
        """Return texture coordinates [F, 3, 2], KHR_texture_transform applied: scale, then rotation, then offset."""
        transform = info.get("extensions", {}).get("KHR_texture_transform", {})
        name = f"TEXCOORD_{transform.get('texCoord', info.get('texCoord', 0))}"
        if name not in attributes:
            return None
        uv = self._gltf.read_accessor(attributes[name]).astype(np.float64)
        if transform:
            angle = transform.get("rotation", 0.0)
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            uv = (uv * transform.get("scale", (1, 1))) @ turn.T + transform.get("offset", (0, 0))
        return uv[faces]


def _triangles(indices: np.ndarray, mode: int) -> np.ndarray:
    if mode == _STRIP:
        return strip_triangles(indices)
    if mode == _FAN:
        return fan_triangles(indices)
    if mode != _TRIANGLES:
        raise ValueError(f"primitives of mode {mode}")
    return indices[: len(indices) // 3 * 3].reshape(-1, 3)
