"""How both evaluation stages write their figures into MLflow."""

from collections.abc import Mapping
from typing import Any

from ltm3d.tracking.run import Tracker


def log_document(tracker: Tracker, document: Mapping[str, Any]) -> None:
    """Log every number of a metrics document under its path; `@` and `^` are not for MLflow's names."""
    tracker.log_metrics(dict(_numbers(document, "")))


def _numbers(node: Any, path: str) -> list[tuple[str, float]]:
    if isinstance(node, Mapping):
        return [
            item for name, child in node.items() for item in _numbers(child, f"{path}/{name}" if path else str(name))
        ]
    if isinstance(node, int | float):
        return [(path.replace("@", "_at_").replace("^", "_"), float(node))]
    return []
