"""Draco: geometry compressed inside glTF (extension KHR_draco_mesh_compression), unpacked into plain accessors."""

import importlib.util
from typing import Any

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.mesh_io.gltf_file import GltfFile, component_dtype

EXTENSION = "KHR_draco_mesh_compression"
_UNSIGNED_INT = 5125


def unpack_draco(gltf: GltfFile, *, max_points: int) -> None:
    """Give every compressed primitive plain data in the accessors it names already.

    Args:
        max_points: limit of the entries of one accessor.

    Raises:
        AssetError: `unsupported_compression` where the decoder is not installed, `parse_error` for broken data,
            `too_large`.
    """
    decoded: dict[int, Any] = {}
    for mesh in gltf.header.get("meshes", []):
        for part in mesh["primitives"]:
            packed = part.get("extensions", {}).get(EXTENSION)
            if packed is None:
                continue
            view = packed["bufferView"]
            if view not in decoded:
                decoded[view] = _decode(gltf.view_bytes(view))
            content = decoded[view]
            if "indices" in part:
                _fill(gltf, part["indices"], content.faces.reshape(-1, 1), max_points, component=_UNSIGNED_INT)
            columns = {attribute["unique_id"]: attribute["data"] for attribute in content.attributes}
            for name, number in packed["attributes"].items():
                _fill(gltf, part["attributes"][name], columns[number], max_points)


def has_decoder() -> bool:
    """Say whether DracoPy is installed here."""
    return importlib.util.find_spec("DracoPy") is not None


def _decode(data: bytes) -> Any:
    try:
        import DracoPy
    except ImportError as error:
        raise AssetError(
            "unsupported_compression",
            f"{EXTENSION}; to read it: pip install 'ltm3d[draco]' on every node and run the stage again",
        ) from error
    try:
        content = DracoPy.decode(data)
    except (DracoPy.FileTypeException, ValueError) as error:
        raise AssetError("parse_error", f"broken Draco data of {len(data):,} bytes: {error}") from error
    if not hasattr(content, "faces"):
        raise AssetError("no_surface", "the Draco data are points without faces")
    return content


def _fill(gltf: GltfFile, index: int, values: np.ndarray, max_points: int, *, component: int | None = None) -> None:
    if len(values) > max_points:
        raise AssetError("too_large", f"Draco data of {len(values):,} entries; the limit is {max_points:,}")
    entry = gltf.header["accessors"][index]
    component = component or entry["componentType"]
    view = gltf.add_view(np.ascontiguousarray(values, component_dtype(component)).tobytes())
    plain = {key: entry[key] for key in ("type", "normalized") if key in entry}
    gltf.header["accessors"][index] = {**plain, "componentType": component, "count": len(values), "bufferView": view}
