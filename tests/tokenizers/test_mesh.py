import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import box
from tiny_targets import Targets

from ltm3d.errors import AssetError, ConfigError
from ltm3d.evaluation.faces import face_metrics
from ltm3d.geometry.mesh import is_watertight
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.weights import CONFIG_FILE
from ltm3d.representations.mesh import MeshTargetConfig, build_mesh_target, mesh_of_target
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tokenizers.mesh import MeshTokenizer, MeshTokenizerConfig
from ltm3d.tokenizers.mesh_examples import MeshExampleConfig, MeshExamples
from ltm3d.tokenizers.tokenizer import DecodeConfig

CONFIG = MeshTokenizerConfig(
    num_tokens=16, token_dim=10, num_cells=32, width=64, encoder_depth=1, decoder_depth=2, num_heads=4
)


def targets(*sizes: tuple[float, float, float]) -> Targets:
    """Boxes of twelve faces, in sequences of sixteen."""
    config = MeshTargetConfig(max_faces=16, num_cells=32)
    return Targets([build_mesh_target(box(s), config=config, rng=np.random.default_rng(0))[0] for s in sizes])


def batch_of(rows: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


def tokenizer(config: MeshTokenizerConfig = CONFIG) -> MeshTokenizer:
    torch.manual_seed(0)
    return MeshTokenizer(config).eval()


def fitted(assets: Targets, num_steps: int, config: MeshTokenizerConfig = CONFIG) -> MeshTokenizer:
    model = tokenizer(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    batch = batch_of([dict(model.inputs(assets, index, num_points=0)) for index in range(len(assets))])
    for step in range(num_steps):
        loss, _ = model.training_loss(batch, StepRandom(0, step, range(len(assets))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.requires_grad_(False)


def encoded(model: MeshTokenizer, assets: Targets, index: int) -> torch.Tensor:
    return model.encode(batch_of([dict(model.inputs(assets, index, num_points=0))])).mean[0]


def test_it_gives_back_the_faces_of_meshes_it_has_learnt_and_their_number() -> None:
    assets = targets((1.9, 1.0, 0.5), (0.6, 1.9, 1.2))
    model = fitted(assets, 250)
    for index in range(2):
        truth = model.target_shape(assets, index)
        made = model.decode_shape(encoded(model, assets, index), DecodeConfig())
        metrics = face_metrics(made, truth, num_cells=32)
        assert metrics == {"triangle_accuracy": 1.0, "is_watertight": 1.0, "face_count_error": 0.0}
        assert is_watertight(made) and len(made.faces) == 12


def test_a_folder_of_before_is_read_unless_its_faces_are_codes(tmp_path: Path) -> None:
    model = tokenizer()
    model.save(tmp_path)
    path = tmp_path / CONFIG_FILE
    document = json.loads(path.read_text())
    for number, codebooks in enumerate((0, 4)):
        document["model"] |= {"num_codebooks": codebooks, "num_codes": 256}
        path.write_text(json.dumps(document))
        if number == 0:
            assert load_tokenizer(tmp_path).config == MeshTokenizer.load(tmp_path).config == model.config
        else:
            with pytest.raises(ConfigError, match=r"model\.num_codebooks: unknown key; the keys of .* are: "):
                load_tokenizer(tmp_path)


def test_the_flag_alone_says_how_many_faces_there_are() -> None:
    model, assets = tokenizer().requires_grad_(False), targets((1.9, 1.0, 0.5))
    tokens = encoded(model, assets, 0)
    assert (tokens[:12, -1] == 1).all() and (tokens[12:, -1] == -1).all() and (tokens[12:, :-1] == 0).all()
    tokens[5:, -1] = -0.01
    assert len(model.decode_faces(tokens)) == 5
    tokens[:, -1] = -1
    with pytest.raises(AssetError, match=r"empty_decode: the faces' flags lie in \[-1, -1\]"):
        model.decode_shape(tokens, DecodeConfig())


def test_padding_is_seen_by_no_face() -> None:
    model = tokenizer().requires_grad_(False)
    tokens = torch.randn(1, 16, 10)
    mask = torch.arange(16)[None] < 9
    changed = torch.where(mask[..., None], tokens, torch.randn(1, 16, 10))
    torch.testing.assert_close(model.decode(tokens, mask)[:, :9], model.decode(changed, mask)[:, :9])
    triangles = torch.randint(0, 32, (1, 16, 3, 3))
    other = torch.where(mask[..., None, None], triangles, 7)
    first, second = (model.encode({"triangles": each, "mask": mask}) for each in (triangles, other))
    torch.testing.assert_close(first.mean, second.mean)


def test_the_first_loss_is_about_that_of_a_guess() -> None:
    """A guess 0.15 off in cells of 0.065 is worth some two nats, uniform over 32 cells would be 3.47."""
    assets = targets((1.9, 1.0, 0.5))
    batch = batch_of([dict(tokenizer().inputs(assets, 0, num_points=0))])
    _, terms = tokenizer().training_loss(batch, StepRandom(0, 0, [0]))
    assert 1.5 < terms["cross_entropy"].item() < 6


def test_a_mirrored_mesh_is_the_mirrored_sequence_with_the_winding_kept() -> None:
    assets = targets((1.9, 1.0, 0.5))
    examples = MeshExamples(assets, MeshExampleConfig(num_cells=32, mirror=True))
    plain = MeshExamples(assets, MeshExampleConfig(num_cells=32), augment=False).example(0, np.random.default_rng(0))
    draws = (examples.example(0, np.random.default_rng(seed)) for seed in range(20))
    mirrored = next(draw for draw in draws if not np.array_equal(draw["triangles"], plain["triangles"]))
    volumes = []
    for example in (plain, mirrored):
        mesh = mesh_of_target(example["triangles"], example["mask"], num_cells=32)
        assert is_watertight(mesh)
        corners = mesh.triangles
        volumes.append(float(np.einsum("fx,fx->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6))
    assert volumes[0] == pytest.approx(volumes[1], rel=0.05) and volumes[0] > 0


def test_stretching_keeps_the_longest_side() -> None:
    assets = targets((1.9, 1.0, 0.5))
    examples = MeshExamples(assets, MeshExampleConfig(num_cells=32, mirror=False, scale=0.3))
    example = examples.example(0, np.random.default_rng(0))
    extents = np.ptp(mesh_of_target(example["triangles"], example["mask"], num_cells=32).vertices, axis=0)
    assert extents.max() == pytest.approx(1.9, abs=2 / 31)


def test_a_target_of_another_length_is_refused() -> None:
    short = build_mesh_target(box(), config=MeshTargetConfig(max_faces=12, num_cells=32), rng=np.random.default_rng(0))[
        0
    ]
    with pytest.raises(ConfigError, match=r"12 faces, the tokenizer num_tokens 16: set build_targets\.mesh"):
        tokenizer().inputs(Targets([short]), 0, num_points=0)


def test_it_is_saved_with_its_kind(tmp_path: Path) -> None:
    model = tokenizer()
    model.save(tmp_path)
    assert MeshTokenizer.load(tmp_path).config == CONFIG


@pytest.mark.parametrize(("name", "least"), [("num_heads", 1), ("width", 1), ("decoder_depth", 0), ("kl_weight", 0)])
def test_settings_that_nothing_can_be_built_with_are_refused(name: str, least: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {least - 1}; it must be at least {least}"):
        replace(CONFIG, **{name: least - 1})
