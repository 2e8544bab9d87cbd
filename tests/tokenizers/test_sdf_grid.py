from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import box_distance, sphere_distance

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.extraction import extract_mesh
from ltm3d.geometry.isosurface import grid_queries
from ltm3d.geometry.mesh import Mesh
from ltm3d.metrics.surface import nearest
from ltm3d.nn.cell_grid import read_field
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.weights import load_config, save_model
from ltm3d.settings import convert
from ltm3d.tokenizers.kinds import kind_of, load_tokenizer, settings_type
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig
from ltm3d.tokenizers.sdf_grid import SdfGridConfig, SdfGridTokenizer, central_differences, normal_loss
from ltm3d.tokenizers.tokenizer import DecodeConfig

CONFIG = SdfGridConfig(
    resolution=16, patch=8, token_dim=8, width=64, encoder_depth=0, decoder_depth=1, num_heads=4, kl_weight=1e-5
)
RADIUS, SIDES = 0.6, (1.2, 0.8, 0.9)


def batch_of(rng: np.random.Generator, count: int = 512) -> dict[str, torch.Tensor]:
    """A sphere and a box: points with normals, and exact distances."""
    ball = rng.normal(size=(count, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    cube, normals = (rng.random((count, 3)) - 0.5) * SIDES, np.zeros((count, 3))
    axis, sign = rng.integers(3, size=count), rng.choice([-1.0, 1.0], count)
    rows = np.arange(count)
    cube[rows, axis], normals[rows, axis] = sign * np.array(SIDES)[axis] / 2, sign
    surface = np.stack([np.hstack([RADIUS * ball, ball]), np.hstack([cube, normals])])
    volume = rng.uniform(-1, 1, size=(2, count, 3))
    near = surface[..., :3] + 0.05 * rng.normal(size=volume.shape)

    def labelled(queries: np.ndarray) -> np.ndarray:
        distances = [sphere_distance(queries[0], RADIUS), box_distance(queries[1], SIDES)]
        return np.concatenate([queries, np.stack(distances)[..., None]], axis=-1)

    arrays = {"surface": surface, "volume": labelled(volume), "near": labelled(near)}
    return {name: torch.from_numpy(values.astype(np.float32)) for name, values in arrays.items()}


@pytest.fixture(scope="module")
def fitted() -> SdfGridTokenizer:
    torch.manual_seed(0)
    tokenizer = SdfGridTokenizer(CONFIG)
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=2e-3)
    rng = np.random.default_rng(0)
    for step in range(300):
        loss, _ = tokenizer.training_loss(batch_of(rng), StepRandom(0, step, range(2)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tokenizer.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def tokens(fitted: SdfGridTokenizer) -> torch.Tensor:
    return fitted.encode(batch_of(np.random.default_rng(1))).mean


def test_it_learns_a_sphere_and_a_box(fitted: SdfGridTokenizer, tokens: torch.Tensor) -> None:
    volume = batch_of(np.random.default_rng(2), 4000)["volume"].numpy()
    for row, distance_of in enumerate((lambda p: sphere_distance(p, RADIUS), lambda p: box_distance(p, SIDES))):
        inside, truth = fitted.inside(tokens[row], volume[row, :, :3]), volume[row, :, 3] < 0
        assert (inside & truth).sum() / (inside | truth).sum() > 0.93
        for resolution in (32, 64, 128):
            mesh = fitted.decode_shape(tokens[row], DecodeConfig(resolution=resolution))
            assert isinstance(mesh, Mesh) and np.abs(distance_of(mesh.vertices)).mean() < 0.02


def test_meshes_of_all_grids_lie_on_the_zero_of_one_field(fitted: SdfGridTokenizer, tokens: torch.Tensor) -> None:
    field = fitted.decode_field(tokens[0])
    off = [np.abs(field(fitted.decode_shape(tokens[0], DecodeConfig(resolution=r)).vertices)).max() for r in (64, 256)]
    assert off[0] < 3e-3 and off[1] < 3e-4  # marching cubes takes the field for linear in a cell


def test_the_grid_that_is_read_whole_is_what_its_points_are_asked_for(
    fitted: SdfGridTokenizer, tokens: torch.Tensor
) -> None:
    field = fitted.decode_field(tokens[1])
    np.testing.assert_allclose(field.on_grid(33).ravel(), field(grid_queries(33)), atol=1e-6)
    sought = extract_mesh(field, resolution=64).vertices
    whole = fitted.decode_shape(tokens[1], DecodeConfig(resolution=64)).vertices
    distance, _ = nearest(sought, whole)
    assert len(sought) <= len(whole) and distance.max() < 1e-5  # what the search near the surface finds is there


def test_what_is_decoded_is_what_training_reads(fitted: SdfGridTokenizer, tokens: torch.Tensor) -> None:
    queries = batch_of(np.random.default_rng(3))["volume"][..., :3]
    read = torch.tanh(read_field(fitted.decode_grid(tokens), queries)) * CONFIG.truncation
    for row in range(2):
        np.testing.assert_allclose(fitted.decode_field(tokens[row])(queries[row].numpy()), read[row], atol=1e-5)
        assert (fitted.inside(tokens[row], queries[row].numpy()) == (read[row] < 0).numpy()).mean() > 0.999


def test_decoding_draws_nothing_and_takes_no_notice_of_bf16(fitted: SdfGridTokenizer, tokens: torch.Tensor) -> None:
    first, second = (fitted.decode_shape(tokens[1], DecodeConfig(precision=each)) for each in ("fp32", "bf16"))
    assert np.array_equal(first.vertices, second.vertices) and np.array_equal(first.faces, second.faces)


def test_the_order_of_points_does_not_matter_and_a_token_is_a_place(fitted: SdfGridTokenizer) -> None:
    surface = batch_of(np.random.default_rng(4))["surface"]
    mean = fitted.encode({"surface": surface}).mean
    shuffled = fitted.encode({"surface": surface[:, torch.randperm(surface.shape[1])]}).mean
    torch.testing.assert_close(mean, shuffled, atol=1e-4, rtol=0)
    # without layers of attention a token sees its own part of space alone: x, y, z > 0 is the last patch
    moved = surface.clone()
    there = (surface[..., :3] > 0).all(dim=-1)
    moved[there] = torch.cat([moved[there][:, :3] * 0.9, moved[there][:, 3:]], dim=1)
    changed = (fitted.encode({"surface": moved}).mean - mean).abs().amax(dim=(0, 2)) > 1e-4
    assert changed.tolist() == [False] * 7 + [True]


def test_the_normal_loss_sees_the_slope() -> None:
    """Of a ball's distance central differences are the normal, but for their length, one cell."""
    axis = (2 * torch.arange(32) + 1) / 32 - 1
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).norm(dim=-1)[None] - RADIUS
    normals = torch.nn.functional.normalize(torch.randn(1, 200, 3), dim=-1)
    gradients = central_differences(grid, RADIUS * normals)
    assert torch.cosine_similarity(gradients, normals, dim=-1).min() > 0.99
    assert gradients.norm(dim=-1).mean().item() == pytest.approx(2 / 32, rel=0.05)
    batch = batch_of(np.random.default_rng(0))
    _, terms = SdfGridTokenizer(replace(CONFIG, normal_weight=0.1)).training_loss(batch, StepRandom(0, 0, range(2)))
    assert 0 < terms["normal"] < 2


def test_no_surface_is_an_error_with_the_range() -> None:
    tokenizer = SdfGridTokenizer(CONFIG)
    with torch.no_grad():
        tokenizer.to_values.weight.zero_()
        tokenizer.to_values.bias.fill_(1.0)
    with pytest.raises(AssetError, match=r"empty_decode.*\[0\.11"):
        tokenizer.decode_shape(torch.zeros(8, 8), DecodeConfig(resolution=16))


def test_settings_say_which_kind_and_old_ones_mean_the_query_decoder(tmp_path: Path) -> None:
    grid = SdfGridTokenizer(CONFIG)
    grid.save(tmp_path / "grid")
    assert isinstance(load_tokenizer(tmp_path / "grid"), SdfGridTokenizer)
    queries = SdfTokenizer(
        SdfTokenizerConfig(num_tokens=8, token_dim=4, width=32, encoder_depth=0, decoder_depth=1, num_heads=4)
    )
    old = {name: value for name, value in asdict(queries.config).items() if name != "kind"}
    save_model(tmp_path / "old", queries, {"tokenizer": "sdf", "model": old})
    loaded = load_tokenizer(tmp_path / "old")
    assert isinstance(loaded, SdfTokenizer) and loaded.config == queries.config
    assert load_config(tmp_path / "grid")["model"]["kind"] == "grid"
    assert kind_of("sdf", convert(asdict(CONFIG), settings_type("sdf"), "model")) is SdfGridTokenizer
    with pytest.raises(ConfigError, match="num_tokens: unknown key"):
        convert({**asdict(CONFIG), "num_tokens": 8}, settings_type("sdf"), "model")


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"patch": 5}, "resolution 16 must be a multiple of patch 5"),
        ({"patch": 0}, "patch is 0"),
        ({"overlap": 5}, "overlap is 5; use 0"),
        ({"truncation": 0.0}, "truncation is 0.0"),
        ({"kl_weight": -1.0}, "kl_weight is -1.0"),
        ({"sharp_share": 1.0}, "sharp_share is 1.0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("slope", "expected"), [(1.0, 0.0), (3.0, 0.0), (-1.0, 2.0)])
def test_the_normal_loss_is_0_along_the_normal_and_2_against_it(slope: float, expected: float) -> None:
    normals = torch.nn.functional.normalize(torch.randn(2, 50, 3), dim=-1)
    assert normal_loss(slope * normals, normals).item() == pytest.approx(expected, abs=1e-5)


def test_a_field_that_is_flat_has_a_finite_normal_loss_and_derivative() -> None:
    gradients = torch.zeros(2, 50, 3, requires_grad=True)
    normal_loss(gradients, torch.nn.functional.normalize(torch.randn(2, 50, 3), dim=-1)).backward()
    assert gradients.grad is not None and gradients.grad.isfinite().all()
