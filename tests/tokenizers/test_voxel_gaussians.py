from dataclasses import replace

import pytest
import torch
from tiny_tokenizers import SMALL

from ltm3d.errors import AssetError, ConfigError
from ltm3d.tokenizers.gaussians import GaussiansTokenizer, GaussiansTokenizerConfig
from ltm3d.tokenizers.tokenizer import DecodeConfig
from ltm3d.tokenizers.voxel_gaussians import REACH, draw_voxels, occupied_voxels, voxel_centers, voxels_of

GRID = 6
CONFIG = GaussiansTokenizerConfig(
    **SMALL,
    decoder="voxels",
    grid=GRID,
    max_voxels=10,
    gaussians_a_voxel=3,
)


def test_a_voxel_holds_its_centre_and_what_is_nearer_than_half_a_side() -> None:
    voxels = torch.arange(GRID**3)
    centers = voxel_centers(voxels, GRID)
    assert centers.abs().max() == pytest.approx(1 - 1 / GRID)
    shift = (torch.rand(GRID**3, 3, generator=torch.Generator().manual_seed(0)) - 0.5) * 1.99 / GRID
    assert torch.equal(voxels_of((centers + shift)[None], GRID)[0], voxels)
    assert voxels_of(torch.tensor([[[-7.0, -1.0, -1.0], [9.0, 9.0, 1.0]]]), GRID).tolist() == [[0, GRID**3 - 1]]


def test_the_fullest_voxels_count_and_the_first_fills_the_rest() -> None:
    centers = voxel_centers(torch.tensor([7, 7, 7, 100, 100, 3]), GRID)
    voxels, is_occupied, occupied = occupied_voxels(centers[None], grid=GRID, max_voxels=5)
    assert voxels[0].tolist() == [7, 100, 3, 7, 7] and is_occupied[0].tolist() == [True] * 3 + [False] * 2
    assert occupied[0].nonzero().flatten().tolist() == [3, 7, 100]
    assert occupied_voxels(centers[None], grid=GRID, max_voxels=2)[0].tolist() == [[7, 100]]


def test_what_is_asked_for_lies_beside_the_occupied_ones_or_anywhere() -> None:
    random = torch.Generator().manual_seed(0)
    middle = torch.full((1, 400), int(voxels_of(torch.full((1, 1, 3), 0.01), GRID)))
    near, anywhere = torch.rand(1, 400, 3, generator=random), torch.rand(1, 4000, generator=random)
    asked = draw_voxels(middle, near, anywhere, grid=GRID)[0]
    beside, others = voxel_centers(asked[:400], GRID), asked[400:]
    away = (beside - voxel_centers(middle[0], GRID)).abs().max(dim=1).values * GRID / 2
    assert away.min().round() == 0 and away.max().round() == REACH
    assert len(others.unique()) == GRID**3


def test_gaussians_stay_in_their_voxels_and_empty_ones_have_no_opacity() -> None:
    torch.manual_seed(0)
    model = GaussiansTokenizer(CONFIG)
    torch.nn.init.normal_(model.voxels.to_rows.weight, std=0.3)
    tokens = torch.randn(2, 4, 4)
    table = model.decode(tokens)
    states = model.decode_states(tokens)
    voxels, is_occupied = model.voxels.choose(states, model.anchors)
    assert table.shape == (2, 30, 14)
    assert torch.equal(voxels_of(table[..., :3], GRID), voxels.repeat_interleave(3, dim=1))
    logits = model.voxels.logits(states, model.anchors, torch.arange(GRID**3))
    assert torch.equal(is_occupied.sum(dim=1), (logits > 0).sum(dim=1).clamp(max=10))
    assert torch.equal(table[..., 10] > -30, is_occupied.repeat_interleave(3, dim=1))


def test_nothing_that_is_likely_is_an_empty_decode() -> None:
    torch.manual_seed(0)
    model = GaussiansTokenizer(CONFIG).eval()
    torch.nn.init.zeros_(model.voxels.occupancy.to_value.weight)  # all logits are 0
    with pytest.raises(AssetError, match="empty_decode: none of the 6³ voxels"):
        model.decode_shape(torch.zeros(4, 4), DecodeConfig())


@pytest.mark.parametrize("name", ["grid", "max_voxels", "gaussians_a_voxel"])
def test_settings_out_of_range(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0; it must be at least 1"):
        replace(CONFIG, **{name: 0})
