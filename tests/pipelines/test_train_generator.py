"""The generator is trained on ordered tokens, unless its settings allow others."""

from pathlib import Path

import pytest
from mlflow_database import new_database
from tiny_latents import make_tiny_latents

from ltm3d.errors import ConfigError, ModelError
from ltm3d.transforms.audit_tokens import write_audit
from pipelines import train_generator
from pipelines.compose import compose, write_params


class Reached(Exception):
    """The tokens were accepted."""


@pytest.fixture
def tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tokenizer's folder in a checkout that could train; where the training would begin, it ends."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise Reached

    monkeypatch.chdir(make_tiny_latents(tmp_path, num_assets=10))
    monkeypatch.setattr(train_generator, "run_training", refuse)
    new_database(tmp_path)
    return tmp_path / "data" / "models" / "tokenizer" / "sdf"


def allow(allowed: bool) -> None:
    write_params(compose("smoke", [f"generator.sdf.allow_unordered={str(allowed).lower()}"]), Path("params.yaml"))


def test_unordered_tokens_are_trained_on_where_the_setting_says_so_alone(tokenizer: Path) -> None:
    write_audit(tokenizer, {"is_ordered": False, "elementwise_over_random": 0.97})
    allow(False)
    with pytest.raises(ModelError, match="have no order"):
        train_generator.main("sdf")
    allow(True)
    with pytest.raises(Reached):
        train_generator.main("sdf")


def test_ordered_tokens_are_trained_on_and_those_without_a_verdict_are_not(tokenizer: Path) -> None:
    allow(False)
    with pytest.raises(ConfigError, match="no such file"):
        train_generator.main("sdf")
    write_audit(tokenizer, None)
    with pytest.raises(ConfigError, match="has no verdict"):
        train_generator.main("sdf")
    write_audit(tokenizer, {"is_ordered": True, "elementwise_over_random": 0.1})
    with pytest.raises(Reached):
        train_generator.main("sdf")
