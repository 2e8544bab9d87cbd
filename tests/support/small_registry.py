"""A registry of small real models of one representation that differ in a setting, made of code that is committed."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from small_code import LABEL, SmallCode
from tiny_bundle import make_tiny_bundle

from ltm3d.registry.gate import GateBound, GateConfig, GateMetric
from ltm3d.registry.promotion import GATE_FILE, MADE_OF_FILE, MEASURED_WITH_FILE, PER_ASSET_FILE
from ltm3d.registry.registration import register_model
from ltm3d.registry.versions import get_version_by_alias
from ltm3d.tracking.client import experiment_id, open_client

NAME = "ltm3d-sdf"
GATE = GateConfig(
    chosen=GateMetric(name="cd", better="lower"),
    required=(GateBound(name="cd", below="mean_cd"),),
    max_size_mb=50,
    max_seconds=100,
    num_resamples=500,
)


class Registry:
    """One registry; `add` registers a model that differs from the others in a setting.

    Args:
        gate: the rule that each is registered with.
    """

    def __init__(self, folder: Path, uri: str, representation: str = "sdf", gate: GateConfig = GATE) -> None:
        self.folder = folder
        self.uri = uri
        self.name = f"ltm3d-{representation}"
        self.gate = gate
        self.first = make_tiny_bundle(folder / "bundle-0", representation)
        self.code = SmallCode(folder / "code")
        self.count = 0

    def add(
        self,
        values: list[float],
        metrics: Mapping[str, float] | None = None,
        measured: Mapping[str, list[Mapping[str, Any]]] | None = None,
    ) -> str:
        """Register one more model, made of the code as it is now, with the chosen metric of each test asset.

        Args:
            metrics: the further ones.
            measured: what its metrics were measured with.
        """
        self.count += 1
        bundle = self.folder / f"bundle-{self.count}"
        shutil.copytree(self.first, bundle)
        settings = json.loads((bundle / "bundle.json").read_text())
        settings["sampling"]["guidance_scale"] = 1.0 + self.count
        (bundle / "bundle.json").write_text(json.dumps(settings))
        card = self.folder / f"card-{self.count}"
        card.mkdir()
        per_asset = {f"a{i}": value for i, value in enumerate(values)}
        (card / PER_ASSET_FILE).write_text(json.dumps({self.gate.chosen.name: per_asset}))
        (card / GATE_FILE).write_text(json.dumps(asdict(self.gate)))
        made = self.code.made()
        (card / MADE_OF_FILE).write_text(json.dumps({LABEL: [made]}))
        if measured is not None:
            (card / MEASURED_WITH_FILE).write_text(json.dumps(measured))
        tags = {name: made[name] for name in ("git_commit", "git_dirty")}
        chosen = {self.gate.chosen.name: sum(values) / len(values)}
        return self.register(bundle, {**chosen, **(metrics or {"mean_cd": 0.5})}, tags, card)

    def register(self, bundle: Path, metrics: Mapping[str, float], tags: dict[str, str], card: Path) -> str:
        """Register a bundle in a run of its own."""
        client = open_client(self.uri)
        return register_model(
            bundle=bundle,
            name=self.name,
            metrics=metrics,
            tags={"protocol": "eval/v1", "test_set": "t", **tags},
            artifacts=sorted(card.iterdir()),
            tracking_uri=self.uri,
            run=client.create_run(experiment_id(client, self.uri, "ltm3d")).info.run_id,
        ).version

    def alias(self, name: str) -> str | None:
        """Return the number of the version that an alias names."""
        version = get_version_by_alias(self.name, name, self.uri)
        return None if version is None else version.version

    def aliases(self) -> dict[str, str | None]:
        """Return the versions of the aliases a promotion moves."""
        return {name: self.alias(name) for name in ("challenger", "champion", "previous_champion")}
