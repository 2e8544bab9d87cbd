from pathlib import Path

import pytest
import torch
from torch import nn

from ltm3d.errors import ModelError
from ltm3d.nn.weights import load_config, load_weights, save_model, weights_hash


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    saved, loaded = nn.Linear(3, 2), nn.Linear(3, 2)
    save_model(tmp_path / "model", saved, {"width": 3})
    load_weights(loaded, tmp_path / "model")
    assert torch.equal(saved.weight, loaded.weight)
    assert load_config(tmp_path / "model") == {"width": 3}


def test_the_hash_is_the_weights_alone(tmp_path: Path) -> None:
    layer = nn.Linear(3, 2)
    save_model(tmp_path / "a", layer, {"note": 1})
    save_model(tmp_path / "b", layer, {"note": 2})
    assert weights_hash(tmp_path / "a") == weights_hash(tmp_path / "b")
    with torch.no_grad():
        layer.bias.add_(1)
    save_model(tmp_path / "b", layer, {"note": 2})
    assert weights_hash(tmp_path / "a") != weights_hash(tmp_path / "b")


def test_missing_and_foreign_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no"):
        load_config(tmp_path)
    save_model(tmp_path, nn.Linear(3, 2), {})
    with pytest.raises(ModelError, match="does not fit"):
        load_weights(nn.Linear(4, 2), tmp_path)
