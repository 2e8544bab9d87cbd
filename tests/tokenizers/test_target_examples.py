from functools import partial
from pathlib import Path

import numpy as np
import pytest
from shapes import box, sphere
from tiny_targets import Targets
from tiny_tokenizers import SMALL

from ltm3d.errors import ConfigError
from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig
from ltm3d.tokenizers.target_examples import SdfExampleConfig, SdfExamples, split_points
from ltm3d.training.config import TrainingConfig
from ltm3d.training.launch import train_locally
from ltm3d.training.loop import TrainingDiverged

SIZES = {"num_surface": 200, "num_volume": 200, "num_near": 100}


def targets() -> Targets:
    config = SdfTargetConfig(num_surface=2000, num_sharp=8, num_volume=400, num_near=400)
    return Targets([build_sdf_target(sphere(0.9), config=config, rng=np.random.default_rng(0))[0]])


def test_validation_reads_the_asset_as_it_is() -> None:
    config = SdfExampleConfig(**SIZES, scale=0.4)
    example = SdfExamples(targets(), config, augment=False).example(0, np.random.default_rng(0))
    truth = np.linalg.norm(example["volume"][:, :3], axis=1) - 0.9
    np.testing.assert_allclose(example["volume"][:, 3], truth, atol=5e-3)


def test_a_stretched_sphere_is_an_ellipsoid_with_the_right_signs_and_normals() -> None:
    config = SdfExampleConfig(**SIZES, scale=0.4, mirror=False)
    example = SdfExamples(targets(), config).example(0, np.random.default_rng(3))
    axes = np.abs(example["surface"][:, :3]).max(axis=0)
    assert axes.min() < 0.8 < axes.max()
    level = (example["volume"][:, :3] / axes) ** 2
    clear = np.abs(level.sum(axis=1) - 1) > 0.1
    assert ((example["volume"][:, 3] < 0) == (level.sum(axis=1) < 1))[clear].all()
    normals = example["surface"][:, :3] / axes**2
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    assert np.einsum("nx,nx->n", normals, example["surface"][:, 3:]).min() > 0.97


def test_a_share_of_the_encoded_points_lies_on_sharp_edges_in_training_and_after() -> None:
    config = SdfTargetConfig(num_surface=2000, num_sharp=400, num_volume=400, num_near=400)
    mesh = box((1.2, 1.2, 1.2))
    assets = Targets([build_sdf_target(mesh, config=config, rng=np.random.default_rng(0))[0]])
    example = SdfExamples(assets, SdfExampleConfig(**SIZES, sharp_share=0.25), augment=False)
    model = SdfTokenizer(SdfTokenizerConfig(**{**SMALL, "sharp_share": 0.25}))
    read = model.inputs(assets, 0, num_points=200, draw=1)["surface"]
    for points in (example.example(0, np.random.default_rng(1))["surface"], read):
        assert points.shape == (200, 6) and points.dtype == np.float32
        edges = np.sort(np.abs(points[:, :3]), axis=1)[:, 1] > 0.59  # two of three are the half side
        assert edges[150:].all() and edges[:150].mean() < 0.2
    with pytest.raises(ConfigError, match="sharp_share is 1"):
        SdfExampleConfig(sharp_share=1.0)
    with pytest.raises(ConfigError, match=r"sharp_share 0\.999 of 200 points leaves none of the whole surface"):
        split_points(200, 0.999)
    with pytest.raises(ConfigError, match=r"0\.25 of the examples, 0\.0 of the model: .*model\.sharp_share alone"):
        SdfTokenizer.check_examples(SdfTokenizerConfig(**SMALL), SdfExampleConfig(sharp_share=0.25))


def test_a_broken_target_stops_training_and_is_named(tmp_path: Path) -> None:
    assets = Targets(targets().assets * 4)
    assets.assets[2] = {**assets.assets[2], "near": np.full_like(assets.assets[2]["near"], np.nan)}
    config = TrainingConfig(num_steps=8, global_batch_size=2, learning_rate=1e-3, precision="fp32")
    model = SdfTokenizerConfig(**SMALL)
    with pytest.raises(TrainingDiverged, match=r"nan.*\bu2\b"):
        train_locally(
            name="sdf",
            build_model=partial(SdfTokenizer, model),
            build_examples=partial(SdfExamples, assets, SdfExampleConfig(**SIZES)),
            build_validation=None,
            config=config,
            run_dir=tmp_path,
            run_key="sdf",
        )


def test_examples_know_their_assets() -> None:
    assert SdfExamples(targets(), SdfExampleConfig(**SIZES)).uids == ["u0"]
