"""Mesh files of every format, and seeded damage to them."""

import json
import struct
from collections.abc import Iterator

import numpy as np
from gltf_scenes import add_texture, gltf_of
from shapes import box, sphere

from ltm3d.mesh_io.gltf_file import GltfFile

CUBE = box()
_WORDS = [
    b"0",
    b"-1",
    b"1e999",
    b"nan",
    b"4294967295",
    b"99999999999999999999",
    b"null",
    b"{}",
    b"[]",
    b'"x"',
    b"/",
    b"#",
    b"\xff\xfe",
    b"f",
    b"v",
]


def base_files() -> dict[str, list[bytes]]:
    """Return small good files by suffix: each format in its kinds."""
    import trimesh

    solid = trimesh.Trimesh(CUBE.vertices, CUBE.faces, vertex_colors=[9, 99, 199, 255], process=False)
    quads = "f 1/1 2/1 4/1 3/1\nf 5//1 7//1 8//1 6//1\nf 1 3 7 5 6 2\nf -1 -2 -3\n"
    obj = "mtllib a.mtl\no cube\nusemtl m\n" + "".join(f"v {x} {y} {z} 1 0 0\n" for x, y, z in CUBE.vertices.tolist())
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 8\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz") + "element face 3\n"
    header += "property list uchar int vertex_indices\nproperty list uchar float texcoord\nend_header\n"
    rows = [(0, 1, 3, 2), (4, 6, 7), (0, 4, 5, 1, 3)]
    mixed = header.encode() + CUBE.vertices.astype("<f4").tobytes()
    for row in rows:
        mixed += bytes([len(row)]) + np.array(row, "<i4").tobytes() + bytes([2]) + np.zeros(2, "<f4").tobytes()
    off = "COFF\n8 3 0\n" + "".join(f"{x} {y} {z} 255 0 0\n" for x, y, z in CUBE.vertices.tolist())
    return {
        "obj": [(obj + "vt 0 0\nvn 0 0 1\n" + quads).encode()],
        "ply": [solid.export(file_type="ply"), solid.export(file_type="ply", encoding="ascii"), mixed],
        "off": [(off + "4 0 1 3 2\n3 4 6 7 0 255 0\n5 0 4 5 1 3\n").encode()],
        "stl": [solid.export(file_type="stl"), solid.export(file_type="stl_ascii").encode()],
        "glb": [_rich().to_glb(), gltf_of(sphere(subdivisions=1)).to_glb()],
    }


def _rich() -> GltfFile:
    """A glTF with much of what the reader knows."""
    gltf = gltf_of(
        CUBE,
        TEXCOORD_0=(np.full((8, 2), 0.5, np.float32), "VEC2"),
        COLOR_0=(np.full((8, 4), 255, np.uint8), "VEC4"),
        JOINTS_0=(np.zeros((8, 4), np.uint8), "VEC4"),
        WEIGHTS_0=(np.ones((8, 4), np.float32), "VEC4"),
    )
    add_texture(gltf, np.full((4, 4, 3), 99, np.uint8), extensions={"KHR_texture_transform": {"scale": [2, 2]}})
    part = gltf.header["meshes"][0]["primitives"][0]
    part["targets"] = [{"POSITION": gltf.add_accessor(CUBE.vertices, "VEC3")}]
    gltf.header["meshes"][0]["weights"] = [0.5]
    shifts = gltf.add_accessor(np.array([[0, 0, 0], [3, 0, 0]], np.float32), "VEC3")
    gltf.header["nodes"] = [
        {"children": [1, 2], "rotation": [0, 0, 0, 1], "scale": [1, 2, 1]},
        {"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": shifts}}}},
        {"mesh": 0, "skin": 0, "extensions": {"KHR_node_visibility": {"visible": True}}},
    ]
    gltf.header["skins"] = [{"joints": [0, 1]}]
    gltf.header["samplers"] = [{"wrapS": 33648}]
    gltf.header["textures"][0]["sampler"] = 0
    return gltf


def mutations(suffix: str, count: int, *, seed: int = 0) -> Iterator[bytes]:
    """Yield damaged files of a format: bytes changed, cut, repeated, moved, words put in, JSON values replaced."""
    rng = np.random.default_rng([seed, *suffix.encode()])
    bases = base_files()[suffix]
    for number in range(count):
        data = bases[number % len(bases)]
        if suffix == "glb" and rng.random() < 0.7:
            yield _damage_json(data, rng)
            continue
        for _ in range(int(rng.integers(1, 4))):
            data = _damage(data, rng)
        yield data


def _damage(data: bytes, rng: np.random.Generator) -> bytes:
    if len(data) < 2:
        return data
    start, stop = sorted(rng.integers(0, len(data), 2).tolist())
    match int(rng.integers(0, 7)):
        case 0:
            return data[:start]
        case 1:
            return data[:start] + data[min(stop, start + 40) :]
        case 2:
            return data[:stop] + data[start:stop][:200] + data[stop:]
        case 3:
            word = _WORDS[int(rng.integers(len(_WORDS)))]
            return data[:start] + word + data[start + (len(word) if rng.random() < 0.5 else 0) :]
        case 4:  # a whole word of the text is replaced
            words = data.split(b" ")
            words[int(rng.integers(len(words)))] = _WORDS[int(rng.integers(len(_WORDS)))]
            return b" ".join(words)
        case _:
            changed = bytearray(data)
            for place in rng.integers(0, len(data), int(rng.integers(1, 6))).tolist():
                changed[place] = int(rng.integers(256))
            return bytes(changed)


def _damage_json(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace a value of a GLB's header by another kind of value, and keep the container sound."""
    size = struct.unpack_from("<I", data, 12)[0]
    header = json.loads(data[20 : 20 + size])
    places: list[tuple[object, object]] = []
    stack: list[object] = [header]
    while stack:
        node = stack.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            places.append((node, key))
            stack.append(value)
    values = [
        None,
        -1,
        0,
        1,
        2,
        7,
        1e308,
        2**40,
        0.5,
        "x",
        "",
        [],
        {},
        [1],
        {"a": 1},
        True,
        [[]],
        5121,
        5126,
        "VEC2",
        "SCALAR",
    ]
    node, key = places[int(rng.integers(len(places)))]
    node[key] = values[int(rng.integers(len(values)))]  # type: ignore[index]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + size :]
    return (
        struct.pack("<III", 0x46546C67, 2, 20 + len(text) + len(rest))
        + struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + rest
    )
