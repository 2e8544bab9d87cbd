"""Broken mesh files of every kind, each with the reason it must end in; None where it costs its colour alone."""

import base64
import json
import struct
import zlib

import numpy as np
from gltf_scenes import add_texture, gltf_of
from mesh_files import box, glb
from shapes import sphere

from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.gltf_file import GltfFile
from ltm3d.shards.archive import archive_bytes

GOOD = box((3, 2, 1))
OBJ = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


def changed(change, mesh: Mesh = GOOD) -> dict[str, bytes]:
    gltf = gltf_of(mesh)
    change(gltf)
    return {"model.glb": gltf.to_glb()}


def json_gltf(**header) -> dict[str, bytes]:
    """A .gltf with its buffer inside, under the main file's name: the reader looks at the first bytes."""
    gltf = gltf_of(GOOD)
    buffer = b"".join(data + b"\0" * (-len(data) % 4) for data in gltf.buffers)
    content = json.loads(gltf.to_glb()[20 : 20 + struct.unpack_from("<I", gltf.to_glb(), 12)[0]])
    content["buffers"] = [{"byteLength": len(buffer), "uri": "data:;base64," + base64.b64encode(buffer).decode()}]
    return {"model.glb": json.dumps({**content, **header}).encode()}


def with_value(value: float) -> dict[str, bytes]:
    vertices = GOOD.vertices.copy()
    vertices[3, 1] = value
    return changed(lambda gltf: None, Mesh(vertices, GOOD.faces))


def cyclic(gltf: GltfFile) -> None:
    gltf.header["nodes"] = [{"mesh": 0, "children": [1]}, {"children": [0]}]


def image_uri(uri: str):
    def change(gltf: GltfFile) -> None:
        add_texture(gltf, np.zeros((2, 2, 3), np.uint8))
        gltf.header["images"] = [{"uri": uri}]

    return change


def bomb(gltf: GltfFile) -> None:
    """A picture of 100,000 x 100,000 pixels in a few hundred bytes."""
    add_texture(gltf, np.zeros((2, 2, 3), np.uint8))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    picture = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(300))) + chunk(b"IEND", b"")
    )
    gltf.header["images"] = [{"bufferView": gltf.add_view(picture), "mimeType": "image/png"}]


def required(*extensions: str):
    return lambda gltf: gltf.header.update(extensionsRequired=list(extensions), extensionsUsed=list(extensions))


def wrong_length() -> dict[str, bytes]:
    data = bytearray(glb(GOOD)["model.glb"])
    struct.pack_into("<I", data, 8, len(data) + 4096)
    return {"model.glb": bytes(data)}


def stray() -> Mesh:
    """A sphere with one vertex at 1,000 radii."""
    mesh = sphere(subdivisions=2)
    vertices = mesh.vertices.copy()
    vertices[0] = 1000
    return Mesh(vertices, mesh.faces)


def points_only(gltf: GltfFile) -> None:
    gltf.header["meshes"][0]["primitives"][0]["mode"] = 0


GOOD_BYTES = glb(GOOD)["model.glb"]
DIRTY = {
    "zero-bytes": ({"model.glb": b""}, "parse_error"),
    "truncated": ({"model.glb": GOOD_BYTES[: len(GOOD_BYTES) // 2]}, "parse_error"),
    "header-alone": ({"model.glb": GOOD_BYTES[:12]}, "parse_error"),
    "wrong-length": (wrong_length(), "parse_error"),
    "view-over-buffer": (changed(lambda g: g.header["bufferViews"][0].update(byteLength=10**9)), "parse_error"),
    "accessor-over-view": (changed(lambda g: g.header["accessors"][0].update(count=100)), "parse_error"),
    "accessor-of-billions": (
        changed(lambda g: g.header["accessors"].append({"count": 2**40, "type": "VEC3", "componentType": 5126})),
        "too_large",
    ),
    "another-type": ({"model.glb": b"%PDF-1.7 not a mesh at all"}, "parse_error"),
    "a-zip": ({"model.glb": archive_bytes({"inner.obj": OBJ})}, "parse_error"),
    "json-bomb": ({"model.glb": b"[" * 200_000}, "parse_error"),
    "nan": (with_value(np.nan), "non_finite"),
    "inf": (with_value(np.inf), "non_finite"),
    "overflow": (with_value(1e30), "no_surface"),
    "meshopt": (changed(required("EXT_meshopt_compression")), "unsupported_compression"),
    "cyclic-nodes": (changed(cyclic), "parse_error"),
    "self-child": (changed(lambda g: g.header.update(nodes=[{"mesh": 0, "children": [0]}])), "parse_error"),
    "path-escape": (changed(image_uri("../../../../etc/passwd")), None),
    "escape-encoded": (changed(image_uri("..%2f..%2fetc%2fpasswd")), None),
    "absolute-path": (changed(image_uri("/etc/passwd")), None),
    "file-uri": (changed(image_uri("file:///etc/passwd")), None),
    "remote-uri": (changed(image_uri("http://203.0.113.7/a.png")), None),
    "remote-buffer": (json_gltf(buffers=[{"byteLength": 9, "uri": "https://203.0.113.7/a.bin"}]), "unsafe_reference"),
    "image-bomb": (changed(bomb), None),
    "unknown-extension": (changed(required("ACME_shape")), "unsupported_extension"),
    "stray-vertex": (changed(lambda g: None, stray()), "stray_geometry"),
    "points-alone": (changed(points_only), "no_surface"),
    "no-area": (changed(lambda g: None, Mesh(np.zeros_like(GOOD.vertices), GOOD.faces)), "no_surface"),
    "no-mesh": (changed(lambda g: g.header.update(nodes=[{}])), "no_surface"),
    "too-many-faces": (
        changed(lambda g: g.header.update(nodes=[{"children": list(range(1, 200))}] + [{"mesh": 0}] * 199)),
        "too_large",
    ),
    "main-file-missing": ({"other.glb": GOOD_BYTES}, "parse_error"),
    "segfault": ({"model.glb": b"SEGFAULT"}, "crash:SIGSEGV"),
    "hang": ({"model.glb": b"HANGHANG"}, "timeout"),
    "memory-eater": ({"model.glb": b"EATEATEA"}, "out_of_memory"),
}
