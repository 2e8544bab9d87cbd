"""A fifth representation is one file of under 60 lines and its settings: the trainer, the encoding, the audit and the
measurement take it. The stages do, too, once `kinds.py` and conf/ name it."""

from functools import partial
from pathlib import Path

import ball_tokenizer
import numpy as np
import pytest
import torch
import yaml
from ball_kind import add_ball
from ball_tokenizer import BallConfig, BallTokenizer
from safetensors.torch import load_file
from shapes import sphere
from tiny_targets import Targets

from ltm3d.errors import ConfigError, ModelError
from ltm3d.evaluation.tokenizer_metrics import Encoded, ReconstructionConfig, measure_reconstructions
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.nn.weights import load_state
from ltm3d.settings import convert
from ltm3d.tokenizers import kinds
from ltm3d.tokenizers.tokenizer import DecodeConfig
from ltm3d.training.config import TrainingConfig
from ltm3d.training.launch import train_locally
from ltm3d.transforms.audit_tokens import audit_set
from ltm3d.transforms.encode_tokens import encode_set

SETTINGS = """
model: {num_tokens: 1, token_dim: 2}
examples: {num_encoded: 16}
training: {num_steps: 200, global_batch_size: 4, learning_rate: 3.0e-2, warmup_steps: 5, weight_decay: 0.0}
"""
RADII = (0.3, 0.5, 0.7, 0.9)


def targets() -> Targets:
    rng = np.random.default_rng(0)
    return Targets([{"surface": sample_surface(sphere(radius), 64, rng).points} for radius in RADII])


def trained(run_dir: Path) -> BallTokenizer:
    """Train as every tokenizer is trained, by the settings of a YAML file."""
    settings = yaml.safe_load(SETTINGS)
    model_config = convert(settings["model"], BallTokenizer.config_type, "model")
    examples = convert(settings["examples"], BallTokenizer.example_config_type, "examples")
    result = train_locally(
        name="ball",
        build_model=partial(BallTokenizer, model_config),
        build_examples=partial(BallTokenizer.examples, targets(), examples),
        build_validation=partial(BallTokenizer.examples, targets(), examples, augment=False),
        config=convert(settings["training"], TrainingConfig, "training"),
        run_dir=run_dir,
        run_key="ball",
    )
    model = BallTokenizer(model_config)
    load_state(model, load_file(result.weights), str(result.weights))
    return model.eval().requires_grad_(False)


def test_a_toy_representation_goes_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(Path(ball_tokenizer.__file__).read_text().splitlines()) < 60
    model = trained(tmp_path / "run")
    posterior = encode_set(model, targets(), num_surface=16)
    model.set_latent_statistics(posterior.mean, posterior.std)
    normal = model.normalize(posterior.mean)
    torch.testing.assert_close(normal.mean(dim=(0, 1)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.denormalize(normal), posterior.mean)
    audit = audit_set(model, targets(), num_surface=16)
    assert audit is not None and audit["is_ordered"] and audit["elementwise_over_random"] < 0.05

    add_ball(monkeypatch)
    model.save(tmp_path / "model")
    loaded = kinds.load_tokenizer(tmp_path / "model")
    assert isinstance(loaded, BallTokenizer) and torch.equal(loaded.latent_std, model.latent_std)
    assets = [Encoded(f"u{i}", sphere(radius), posterior.mean[i]) for i, radius in enumerate(RADII)]
    config = ReconstructionConfig(num_points=2000, num_cloud_points=2000)
    (row,) = measure_reconstructions(loaded, assets, config=config, seed=0)
    assert row.method == "round_trip" and row.failures == 0
    assert all(metrics["chamfer_l1"] < 0.1 for metrics in row.by_asset.values())


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    BallTokenizer(BallConfig()).save(tmp_path)
    with pytest.raises(ModelError, match="'ball'; the kinds are sdf, point_cloud, mesh, gaussians"):
        kinds.load_tokenizer(tmp_path)
    with pytest.raises(ConfigError, match="'voxels' has no tokenizer; one of sdf"):
        kinds.tokenizer_kind("voxels")
    with pytest.raises(ConfigError, match="resolution is 4; use 8 to 1,024"):
        DecodeConfig(resolution=4)
    with pytest.raises(ConfigError, match=r"resolution is 255, which does not halve .*; use 252 or 256"):
        DecodeConfig(resolution=255)
