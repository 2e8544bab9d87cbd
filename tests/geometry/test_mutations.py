"""Damaged files of every format end well or with a typed reason; docs/preparation.md has the run of 10,000 each."""

import warnings

import pytest
from mutations import base_files, mutations

from ltm3d.errors import AssetError
from ltm3d.mesh_io.loading import LoadLimits
from ltm3d.schema import REASONS
from ltm3d.transforms.clean_meshes import clean_file

LIMITS = LoadLimits(max_faces=10_000, max_pixels=10_000, max_bytes=10**6)
NUM_FILES = 250


def outcome(data: bytes, folder, suffix: str) -> str:
    path = folder / f"a.{suffix}"
    path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            clean_file(path, folder, "+y", "+z", LIMITS)
    except AssetError as error:
        return error.reason
    return "ok"


@pytest.mark.parametrize("suffix", ["glb", "obj", "ply", "off", "stl"])
def test_damaged_files_have_a_typed_reason(tmp_path, suffix: str) -> None:
    for data in base_files()[suffix]:
        assert outcome(data, tmp_path, suffix) == "ok"
    outcomes = {outcome(data, tmp_path, suffix) for data in mutations(suffix, NUM_FILES)}
    assert {"ok", "parse_error"} <= outcomes <= {"ok", *REASONS} - {"failed"}
