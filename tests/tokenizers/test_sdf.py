from pathlib import Path

import numpy as np
import pytest
import torch

from ltm3d.errors import ConfigError
from ltm3d.nn.randomness import StepRandom
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig

CONFIG = SdfTokenizerConfig(
    num_tokens=8, token_dim=4, width=32, encoder_depth=0, decoder_depth=1, num_heads=4, kl_weight=1e-5
)


def sphere_batch(radii: list[float], rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Points and exact distances of spheres."""
    normals = rng.normal(size=(len(radii), 128, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    radius = np.array(radii)[:, None, None]
    volume = rng.uniform(-1, 1, size=(len(radii), 128, 3))
    near = radius * normals + rng.normal(size=normals.shape) * 0.03

    def labelled(queries: np.ndarray) -> np.ndarray:
        return np.concatenate([queries, np.linalg.norm(queries, axis=-1, keepdims=True) - radius], axis=-1)

    arrays = {
        "surface": np.concatenate([radius * normals, normals], axis=-1),
        "volume": labelled(volume),
        "near": labelled(near),
    }
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()}


def test_it_learns_two_spheres_apart() -> None:
    torch.manual_seed(0)
    tokenizer = SdfTokenizer(CONFIG)
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=3e-3)
    rng = np.random.default_rng(0)
    for step in range(250):
        loss, _ = tokenizer.training_loss(sphere_batch([0.4, 0.7], rng), StepRandom(0, step, range(2)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    batch = sphere_batch([0.4, 0.7], rng)
    with torch.no_grad():
        memory = tokenizer.decode_memory(tokenizer.encode(batch).mean)
        predicted = tokenizer.decode(memory, batch["volume"][..., :3])
    right = (predicted < 0) == (batch["volume"][..., 3] < 0)
    assert float(right.float().mean()) > 0.95


def test_the_order_of_surface_points_does_not_matter() -> None:
    torch.manual_seed(0)
    tokenizer = SdfTokenizer(CONFIG).eval()
    surface = torch.randn(2, 50, 6)
    shuffled = surface[:, torch.randperm(50)]
    assert torch.allclose(
        tokenizer.encode({"surface": surface}).mean, tokenizer.encode({"surface": shuffled}).mean, atol=1e-5
    )


def test_normalised_latents_have_unit_statistics() -> None:
    tokenizer = SdfTokenizer(CONFIG)
    mean, std = 3 + 2 * torch.randn(50, 8, 4), torch.full((50, 8, 4), 0.5)
    tokenizer.set_latent_statistics(mean, std)
    samples = tokenizer.normalize(mean + std * torch.randn(50, 8, 4))
    assert torch.allclose(samples.mean(dim=(0, 1)), torch.zeros(4), atol=0.1)
    assert torch.allclose(samples.std(dim=(0, 1)), torch.ones(4), atol=0.1)
    assert torch.allclose(tokenizer.denormalize(tokenizer.normalize(mean)), mean, atol=1e-5)
    normalized_mean, normalized_std = tokenizer.normalize_moments(mean, std)
    assert torch.allclose(tokenizer.denormalize(normalized_mean), mean, atol=1e-5)
    assert torch.allclose(normalized_std * tokenizer.latent_std, std, atol=1e-5)


def test_statistics_and_settings_are_saved_with_the_weights(tmp_path: Path) -> None:
    tokenizer = SdfTokenizer(CONFIG)
    tokenizer.set_latent_statistics(torch.randn(5, 8, 4) + 1, torch.ones(5, 8, 4))
    tokenizer.save(tmp_path)
    loaded = SdfTokenizer.load(tmp_path)
    assert loaded.config == CONFIG
    assert torch.equal(loaded.latent_mean, tokenizer.latent_mean)


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of num_heads"):
        SdfTokenizerConfig(num_tokens=8, token_dim=4, width=30, encoder_depth=0, decoder_depth=1, num_heads=4)
