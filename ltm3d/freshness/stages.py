"""The stages of dvc.yaml, and their labels: `stage`, or `stage@item` for each item of a matrix."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltm3d.errors import DataError

DVC_FILE = "dvc.yaml"
WITHOUT_RESULTS = ("digest_inputs",)


def read_stages(root: Path) -> dict[str, dict[str, Any]]:
    """Read the stages of a checkout, by name.

    Raises:
        DataError: it has no dvc.yaml.
    """
    return read_yaml(root / DVC_FILE)["stages"]


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of the checkout, with the fast loader where there is one.

    Raises:
        DataError: it is not there.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} is not here; run this in a checkout") from error
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def stage_labels(stages: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, tuple[str, str | None]]:
    """Map each label, also the name of a folder in data/runs, to its stage and item.

    Args:
        stages: of dvc.yaml.
        params: params.yaml, which has the lists of the matrices.
    """
    labels: dict[str, tuple[str, str | None]] = {}
    for name, stage in stages.items():
        matrix = stage.get("matrix") or {}
        if not matrix:
            labels[name] = (name, None)
        for items in matrix.values():
            listed = params.get(items.strip("${}"), []) if isinstance(items, str) else items
            labels |= {f"{name}@{item}": (name, item) for item in listed}
    return labels
