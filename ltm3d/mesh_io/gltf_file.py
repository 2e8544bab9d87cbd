"""The container of glTF: header, buffers, accessors; every length checked before it is trusted."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.mesh_io.references import BoundedResolver

_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_COMPRESSED = {"EXT_meshopt_compression", "KHR_meshopt_compression"}  # no kept decoder for Python
_KNOWN = {  # extensions that are read, or without which the file's shape is as it should be
    "KHR_draco_mesh_compression",
    "KHR_mesh_quantization",
    "KHR_texture_transform",
    "KHR_node_visibility",
    "KHR_lights_punctual",
    "KHR_texture_basisu",
    "KHR_xmp",
    "KHR_xmp_json_ld",
    "KHR_animation_pointer",
    "KHR_node_hoverability",
    "KHR_node_selectability",
    "EXT_mesh_gpu_instancing",
    "EXT_texture_webp",
    "EXT_texture_avif",
    "EXT_lights_image_based",
    "EXT_lights_ies",
    "EXT_mesh_manifold",
    "EXT_mesh_features",
    "EXT_structural_metadata",
    "MSFT_texture_dds",
    "CESIUM_RTC",
}
_KNOWN_PREFIXES = ("KHR_materials_", "EXT_materials_", "ADOBE_materials_", "MSFT_packing_")  # how a surface looks
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}


class GltfFile:
    """A glTF asset in memory: the JSON `header` and its `buffers`. Both may be changed before `to_glb`."""

    def __init__(self, header: dict[str, Any], buffers: list[bytes]) -> None:
        self.header = header
        self.buffers = buffers

    def to_glb(self) -> bytes:
        """Return the asset as one GLB with one buffer."""
        starts = np.cumsum([0] + [len(data) + -len(data) % 4 for data in self.buffers])
        views = [
            {**view, "buffer": 0, "byteOffset": view.get("byteOffset", 0) + int(starts[view["buffer"]])}
            for view in self.header.get("bufferViews", [])
        ]
        binary = b"".join(data + b"\0" * (-len(data) % 4) for data in self.buffers)
        header = {**self.header, "bufferViews": views, "buffers": [{"byteLength": len(binary)}]}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), _JSON) + text + struct.pack("<II", len(binary), _BIN) + binary
        return struct.pack("<III", _MAGIC, 2, 12 + len(chunks)) + chunks

    def add_view(self, data: bytes) -> int:
        """Append bytes as a buffer view and return its index."""
        views = self.header.setdefault("bufferViews", [])
        self.buffers.append(data)
        views.append({"buffer": len(self.buffers) - 1, "byteLength": len(data)})
        return len(views) - 1

    def view_bytes(self, index: int) -> bytes:
        """Return the bytes of a buffer view."""
        view = self.header["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self.buffers[view["buffer"]][start : start + view["byteLength"]]

    def read_accessor(self, index: int) -> np.ndarray:
        """Return an accessor's values [N, width]; sparse ones filled in, normalised integers as float32."""
        entry = self.header["accessors"][index]
        dtype, width, count = np.dtype(_COMPONENTS[entry["componentType"]]), _WIDTHS[entry["type"]], entry["count"]
        values = np.zeros((count, width), dtype)
        if "bufferView" in entry and count:
            stride = self.header["bufferViews"][entry["bufferView"]].get("byteStride") or dtype.itemsize * width
            data = np.frombuffer(self.view_bytes(entry["bufferView"]), np.uint8, offset=entry.get("byteOffset", 0))
            rows = np.lib.stride_tricks.as_strided(data, (count, dtype.itemsize * width), (stride, 1))
            values = np.ascontiguousarray(rows).view(dtype)
        if "sparse" in entry:
            sparse, values = entry["sparse"], values.copy()
            where, what, changed = sparse["indices"], sparse["values"], sparse["count"]
            kind = np.dtype(_COMPONENTS[where["componentType"]])
            places = np.frombuffer(self.view_bytes(where["bufferView"]), kind, changed, where.get("byteOffset", 0))
            new = np.frombuffer(self.view_bytes(what["bufferView"]), dtype, changed * width, what.get("byteOffset", 0))
            values[places] = new.reshape(-1, width)
        if entry.get("normalized") and dtype.kind != "f":
            return np.maximum(values.astype(np.float32) / np.iinfo(dtype).max, -1)
        return values

    def add_accessor(self, values: np.ndarray, kind: str) -> int:
        """Append values [N, width] as a plain accessor of a type like `VEC3`, and return its index."""
        accessors = self.header["accessors"]
        component = next(code for code, name in _COMPONENTS.items() if np.dtype(name) == values.dtype)
        view = self.add_view(np.ascontiguousarray(values).tobytes())
        accessors.append({"bufferView": view, "componentType": component, "count": len(values), "type": kind})
        return len(accessors) - 1


def component_dtype(code: int) -> np.dtype:
    """Return the dtype of a glTF component type like 5126."""
    return np.dtype(_COMPONENTS[code])


def read_container(path: Path, *, resolver: BoundedResolver, max_points: int) -> GltfFile:
    """Read a .glb or .gltf file with all its buffers.

    Args:
        max_points: limit of the entries of one accessor.

    Raises:
        AssetError: `parse_error`, `unsupported_compression`, `unsupported_extension`, `unsafe_reference`, `too_large`.
            KeyError, TypeError, ValueError and the like: broken header.
    """
    header, binary = _split(path.read_bytes())
    _check_extensions(header)
    buffers = [_buffer(entry, binary, resolver) for entry in header.get("buffers", [])]
    _check_layout(header, [len(data) for data in buffers], max_points)
    return GltfFile(header, buffers)


def uri_bytes(uri: str, resolver: BoundedResolver) -> bytes:
    """Return what a URI of the header stands for: data inside it, or a file of the asset."""
    if not uri.startswith("data:"):
        return resolver.get(uri)
    head, _, body = uri.partition(",")
    if not head.endswith(";base64"):
        raise ValueError("a data URI is not base64")
    return base64.b64decode(body)


def _split(data: bytes) -> tuple[dict[str, Any], bytes | None]:
    """Return the JSON header and the binary chunk of a .glb or .gltf file."""
    if data[:4] != struct.pack("<I", _MAGIC):
        return _header(data), None
    if len(data) < 20:
        raise AssetError("parse_error", f"{len(data)} bytes are too few for a GLB")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise AssetError("parse_error", f"GLB version {version}; only 2 is read")
    if length > len(data):
        raise AssetError("parse_error", f"the GLB says {length} bytes but has {len(data)}")
    chunks: dict[int, bytes] = {}
    place = 12
    while place + 8 <= length:
        size, kind = struct.unpack_from("<II", data, place)
        if place + 8 + size > length:
            raise AssetError("parse_error", f"a GLB chunk of {size} bytes runs over the file's end")
        chunks.setdefault(kind, data[place + 8 : place + 8 + size])
        place += 8 + size
    if _JSON not in chunks:
        raise AssetError("parse_error", "the GLB has no JSON chunk")
    return _header(chunks[_JSON]), chunks.get(_BIN)


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AssetError("parse_error", f"the glTF header is not JSON: {error}") from error
    version = header.get("asset", {}).get("version", "2.0") if isinstance(header, dict) else None
    if not str(version).startswith("2"):
        raise AssetError("parse_error", f"glTF version {version}; only 2 is read")
    return header


def _buffer(entry: dict[str, Any], binary: bytes | None, resolver: BoundedResolver) -> bytes:
    if "uri" in entry:
        return uri_bytes(entry["uri"], resolver)
    if binary is None:
        raise ValueError("a buffer has neither a URI nor a binary chunk")
    return binary


def _check_extensions(header: dict[str, Any]) -> None:
    """Refuse what cannot be read before anything else is judged: compressed views do not fit their buffers."""
    required = {str(name) for name in header.get("extensionsRequired", ())}
    compressed = sorted(required & _COMPRESSED)
    if compressed:
        raise AssetError("unsupported_compression", f"{', '.join(compressed)}; decompress it: gltfpack without -c")
    unknown = sorted(name for name in required - _KNOWN if not name.startswith(_KNOWN_PREFIXES))
    if unknown:
        raise AssetError("unsupported_extension", f"the file requires {', '.join(unknown)[:200]}, which is not read")


def _check_layout(header: dict[str, Any], sizes: list[int], max_points: int) -> None:
    """Refuse views outside their buffer, and accessors that are too long or outside their view."""
    views = header.get("bufferViews", [])
    for view in views:
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if start < 0 or length < 0 or start + length > sizes[view["buffer"]]:
            raise ValueError(f"a buffer view of {length} bytes at {start} runs over its buffer")
    for entry in header.get("accessors", []):
        count = entry["count"]
        if not 0 <= count <= max_points:
            raise AssetError("too_large", f"an accessor of {count:,} entries; the limit is {max_points:,}")
        if "bufferView" not in entry or not count:
            continue
        view, start = views[entry["bufferView"]], entry.get("byteOffset", 0)
        size = np.dtype(_COMPONENTS[entry["componentType"]]).itemsize * _WIDTHS[entry["type"]]
        stride = view.get("byteStride") or size
        if start < 0 or stride < size or start + (count - 1) * stride + size > view["byteLength"]:
            raise ValueError(f"an accessor of {count} entries runs over its buffer view")
