import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ltm3d.errors import ConfigError, ModelError
from ltm3d.evaluation.attribute_reader import AttributeReader, AttributeReaderConfig, make_pictures
from ltm3d.evaluation.reading import Reading
from ltm3d.geometry.mesh import Mesh

SMALL = AttributeReaderConfig(num_points=256, resolution=16, width=4, hidden_dim=8)
VOCABULARY = {"table": {"legs": ("three", "four"), "top": ("round", "square", "oval")}, "lamp": {"base": ("a", "b")}}


def reader_of(seed: int) -> AttributeReader:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AttributeReader(SMALL, VOCABULARY).eval()


def place(a: float, b: float) -> tuple[int, int]:
    return int((a + 1) * 8), int((b + 1) * 8)


def test_pictures_show_a_point_where_it_is() -> None:
    points = torch.tensor([[[0.3, -0.5, 0.9], [0.3, -0.5, -0.2]]])  # one behind the other along z
    kept = torch.tensor([[True, True]])
    x, y, z = make_pictures(points, kept, resolution=16)[0].view(3, 3, 16, 16)
    density, front, back = z
    at = place(0.3, -0.5)
    assert density[at] == pytest.approx(math.log1p(256)) and density.count_nonzero() == 1
    assert front[at] == pytest.approx(0.9) and back[at] == pytest.approx(0.2)  # towards +z, towards -z
    assert front.sum() == pytest.approx(0.9 - 255) and (back == -1).sum() == 255
    assert x[0][place(-0.5, 0.9)] == x[0][place(-0.5, -0.2)] == pytest.approx(math.log1p(128))
    assert y[1][place(0.3, 0.9)] == pytest.approx(-0.5) and y[2][place(0.3, 0.9)] == pytest.approx(0.5)


def test_pictures_know_neither_the_order_nor_the_missing_points() -> None:
    generator = torch.Generator().manual_seed(0)
    points, order = torch.rand(1, 500, 3, generator=generator) * 2 - 1, torch.randperm(500, generator=generator)
    kept = torch.rand(1, 500, generator=generator) < 0.5
    pictures = make_pictures(points, kept, resolution=16)
    torch.testing.assert_close(make_pictures(points[:, order], kept[:, order], resolution=16), pictures)
    left = points[kept][None]
    torch.testing.assert_close(make_pictures(left, torch.ones(left.shape[:2]).bool(), resolution=16), pictures)


def test_a_saved_reader_reads_the_same(tmp_path: Path) -> None:
    reader = reader_of(0)
    reader.save(tmp_path)
    again = AttributeReader.load(tmp_path)
    points = torch.rand(4, 256, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert again.read_points(points) == reader.read_points(points)
    assert again.vocabulary == reader.vocabulary and again.config == SMALL
    with pytest.raises(ModelError, match="train the model first"):
        AttributeReader.load(tmp_path / "nothing")


def test_an_answer_is_the_highest_logit_of_each_head() -> None:
    reader = reader_of(0)
    assert reader.categories == ("lamp", "table")
    logits = torch.zeros(reader.heads.out_features)
    logits[1] = 1.0  # a table
    logits[reader.places["table"]["legs"]] = torch.tensor([0.1, 0.2])
    logits[reader.places["table"]["top"]] = torch.tensor([-3.0, -1.0, -2.0])
    logits[reader.places["lamp"]["base"]] = torch.tensor([9.0, 0.0])  # of another category
    assert reader._answer(logits) == Reading("table", {"legs": "four", "top": "square"})


def test_the_loss_is_the_mean_cross_entropy_of_the_own_heads() -> None:
    reader = reader_of(0)
    logits = torch.zeros(2, reader.heads.out_features)
    loss = reader.loss(logits, ["table", "lamp"], [{"legs": "three", "top": "oval"}, {"base": "a"}])
    assert loss.item() == pytest.approx(math.log(2) + (math.log(2) + math.log(3) + math.log(2)) / 3)
    alone = reader.loss(logits, ["table", "lamp"], [{"top": "oval"}, {}])
    assert alone.item() == pytest.approx(math.log(2) + math.log(3))


def test_a_mesh_is_read_by_points_of_a_fixed_seed() -> None:
    corners = np.random.default_rng(0).uniform(-0.9, 0.9, (90, 3)).astype(np.float32)
    mesh, reader = Mesh(corners, np.arange(90).reshape(30, 3)), reader_of(3)
    assert reader.read(mesh) == reader.read(mesh)


def test_sizes_that_cannot_be_are_named() -> None:
    for name, value in (("resolution", 50), ("resolution", 8), ("num_points", 3), ("width", 6)):
        with pytest.raises(ConfigError, match=f"{name} is {value}"):
            AttributeReaderConfig(**{name: value})
