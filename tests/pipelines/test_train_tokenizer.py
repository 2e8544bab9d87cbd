"""The three stages of a tokenizer, run as dvc runs them, for every representation."""

import json

import pytest
from checkout import Checkout

from ltm3d.tokenizers.kinds import REPRESENTATIONS
from pipelines.compose import compose

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

OVERRIDES = (
    "sources.procedural.num_objects=20",
    "clean_meshes.val_fraction=0.2",
    "clean_meshes.test_fraction=0.2",
    "build_targets.gaussians.target.fit.num_steps=30",
    *(f"tokenizer.{name}.training.num_steps={steps}" for name, steps in (("sdf", 40), ("mesh", 4))),
    *(f"tokenizer.{name}.training.num_steps=4" for name in ("point_cloud", "gaussians")),
    *(f"tokenizer.{name}.training.warmup_steps=2" for name in REPRESENTATIONS),
    "evaluate_tokenizer.num_gallery_assets=2",
    "resources.num_workers=2",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory, repository) -> Checkout:
    """A checkout with the targets of all representations."""
    checkout = Checkout(tmp_path_factory.mktemp("tokenizers"), repository)
    checkout.set_params(**compose("tokenizers_smoke", OVERRIDES))
    checkout.run("download", "clean_meshes", *(f"build_targets@{name}" for name in REPRESENTATIONS))
    return checkout


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_a_tokenizer_trains_encodes_and_is_measured_beside_its_ceiling(built: Checkout, representation: str) -> None:
    stages = ("train_tokenizer", "encode_tokens", "evaluate_tokenizer")
    built.run(*(f"{stage}@{representation}" for stage in stages))
    document = json.loads((built.data / "metrics" / f"tokenizer_{representation}.json").read_text())
    rows = [rows for rows in document.values() if isinstance(rows, dict) and "ceiling" in rows]
    assert rows
    for row in rows:
        ceiling, round_trip = row["ceiling"], row["round_trip"]
        assert ceiling["num_failures"] == 0 and ceiling["num_assets"] == round_trip["num_assets"] > 0
        assert ceiling["chamfer_l1"] <= round_trip["chamfer_l1"]
        assert ceiling["f_score@0.05"] >= round_trip["f_score@0.05"]
