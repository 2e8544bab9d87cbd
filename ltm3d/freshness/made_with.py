"""The code that a stage's present results were made with, as its shards, its training run and its last end say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltm3d.freshness.stage_code import read_note

RUN_FILE, SHARD_FILE = "run.json", "shard.json"


def digests_of_results(stage: Mapping[str, Any], item: str | None, data: Path, state_dir: Path) -> set[str]:
    """Collect the digests that a stage's results name; none where there are no results.

    Args:
        stage: its entry in dvc.yaml.
        data: the folder of all data, `data` in dvc.yaml.
        state_dir: its folder in data/runs.
    """
    files = [state_dir / RUN_FILE]
    for out in stage.get("outs", ()):
        path = str(next(iter(out)) if isinstance(out, Mapping) else out)
        folder = data / Path(_with_item(path, item)).relative_to("data")
        files += sorted(folder.glob(f"shard-*/{SHARD_FILE}"))
    note = read_note(state_dir)
    found = {_code_in(path) for path in files} | ({note["digest"]} if note is not None else set())
    return found - {""}


def _with_item(path: str, item: str | None) -> str:
    head, brace, rest = path.partition("${")
    return f"{head}{item}{rest.partition('}')[2]}" if brace else path


def _code_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes()).get("code", ""))
    except (OSError, ValueError, AttributeError):
        return ""
