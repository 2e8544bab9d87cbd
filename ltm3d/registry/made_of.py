"""What the stages were made of that made a registered model, and those that measured it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ltm3d.generator.bundle import PARTS
from ltm3d.nn.weights import PROVENANCE_FILE
from ltm3d.shards.read import iter_shards
from ltm3d.tracking.provenance import UNKNOWN

SHARDS = {  # folder below data/ → the stage that makes it
    "raw": "download",
    "meshes": "clean_meshes",
    "views": "render_views",
    "captions": "caption_views",
    "targets/{}": "build_targets@{}",
    "conditions": "encode_conditions",
    "tokens/{}": "encode_tokens@{}",
}
EVALUATION = "metrics/generator_{}_provenance.json"  # below data/; evaluate_generator writes it
GENERATOR_STAGES = ("train_generator@", "train_packed@")  # one of them trains a generator


def collect_provenance(data: Path, representation: str) -> dict[str, list[dict[str, Any]]]:
    """Return label of a stage → what its shards, or its training, were made of, each different one once.

    Shards that were taken over from an earlier run say what that run was made of.
    """
    return _by_label(_records(data, representation))


def collect_measuring(data: Path, representation: str) -> dict[str, list[dict[str, Any]]]:
    """Return the same of the stages that sampled the measured shapes and measured them."""
    samples, evaluation = f"sample_shapes@{representation}", f"evaluate_generator@{representation}"
    shards = [shard.provenance or unknown(samples) for shard in iter_shards(data / "samples" / representation)]
    measured = _read(data / EVALUATION.format(representation), evaluation)
    return _by_label([*((samples, each) for each in shards), *((evaluation, each) for each in measured)])


def _by_label(labelled: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for label, record in labelled:
        records = found.setdefault(str(record.get("stage") or label), [])
        if record not in records:
            records.append(record)
    return {
        label: sorted(records, key=lambda record: json.dumps(record, sort_keys=True))
        for label, records in sorted(found.items())
    }


def _records(data: Path, representation: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for folder, stage in SHARDS.items():
        label = stage.format(representation)
        has_shards = False
        for shard in iter_shards(data / folder.format(representation)):
            has_shards = True
            yield label, shard.provenance or unknown(label)
        if not has_shards:
            yield from ((label, record) for record in _beside(data / folder.format(representation), label))
    models = {f"train_{part}@{representation}": data / "models" / part / representation for part in PARTS}
    for label, model in models.items():
        yield from ((label, record) for record in _beside(model, label))


def _beside(folder: Path, label: str) -> list[dict[str, Any]]:
    """Read what lies beside results that are no shards."""
    return _read(folder / PROVENANCE_FILE, label)


def _read(file: Path, label: str) -> list[dict[str, Any]]:
    return (json.loads(file.read_text()) if file.is_file() else []) or [unknown(label)]


def unknown(label: str) -> dict[str, Any]:
    """Return what is said of results that say nothing of themselves."""
    names = ("code", "python", "git_commit", "git_dirty", "device")
    return {
        "stage": label,
        **dict.fromkeys(names, UNKNOWN),
        "source_kinds": [],
        "git_difference": "",
        "libraries": {},
        "seed": -1,
    }


def provenance_facts(provenance: Mapping[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Spell provenance as tags of a version: the code of every stage, and what the generator's training ran with."""
    codes = {
        f"code.{label.replace('@', '/')}": ", ".join(dict.fromkeys(each["code"] for each in records))
        for label, records in provenance.items()  # MLflow takes no @ in a tag's name
    }
    last = next(records[-1] for label, records in provenance.items() if label.startswith(GENERATOR_STAGES))
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(last["libraries"].items()))
    return {**codes, "libraries": libraries, "device": last["device"], "seed": str(last["seed"])}
