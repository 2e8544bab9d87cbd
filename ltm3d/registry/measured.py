"""What an evaluation measured, as a model version carries it: documents, metrics by name, and tags."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltm3d.errors import DataError
from ltm3d.registry.gate import GateConfig
from ltm3d.tracking.metric_names import plain_name

SHOWN = "generated"  # the method whose metrics every version carries as tags


def read_metrics(metrics: Path, representation: str) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Return the evaluation's document, and metric → uid → value of the generated shapes.

    Raises:
        DataError: the evaluation has not run.
    """
    try:
        document = json.loads((metrics / f"generator_{representation}.json").read_text())
        by_method = json.loads((metrics / f"generator_{representation}_assets.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{metrics} lacks the generator's metrics ({error}); run evaluate_generator (dvc repro)"
        ) from error
    per_asset: dict[str, dict[str, float]] = {}
    for method_and_prompt, assets in by_method.items():
        method, _, prompt = method_and_prompt.partition("/")
        if method != SHOWN:
            continue
        for uid, values in assets.items():
            for name, value in values.items():
                per_asset.setdefault(plain_name(f"{prompt}/{method}/{name}"), {})[uid] = value
    return document, per_asset


def is_shown(name: str, gate: GateConfig) -> bool:
    """Say whether a metric becomes a tag: what the gate asks for, and the generated shapes' means."""
    asked = {gate.chosen.name, *(metric.name for metric in gate.guarded)}
    for bound in gate.required:
        asked |= {value for value in (bound.name, bound.below, bound.above) if isinstance(value, str)}
    is_mean = not name.endswith(("_low", "_high")) and "/by_category/" not in name
    is_ratio = name.startswith(("fidelity_ratio/", "attribute_ratio/"))
    return name in asked or (f"/{SHOWN}/" in name and is_mean) or is_ratio


def measured_by(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the rules, the test assets and the true shapes of the version's metrics."""
    return {
        "protocol": str(document.get("protocol", "")),
        "test_set": str(document.get("test_ids_sha256", "")),
        "references": str(document.get("references_sha256", "")),
    }
