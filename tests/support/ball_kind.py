"""The tokenizer of balls as a kind that the project knows, for the time of a test."""

import sys

import ball_tokenizer
import pytest

from ltm3d.tokenizers import kinds


def add_ball(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `ball` be a representation, in a module beside the others."""
    monkeypatch.setattr(kinds, "REPRESENTATIONS", (*kinds.REPRESENTATIONS, "ball"))
    monkeypatch.setitem(sys.modules, "ltm3d.tokenizers.ball", ball_tokenizer)
