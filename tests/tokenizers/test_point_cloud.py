import numpy as np
import pytest
import torch
from shapes import sphere
from tiny_targets import Targets

from ltm3d.errors import ConfigError
from ltm3d.metrics.surface import chamfer_l1
from ltm3d.nn.randomness import StepRandom
from ltm3d.representations.point_cloud import PointCloudTargetConfig, build_point_cloud_target
from ltm3d.tokenizers.point_cloud import (
    PointCloudExampleConfig,
    PointCloudExamples,
    PointCloudTokenizer,
    PointCloudTokenizerConfig,
    read_rows,
    to_cloud,
)
from ltm3d.tokenizers.tokenizer import DecodeConfig

SIZES = {"num_tokens": 8, "token_dim": 4, "width": 32, "encoder_depth": 1, "decoder_depth": 1, "num_heads": 4}
FLOW = PointCloudTokenizerConfig(**SIZES, kl_weight=1e-5)  # type: ignore[arg-type]
FIXED = PointCloudTokenizerConfig(**SIZES, kl_weight=1e-5, fixed_points_a_token=32)  # type: ignore[arg-type]
TARGET = PointCloudTargetConfig(num_surface=1024, num_sharp=8, num_farthest=8)


def targets(*radii: float) -> Targets:
    return Targets([build_point_cloud_target(sphere(r), config=TARGET, rng=np.random.default_rng(0))[0] for r in radii])


def fitted(config: PointCloudTokenizerConfig, assets: Targets, num_steps: int) -> PointCloudTokenizer:
    torch.manual_seed(0)
    model = PointCloudTokenizer(config)
    examples = PointCloudExamples(assets, PointCloudExampleConfig(num_surface=128, num_decoded=128))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    rng = np.random.default_rng(0)
    for step in range(num_steps):
        rows = [examples.example(index, rng) for index in range(len(assets))]
        batch = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
        loss, _ = model.training_loss(batch, StepRandom(0, step, range(len(assets))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval().requires_grad_(False)


def decoded(model: PointCloudTokenizer, assets: Targets, index: int, **config: int) -> np.ndarray:
    inputs = model.inputs(assets, index, num_points=256)
    tokens = model.encode({name: torch.from_numpy(value)[None] for name, value in inputs.items()}).mean[0]
    return model.decode_shape(tokens, DecodeConfig(**config)).points


@pytest.mark.slow
@pytest.mark.parametrize(("config", "steps"), [(FLOW, 500), (FIXED, 250)])
def test_it_tells_two_spheres_apart(config: PointCloudTokenizerConfig, steps: int) -> None:
    assets = targets(0.4, 0.9)
    model = fitted(config, assets, steps)
    for index, radius in ((0, 0.4), (1, 0.9)):
        radii = np.linalg.norm(decoded(model, assets, index, num_points=512), axis=1)
        assert np.median(radii) == pytest.approx(radius, abs=0.12)


def test_the_flow_gives_as_many_points_as_are_asked_for_and_the_same_for_a_seed() -> None:
    torch.manual_seed(0)
    model = PointCloudTokenizer(FLOW).eval()
    tokens = torch.randn(8, 4)
    cloud = model.decode_shape(tokens, DecodeConfig(num_points=77, seed=1))
    assert len(cloud) == 77 and cloud.normals is not None and cloud.colors is not None
    np.testing.assert_allclose(np.linalg.norm(cloud.normals, axis=1), 1, atol=1e-5)
    again = model.decode_shape(tokens, DecodeConfig(num_points=77, seed=1))
    other = model.decode_shape(tokens, DecodeConfig(num_points=77, seed=2))
    np.testing.assert_array_equal(cloud.points, again.points)
    assert np.abs(cloud.points - other.points).max() > 0.01
    fixed = PointCloudTokenizer(FIXED).eval().decode_shape(tokens, DecodeConfig(num_points=77))
    assert len(fixed) == 8 * 32


def test_rows_go_there_and_back_and_draws_share_no_point() -> None:
    assets = targets(0.8)
    cloud = to_cloud(read_rows(assets, 0, slice(None)))
    np.testing.assert_array_equal(cloud.colors, assets.get("surface_colors", 0))
    assert chamfer_l1(cloud.points, assets.get("surface", 0)[:, :3].astype(np.float32)) == 0
    model = PointCloudTokenizer(FLOW)
    first, second = (model.inputs(assets, 0, num_points=512, draw=draw)["surface"] for draw in (0, 1))
    assert not {row.tobytes() for row in first} & {row.tobytes() for row in second}
    with pytest.raises(ConfigError, match="1536 points of 'surface' are asked for, 1024 are stored"):
        model.inputs(assets, 0, num_points=512, draw=2)


def test_a_stretched_sphere_keeps_its_size_and_its_normals_stay_normal() -> None:
    """On x²/a² + y²/b² + z²/c² = 1 the normal is along (x/a², y/b², z/c²)."""
    config = PointCloudExampleConfig(num_surface=1000, num_decoded=24, scale=0.3)
    rows = PointCloudExamples(targets(0.9), config).example(0, np.random.default_rng(3))["surface"]
    axes = np.abs(rows[:, :3]).max(axis=0)
    assert axes.max() == pytest.approx(0.9, abs=0.01) and axes.min() < 0.85
    expected = rows[:, :3] / axes**2
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.einsum("nx,nx->n", rows[:, 3:6], expected).min() > 0.98
