import numpy as np
import pytest
import torch
from tiny_targets import Targets

from ltm3d.errors import ConfigError
from ltm3d.nn.randomness import StepRandom
from ltm3d.splatting.canonical import canonicalize
from ltm3d.splatting.record import Gaussians, to_parameters
from ltm3d.tokenizers.gaussians import (
    GaussiansTokenizer,
    GaussiansTokenizerConfig,
    from_rows,
    match_loss,
    thin_axis,
    to_rows,
)
from ltm3d.tokenizers.gaussians_examples import GaussiansExampleConfig, GaussiansExamples
from ltm3d.tokenizers.tokenizer import DecodeConfig

CONFIG = GaussiansTokenizerConfig(
    num_tokens=8,
    token_dim=4,
    width=32,
    encoder_depth=1,
    decoder_depth=1,
    num_heads=4,
    kl_weight=1e-5,
    gaussians_a_token=16,
)
EXAMPLES = GaussiansExampleConfig(num_gaussians=128, num_target=128, resolution=32, num_views=2)


def ball(radius: float, color: tuple[float, float, float], count: int = 256) -> dict[str, np.ndarray]:
    """Discs on a sphere."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    half = np.stack([1 + normals[:, 2], -normals[:, 1], normals[:, 0], np.zeros(count)], axis=1)  # turns z to normal
    gaussians = Gaussians(
        means=radius * normals,
        log_scales=np.log(np.tile([0.12, 0.12, 0.01], (count, 1)) * radius),
        quats=half / np.linalg.norm(half, axis=1, keepdims=True),
        opacity_logits=np.full(count, 4.0),
        colors=np.tile(color, (count, 1)),
    )
    return {"gaussians": to_parameters(canonicalize(gaussians)).astype(np.float16)}


ASSETS = Targets([ball(0.4, (0.9, 0.1, 0.1)), ball(0.9, (0.1, 0.2, 0.9))])


def batch_of(rng: np.random.Generator, config: GaussiansExampleConfig = EXAMPLES) -> dict[str, torch.Tensor]:
    rows = [GaussiansExamples(ASSETS, config).example(index, rng) for index in range(2)]
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


@pytest.mark.slow
def test_it_learns_two_balls_by_parameters_and_pictures() -> None:
    torch.manual_seed(0)
    model = GaussiansTokenizer(CONFIG)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    rng, terms = np.random.default_rng(0), []
    for step in range(200):
        loss, parts = model.training_loss(batch_of(rng), StepRandom(0, step, [0, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        terms.append({name: value.item() for name, value in parts.items()})
    first, last = terms[0], terms[-1]
    assert last["picture_l1"] < 0.4 * first["picture_l1"]
    assert last["chamfer_l1"] < 0.4 * first["chamfer_l1"]
    model.eval().requires_grad_(False)
    inputs = model.inputs(ASSETS, 1, num_points=128)
    made = model.decode_shape(
        model.encode({"gaussians": torch.from_numpy(inputs["gaussians"])[None]}).mean[0], DecodeConfig()
    )
    seen = made.opacities > 0.5
    assert np.median(np.linalg.norm(made.means[seen], axis=1)) == pytest.approx(0.9, abs=0.12)
    np.testing.assert_allclose(np.median(made.colors[seen], axis=0), (0.1, 0.2, 0.9), atol=0.15)


def test_rows_go_there_and_back_for_what_the_network_makes() -> None:
    rows = 0.3 * torch.randn(1, 50, 14)
    table = from_rows(rows)
    assert table[..., 11:].min() >= 0 and table[..., 11:].max() <= 1
    back = to_rows(table)
    torch.testing.assert_close(back[..., :6], rows[..., :6])
    torch.testing.assert_close(back[..., 10], rows[..., 10])


def test_equal_sets_match_without_loss_in_any_order() -> None:
    table = torch.from_numpy(ASSETS.get("gaussians", 0).astype(np.float32))[None]
    loss, _ = match_loss(table, table[:, torch.randperm(table.shape[1])])
    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_the_thin_axis_of_a_disc_on_a_sphere_is_the_direction_of_its_center() -> None:
    table = torch.from_numpy(ASSETS.get("gaussians", 0).astype(np.float32))[None]
    directions = torch.nn.functional.normalize(table[..., :3], dim=-1)
    cosine = (thin_axis(table[..., 6:10]) * directions).sum(dim=-1).abs()
    assert cosine.min() > 0.99


def test_draws_are_disjoint_and_no_more_than_half() -> None:
    model = GaussiansTokenizer(CONFIG)
    first, second = (model.inputs(ASSETS, 0, num_points=9999, draw=draw)["gaussians"] for draw in (0, 1))
    assert first.shape == second.shape == (128, 14)
    assert not {row.tobytes() for row in first} & {row.tobytes() for row in second}
    with pytest.raises(ConfigError, match="draw 3 of 128 Gaussians is asked for, 256 are stored"):
        model.inputs(ASSETS, 0, num_points=128, draw=2)


def test_pictures_are_those_of_the_stretched_set() -> None:
    """A red ball fills as much of the picture stretched as not: the longest side stays."""
    config = GaussiansExampleConfig(num_gaussians=64, num_target=64, resolution=32, num_views=3, scale=0.4)
    batch = batch_of(np.random.default_rng(1), config)
    alpha = batch["rgbas"][0, ..., 3]
    assert 0.1 < alpha.mean() < 0.8 and batch["rgbas"][0, ..., 0].mean() > 3 * batch["rgbas"][0, ..., 2].mean()
    assert batch["target"][0, :, :3].abs().amax(dim=0).max() < 0.45
