"""Encode a set of assets twice, from different draws of their points, and compare the tokens."""

import json
from pathlib import Path
from typing import Any

from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.audit import audit_tokens
from ltm3d.tokenizers.tokenizer import Tokenizer
from ltm3d.transforms.encode_tokens import encode_set

AUDIT_FILE = "audit.json"  # in the tokenizer's folder


def audit_set(tokenizer: Tokenizer, targets: ShardSet, *, num_surface: int) -> dict[str, Any] | None:
    """Return the audit of the normalised tokens; None where it does not apply: nothing is drawn, or one asset only."""
    if not tokenizer.is_set or len(targets) < 2:
        return None
    first, second = (
        tokenizer.normalize(encode_set(tokenizer, targets, num_surface=num_surface, draw=draw).mean) for draw in (0, 1)
    )
    return audit_tokens(first, second).to_dict()


def write_audit(folder: Path, audit: dict[str, Any] | None) -> None:
    """Keep the verdict with the tokenizer; `train_generator` reads it."""
    (folder / AUDIT_FILE).write_text(json.dumps(audit, indent=2, sort_keys=True) + "\n")
