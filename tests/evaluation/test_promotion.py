"""Promotion on a real registry with real models."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from mlflow_database import new_database
from tiny_bundle import make_tiny_bundle

from ltm3d.errors import ModelError
from ltm3d.evaluation.gate import GateBound, GateConfig, GateMetric
from ltm3d.evaluation.promotion import GATE_FILE, PER_ASSET_FILE, promote, roll_back
from ltm3d.tracking.client import experiment_id, open_client
from ltm3d.tracking.registry import get_version_by_alias, register_model, resolve_model

NAME = "ltm3d-sdf"
GATE = GateConfig(
    chosen=GateMetric(name="cd", better="lower"), required=(GateBound(name="cd", below="mean_cd"),), num_resamples=500
)


class Registry:
    """One registry; `add` registers a model that differs from the others in a setting."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = new_database(folder)
        self.first = make_tiny_bundle(folder / "bundle-0")
        self.count = 0

    def add(self, values: list[float]) -> str:
        self.count += 1
        bundle = self.folder / f"bundle-{self.count}"
        shutil.copytree(self.first, bundle)
        settings = json.loads((bundle / "bundle.json").read_text())
        settings["sampling"]["guidance_scale"] = 1.0 + self.count
        (bundle / "bundle.json").write_text(json.dumps(settings))
        card = self.folder / f"card-{self.count}"
        card.mkdir()
        (card / PER_ASSET_FILE).write_text(json.dumps({"cd": {f"a{i}": value for i, value in enumerate(values)}}))
        (card / GATE_FILE).write_text(json.dumps(asdict(GATE)))
        client = open_client(self.uri)
        version = register_model(
            bundle=bundle,
            name=NAME,
            metrics={"cd": sum(values) / len(values), "mean_cd": 0.5},
            tags={"protocol": "eval/v1", "test_set": "t"},
            artifacts=sorted(card.iterdir()),
            tracking_uri=self.uri,
            run=client.create_run(experiment_id(client, self.uri, "test")).info.run_id,
        )
        return version.version

    def alias(self, name: str) -> str | None:
        version = get_version_by_alias(NAME, name, self.uri)
        return None if version is None else version.version


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    yield Registry(tmp_path_factory.mktemp("registry"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_champions_come_and_go(registry: Registry) -> None:
    with pytest.raises(ModelError, match="no challenger"):
        promote(NAME, GATE, registry.uri)
    first = registry.add([0.3, 0.2, 0.4, 0.3])
    with pytest.raises(ModelError, match="nothing to roll back"):
        roll_back(NAME, registry.uri)

    assert promote(NAME, None, registry.uri, dry_run=True).passed
    assert registry.alias("champion") is None, "a dry run changes nothing"
    assert promote(NAME, None, registry.uri).passed
    assert registry.alias("champion") == first
    assert promote(NAME, GATE, registry.uri).reasons == (f"models:/{NAME}/{first} is champion already",)

    worse = registry.add([0.4, 0.3, 0.5, 0.4])
    decision = promote(NAME, GATE, registry.uri)
    assert not decision.passed
    assert registry.alias("champion") == first and registry.alias("challenger") == worse
    tagged = get_version_by_alias(NAME, "challenger", registry.uri)
    assert tagged is not None and json.loads(tagged.tags["gate"])["passed"] is False

    better = registry.add([0.2, 0.1, 0.3, 0.2])
    assert promote(NAME, GATE, registry.uri).passed
    assert (registry.alias("champion"), registry.alias("previous_champion")) == (better, first)

    champion, left = roll_back(NAME, registry.uri, dry_run=True)
    assert (champion.version, left.version, registry.alias("champion")) == (first, better, better)
    roll_back(NAME, registry.uri)
    assert (registry.alias("champion"), registry.alias("previous_champion")) == (first, better)


def test_a_model_that_cannot_answer_is_not_promoted(registry: Registry) -> None:
    version = registry.add([0.01, 0.01, 0.01, 0.01])
    weights = resolve_model(f"models:/{NAME}/{version}", registry.uri) / "generator" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    decision = promote(NAME, GATE, registry.uri)
    assert not decision.passed
    assert "answers a prompt" in decision.reasons[0] and "generator" in decision.reasons[0]
    assert registry.alias("champion") != version
