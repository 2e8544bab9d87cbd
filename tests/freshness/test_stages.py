"""Stages and their labels."""

from pathlib import Path

import pytest

from ltm3d.errors import DataError
from ltm3d.freshness.stages import read_stages, stage_labels

STAGES = {
    "download": {},
    "train": {"matrix": {"representation": "${representations}"}},
    "build": {"matrix": {"kind": ["sdf", "mesh"]}},
}


def test_labels_are_stages_times_their_matrices() -> None:
    labels = stage_labels(STAGES, {"representations": ["sdf", "gaussians"]})
    assert labels == {
        "download": ("download", None),
        "train@sdf": ("train", "sdf"),
        "train@gaussians": ("train", "gaussians"),
        "build@sdf": ("build", "sdf"),
        "build@mesh": ("build", "mesh"),
    }


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run this in a checkout"):
        read_stages(tmp_path)
