import base64
import json
import struct

import numpy as np
import pytest
from gltf_scenes import gltf_of, save
from shapes import box

from ltm3d.errors import AssetError
from ltm3d.mesh_io.gltf_file import GltfFile, read_container
from ltm3d.mesh_io.references import BoundedResolver


def read(path, max_points: int = 1000) -> GltfFile:
    files = BoundedResolver(path.parent, root=path.parent, max_bytes=10**6, max_pixels=10**6)
    return read_container(path, resolver=files, max_points=max_points)


def test_written_and_read_again_is_the_same(tmp_path) -> None:
    mesh = box()
    gltf = read(save(gltf_of(mesh), tmp_path))
    assert np.array_equal(gltf.read_accessor(0), mesh.vertices)
    assert np.array_equal(gltf.read_accessor(1).reshape(-1, 3), mesh.faces)


def test_buffers_beside_and_inside_a_gltf(tmp_path) -> None:
    gltf = gltf_of(box())
    first, second = gltf.buffers
    (tmp_path / "positions data.bin").write_bytes(first)
    inside = "data:application/octet-stream;base64," + base64.b64encode(second).decode()
    gltf.header["buffers"] = [
        {"uri": "positions%20data.bin", "byteLength": len(first)},
        {"uri": inside, "byteLength": len(second)},
    ]
    path = tmp_path / "model.gltf"
    path.write_text(json.dumps(gltf.header))
    assert np.array_equal(read(path).read_accessor(0), box().vertices)


def test_interleaved_accessors(tmp_path) -> None:
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)
    gltf = GltfFile({"asset": {"version": "2.0"}, "accessors": []}, [])
    view = gltf.add_view(rows.tobytes())
    gltf.header["bufferViews"][view]["byteStride"] = 24
    for offset in (0, 12):
        gltf.header["accessors"].append(
            {"bufferView": view, "byteOffset": offset, "componentType": 5126, "count": 4, "type": "VEC3"}
        )
    gltf = read(save(gltf, tmp_path))
    assert np.array_equal(gltf.read_accessor(0), rows[:, :3]) and np.array_equal(gltf.read_accessor(1), rows[:, 3:])


def test_normalised_and_sparse_accessors() -> None:
    gltf = GltfFile({"asset": {"version": "2.0"}, "accessors": []}, [])
    signed = gltf.add_accessor(np.array([[-32768, 0], [32767, -32767]], np.int16), "VEC2")
    gltf.header["accessors"][signed]["normalized"] = True
    assert gltf.read_accessor(signed).tolist() == [[-1, 0], [1, -1]]
    places, values = gltf.add_view(np.array([1, 3], np.uint16).tobytes()), gltf.add_view(np.float32([5, 7]).tobytes())
    gltf.header["accessors"].append(
        {
            "componentType": 5126,
            "count": 4,
            "type": "SCALAR",
            "sparse": {
                "count": 2,
                "indices": {"bufferView": places, "componentType": 5123},
                "values": {"bufferView": values},
            },
        }
    )
    assert gltf.read_accessor(1).reshape(-1).tolist() == [0, 5, 0, 7]


def chunk(data: bytes, kind: int) -> bytes:
    return struct.pack("<II", len(data), kind) + data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"glTF\2\0\0\0", "too few"),
        (b"glTF" + struct.pack("<II", 1, 20) + bytes(8), "version 1"),
        (b"glTF" + struct.pack("<II", 2, 5000) + bytes(8), "says 5000 bytes"),
        (
            b"glTF" + struct.pack("<II", 2, 24) + struct.pack("<II", 900, 0x4E4F534A) + b"{}  ",
            "runs over the file's end",
        ),
        (b"glTF" + struct.pack("<II", 2, 24) + chunk(b"{}  ", 0x004E4942), "no JSON chunk"),
        (b"glTF" + struct.pack("<II", 2, 24) + chunk(b"{{{{", 0x4E4F534A), "not JSON"),
        (b'{"asset": {"version": "1.0"}}', "glTF version 1.0"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_broken_containers_are_parse_errors_that_say_why(tmp_path, data: bytes, message: str) -> None:
    path = tmp_path / "model.glb"
    path.write_bytes(data)
    with pytest.raises(AssetError, match=message) as caught:
        read(path)
    assert caught.value.reason == "parse_error"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header["bufferViews"][0].update(byteLength=10**9), "runs over its buffer"),
        (lambda header: header["bufferViews"][0].update(byteOffset=-4), "runs over its buffer"),
        (lambda header: header["accessors"][0].update(count=900), "runs over its buffer view"),
        (lambda header: header["accessors"][0].update(byteOffset=-12), "runs over its buffer view"),
        (lambda header: header["bufferViews"][0].update(byteStride=4), "runs over its buffer view"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(tmp_path, change, message: str) -> None:
    gltf = gltf_of(box())
    change(gltf.header)
    gltf.header["buffers"] = [
        {"uri": "data:;base64," + base64.b64encode(data).decode(), "byteLength": len(data)} for data in gltf.buffers
    ]
    path = tmp_path / "model.gltf"
    path.write_text(json.dumps(gltf.header))
    with pytest.raises(ValueError, match=message):
        read(path)


def test_an_accessor_without_data_cannot_ask_for_all_memory(tmp_path) -> None:
    gltf = gltf_of(box())
    gltf.header["accessors"].append({"componentType": 5126, "count": 2**40, "type": "VEC3"})
    with pytest.raises(AssetError, match="too_large"):
        read(save(gltf, tmp_path))
