"""Metrics of a nested document by name, spelled as MLflow takes them."""

from collections.abc import Iterator, Mapping
from typing import Any


def flatten_metrics(node: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number of a nested document with its path, e.g. `image/generated/chamfer_l1`."""
    if isinstance(node, Mapping):
        for name, child in node.items():
            yield from flatten_metrics(child, f"{path}/{name}" if path else str(name))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield plain_name(path), float(node)


def plain_name(name: str) -> str:
    """Spell a metric's name as MLflow takes it."""
    return name.replace("@", "_at_").replace("^", "_")
