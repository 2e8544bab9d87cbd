"""What dvc.yaml says of a stage: the settings and the data that it reads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltm3d.freshness.stages import DVC_FILE, read_stages

CODE = "data/inputs/"  # digests of code and sources, which DVC compares
_ITEM = re.compile(r"\$\{item\.\w+\}")


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a stage depends on, but for its code.

    Attributes:
        params: dotted paths in params.yaml.
        data: paths below data/.
    """

    params: tuple[str, ...]
    data: tuple[str, ...]


def read_declaration(stage: str, item: str | None, root: Path = Path()) -> Declaration | None:
    """Read a stage's entry of a checkout's dvc.yaml, with its matrix item filled in; None where there is none."""
    if not (root / DVC_FILE).is_file() or stage not in (stages := read_stages(root)):
        return None
    entry = stages[stage]

    def paths(key: str) -> tuple[str, ...]:
        return tuple(_ITEM.sub(item or "", path) for path in entry.get(key, ()) if isinstance(path, str))

    data = tuple(path for path in paths("deps") if path.startswith("data/") and not path.startswith(CODE))
    return Declaration(params=paths("params"), data=data)


def own_settings(raw: Mapping[str, Any], declaration: Declaration | None) -> dict[str, Any]:
    """Return the settings that a stage declares, by dotted path; all but where to run where nothing is declared."""
    if declaration is None:
        return {key: value for key, value in raw.items() if key != "resources"}
    found = {path: _find(raw, path) for path in declaration.params}
    return {path: value for path, value in found.items() if value is not None}


def _find(node: Any, path: str) -> Any:
    for key in path.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node
