"""A fifth representation is one file of under 60 lines, and everything that trains, encodes and measures takes it."""

from pathlib import Path

import ball_tokenizer
import numpy as np
import pytest
import torch
from ball_tokenizer import BallConfig, BallExampleConfig, BallExamples, BallTokenizer
from shapes import sphere
from tiny_targets import Targets

from ltm3d.errors import ConfigError, ModelError
from ltm3d.evaluation.reconstruction import Encoded, ReconstructionConfig, measure_reconstructions
from ltm3d.geometry.sampling import sample_surface
from ltm3d.nn.randomness import StepRandom
from ltm3d.tokenizers import kinds
from ltm3d.tokenizers.tokenizer import DecodeConfig
from ltm3d.training.data import training_batch
from ltm3d.transforms.audit_tokens import audit_set
from ltm3d.transforms.encode_tokens import encode_set

RADII = (0.3, 0.5, 0.7, 0.9)


def targets() -> Targets:
    rng = np.random.default_rng(0)
    return Targets([{"surface": sample_surface(sphere(radius), 64, rng).points} for radius in RADII])


def trained() -> BallTokenizer:
    torch.manual_seed(0)
    model = BallTokenizer(BallConfig())
    examples = BallExamples(targets(), BallExampleConfig())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    for step in range(200):
        batch = training_batch(examples, range(4), seed=0, step=step, batch_size=4)
        loss, _ = model.training_loss(batch, StepRandom(0, step, range(4)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval().requires_grad_(False)


def test_a_toy_representation_goes_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(Path(ball_tokenizer.__file__).read_text().splitlines()) < 60
    model = trained()
    posterior = encode_set(model, targets(), num_surface=16)
    model.set_latent_statistics(posterior.mean, posterior.std)
    normal = model.normalize(posterior.mean)
    torch.testing.assert_close(normal.mean(dim=(0, 1)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.denormalize(normal), posterior.mean)
    audit = audit_set(model, targets(), num_surface=16)
    assert audit is not None and audit["is_ordered"] and audit["elementwise_over_random"] < 0.05

    monkeypatch.setitem(kinds.TOKENIZERS, "ball", BallTokenizer)
    model.save(tmp_path)
    loaded = kinds.load_tokenizer(tmp_path)
    assert isinstance(loaded, BallTokenizer) and torch.equal(loaded.latent_std, model.latent_std)
    assets = [Encoded(f"u{i}", sphere(radius), posterior.mean[i]) for i, radius in enumerate(RADII)]
    config = ReconstructionConfig(num_points=2000, num_cloud_points=2000)
    (row,) = measure_reconstructions(loaded, assets, config=config, seed=0)
    assert row.method == "round_trip" and row.failures == 0
    assert all(figures["chamfer_l1"] < 0.1 for figures in row.by_asset.values())


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    trained().save(tmp_path)
    with pytest.raises(ModelError, match="'ball'; the kinds are sdf, point_cloud, mesh, gaussians"):
        kinds.load_tokenizer(tmp_path)
    with pytest.raises(ConfigError, match="'voxels' has no tokenizer; one of sdf"):
        kinds.tokenizer_kind("voxels")
    with pytest.raises(ConfigError, match="resolution is 4; use 8 to 1,024"):
        DecodeConfig(resolution=4)
    with pytest.raises(ConfigError, match=r"resolution is 255, which does not halve .*; use 252 or 256"):
        DecodeConfig(resolution=255)
