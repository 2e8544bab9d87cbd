"""Encode a set of assets twice, from different draws of their points, and compare the tokens."""

import json
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError, ModelError
from ltm3d.nn.weights import load_config
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.audit import UNORDERED_ABOVE, audit_tokens
from ltm3d.tokenizers.kinds import tokenizer_kind
from ltm3d.tokenizers.tokenizer import Tokenizer
from ltm3d.transforms.encode_tokens import encode_set

AUDIT_FILE = "audit.json"  # in the tokenizer's folder


def audit_set(tokenizer: Tokenizer, targets: ShardSet, *, num_surface: int) -> dict[str, Any] | None:
    """Return the audit of the normalised tokens; None where nothing is drawn, or there is nothing to compare with.

    Args:
        num_surface: points that the encoder is to read of an asset, twice; that of the audit is how many it did read.
    """
    if not tokenizer.is_set or len(targets) < 2:
        return None
    first, second = (
        tokenizer.normalize(encode_set(tokenizer, targets, num_surface=num_surface, draw=draw).mean) for draw in (0, 1)
    )
    read = next(iter(tokenizer.inputs(targets, 0, num_points=num_surface).values()))  # Gaussians: at most half of all
    return {**audit_tokens(first, second).to_dict(), "num_surface": len(read)}


def write_audit(folder: Path, audit: dict[str, Any] | None) -> None:
    """Keep the verdict with the tokenizer; `train_generator` reads it."""
    (folder / AUDIT_FILE).write_text(json.dumps(audit, indent=2, sort_keys=True) + "\n")


def check_order(folder: Path) -> None:
    """Refuse tokens whose position says nothing: position embeddings and LTR rest on it.

    Raises:
        ConfigError: the tokenizer was not audited, or on too few assets to tell.
        ModelError: its audit found the tokens unordered.
    """
    path = folder / AUDIT_FILE
    if not path.is_file():
        raise ConfigError(
            f"{path}: no such file, so nobody knows whether the tokens have an order; train the tokenizer "
            "again (dvc repro train_tokenizer), or set allow_unordered: true"
        )
    audit = json.loads(path.read_text())
    if audit is None:
        if tokenizer_kind(load_config(folder)["tokenizer"]).is_set:
            raise ConfigError(
                f"{path} has no verdict: fewer than 2 validation assets were there to be compared; add assets, "
                "or set allow_unordered: true"
            )
    elif not audit["is_ordered"]:
        raise ModelError(
            f"the tokens of {folder} have no order (elementwise / random distance "
            f"{audit['elementwise_over_random']:.2f}, limit {UNORDERED_ABOVE:g}); use learnable queries, "
            "or set allow_unordered: true"
        )
