from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from ltm3d.errors import DataError
from ltm3d.splatting.record import Gaussians, from_parameters, to_parameters
from ltm3d.splatting.splat_ply import ply_bytes, read_ply, write_ply

NAMES = [*("x", "y", "z", "nx", "ny", "nz"), *(f"f_dc_{i}" for i in range(3)), "opacity"]
NAMES += [*(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4))]


def some(count: int = 7) -> Gaussians:
    return from_parameters(np.random.default_rng(0).normal(size=(count, 14)).astype(np.float32))


def test_round_trip(tmp_path: Path) -> None:
    write_ply(some(), tmp_path / "a.ply")
    read = read_ply(tmp_path / "a.ply")
    assert np.allclose(to_parameters(read), to_parameters(some()), atol=1e-6)
    assert np.array_equal(read.means, some().means)
    assert ply_bytes(some()) == (tmp_path / "a.ply").read_bytes()


def test_the_layout_is_that_of_3d_gaussian_splatting() -> None:
    head, _, body = ply_bytes(some()).partition(b"end_header\n")
    lines = head.decode().splitlines()
    assert lines[:3] == ["ply", "format binary_little_endian 1.0", "element vertex 7"]
    assert lines[3:] == [f"property float {name}" for name in NAMES]
    table = np.frombuffer(body, "<f4").reshape(7, 17)
    assert not table[:, 3:6].any()
    assert np.allclose(table[:, 6:9] * 0.28209479177387814 + 0.5, some().colors, atol=1e-6)
    assert np.array_equal(table[:, 13:], some().quats)


def test_an_independent_reader_finds_every_property(tmp_path: Path) -> None:
    write_ply(some(), tmp_path / "a.ply")
    raw = trimesh.load(tmp_path / "a.ply").metadata["_ply_raw"]["vertex"]["data"]
    columns = {name: np.asarray(raw[name]).reshape(-1) for name in NAMES}
    table = to_parameters(some())
    assert np.array_equal(np.stack([columns[name] for name in "xyz"], axis=1), table[:, :3])
    assert np.array_equal(np.stack([columns[f"scale_{i}"] for i in range(3)], axis=1), table[:, 3:6])
    assert np.array_equal(np.stack([columns[f"rot_{i}"] for i in range(4)], axis=1), table[:, 6:10])
    assert np.array_equal(columns["opacity"], table[:, 10])


def test_colours_of_higher_degree_are_left_out(tmp_path: Path) -> None:
    head, _, body = ply_bytes(some()).partition(b"end_header\n")
    rest = np.ones((7, 9), "<f4")
    table = np.concatenate([np.frombuffer(body, "<f4").reshape(7, 17), rest], axis=1)
    more = "".join(f"property float f_rest_{i}\n" for i in range(9)).encode()
    (tmp_path / "a.ply").write_bytes(head + more + b"end_header\n" + table.tobytes())
    assert np.array_equal(read_ply(tmp_path / "a.ply").means, some().means)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"solid cube", "not a binary little-endian PLY"),
        (lambda data: data.replace(b"binary_little_endian", b"ascii"), "not a binary little-endian PLY"),
        (lambda data: data.replace(b"opacity", b"density"), "lacks opacity"),
        (lambda data: data.replace(b"float x", b"double x"), "'property double x' is not read"),
        (lambda data: data.replace(b"element vertex", b"element face"), "expected one element"),
        (lambda data: data[:-1], "cut short, 475 bytes for 7"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: Callable[[bytes], bytes], message: str) -> None:
    path = tmp_path / "a.ply"
    path.write_bytes(change(ply_bytes(some())))
    with pytest.raises(DataError, match=message):
        read_ply(path)
