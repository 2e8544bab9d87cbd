"""Model folders: `model.safetensors` (weights) beside `config.json` (how to build it). Nothing is unpickled."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ltm3d.errors import ModelError

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
PROVENANCE_FILE = "provenance.json"  # what a trained model was made of; no part of the model


def save_model(folder: Path, module: nn.Module, config: Mapping[str, Any]) -> None:
    """Write a module's weights and the JSON-able settings it is built from."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    save_file(state, folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_config(folder: Path) -> dict[str, Any]:
    """Read a model folder's settings.

    Raises:
        ModelError: the folder holds no model.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise ModelError(f"{folder} holds no {CONFIG_FILE}; train the model first, or name another folder")
    config = json.loads(path.read_text())
    assert isinstance(config, dict)
    return config


def load_weights(module: nn.Module, folder: Path) -> None:
    """Fill a module with a folder's weights.

    Raises:
        ModelError: the file is missing, or its tensors are not the module's.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(f"{folder} holds no {WEIGHTS_FILE}; train the model first, or name another folder")
    load_state(module, load_file(path), str(path))


def load_state(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Fill a module with tensors, naming what does not fit."""
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        raise ModelError(f"{origin} does not fit {type(module).__name__}: {error}") from error


def weights_hash(folder: Path) -> str:
    """Return the sha256 of a model folder's weights file, the model's identity."""
    return hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
