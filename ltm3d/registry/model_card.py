"""The model card: what a version is for, what it was made of and under which licences, what it is worth, its limits."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltm3d.shards.index import IndexEntry

CARD_FILE, ATTRIBUTION_FILE = "README.md", "training_attribution.csv"
COLUMNS = ("uid", "name", "source", "licence", "attribution")
METHODS = ("generated", "retrieval", "ltr", "category_mean", "round_trip")
METRICS = ("chamfer_l1", "f_score@0.05", "volume_iou")
# part of a licence's SPDX name → what it asks of who uses the model
CONDITIONS = {
    "NC": "no commercial use",
    "ND": "no changed copies",
    "SA": "the same licence for what is made of it",
    "BY": "credit to the authors",
}
_SHOWN = 12  # rows of a list


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card is written from.

    Attributes:
        training: the assets that were learnt from.
        document: the generator's metrics, as evaluation writes them.
        provenance: tags of the version: `git_commit`, `data_hash`, `protocol` …
        parameters: count of each part.
        encoders: of images and texts: whose weights, which, and their licence.
    """

    name: str
    representation: str
    training: Sequence[IndexEntry]
    document: Mapping[str, Any]
    provenance: Mapping[str, str]
    parameters: Mapping[str, int]
    encoders: Mapping[str, str] = field(default_factory=dict)


def model_card(facts: CardFacts) -> str:
    """Write the card as Markdown."""
    parts = [
        f"# {facts.name}",
        f"Makes 3D shapes ({facts.representation}) from one picture of an object, a text, or both: LTM3D "
        "(arXiv 2505.24245), masked auto-encoding and diffusion over latent tokens, by ltm3d.",
        "## Intended use",
        "Research, and drafts of single objects of the categories below, looked over by a person before use. Not for "
        "scenes, people, measurements, or anything whose safety hangs on a shape.",
        *_training(facts.training),
        *_encoders(facts.encoders),
        *_metrics(facts.document),
        "## Limits",
        *_limits(facts),
        "## Where it comes from",
        _table(("what", "value"), [(name, f"`{value}`") for name, value in facts.provenance.items() if value]),
        _table(("part", "parameters"), [(part, f"{count:,}") for part, count in facts.parameters.items()]),
        "`params.yaml` and `dvc.lock` beside this card are the settings and the data; all three come back with:",
        f"```bash\nltm3d restore models:/{facts.name}/VERSION --to FOLDER\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _training(entries: Sequence[IndexEntry]) -> list[str]:
    licences = Counter(entry.licence or "unknown" for entry in entries)
    lines = [
        "## Training assets",
        f"{len(entries):,} assets; each with its author and licence in `{ATTRIBUTION_FILE}`.",
        _table(("licence", "assets", "asks for"), [(name, f"{n:,}", asks_for(name)) for name, n in _sorted(licences)]),
    ]
    for what, values in (
        ("source", Counter(entry.source for entry in entries)),
        ("category", Counter(entry.category or "unknown" for entry in entries)),
    ):
        rows = [(name, f"{n:,}") for name, n in _sorted(values)]
        more = [(f"{len(rows) - _SHOWN:,} more", "")] if len(rows) > _SHOWN else []
        lines.append(_table((what, "assets"), rows[:_SHOWN] + more))
    return lines


def _encoders(encoders: Mapping[str, str]) -> list[str]:
    if not encoders:
        return []
    return [
        "## Prompt encoders",
        "Pretrained by others and frozen; their licences hold beside those of the training assets.",
        _table(("of", "weights"), list(encoders.items())),
    ]


def asks_for(licence: str) -> str:
    """Say what a licence asks of who uses the model."""
    if licence in ("unknown", ""):
        return "unknown: find out before the model is passed on"
    if not licence.startswith("CC-"):
        return "nothing" if licence == "CC0-1.0" else "see its text"
    return ", ".join(text for part, text in CONDITIONS.items() if part in licence.split("-"))


def _metrics(document: Mapping[str, Any]) -> list[str]:
    rows = []
    for prompt in ("image", "text", "both", "none"):
        methods = document.get(prompt, {})
        for method in METHODS:
            if method in methods:
                summary = methods[method]
                cells = [_interval(summary, name) for name in METRICS]
                rows.append((prompt, method, *cells, str(int(summary.get("num_failures", 0)))))
    assets, protocol = document.get("num_test_assets", "?"), document.get("protocol", "unknown")
    return [
        "## Metrics",
        f"Protocol {protocol}, {assets} test assets that no part was trained on; mean and 95 % interval over assets. "
        "Lower is better for chamfer_l1.",
        _table(("prompt", "method", *METRICS, "failures"), rows),
    ]


def _interval(summary: Mapping[str, float], name: str) -> str:
    if name not in summary:
        return "–"
    mean, low, high = (summary.get(key, float("nan")) for key in (name, f"{name}_low", f"{name}_high"))
    return f"{mean:.4f} [{low:.4f}, {high:.4f}]"


def _limits(facts: CardFacts) -> list[str]:
    lines = ["- One object, in the middle, on a plain or transparent background; English text as in the captions."]
    for prompt, ratio in sorted(facts.document.get("fidelity_ratio", {}).items()):
        better = "nearer to" if ratio < 1 else "farther from"
        lines.append(
            f"- {prompt} prompts: {ratio:.2f} times the Chamfer distance of the training shape that retrieval finds: "
            f"generated shapes are {better} the true one than a look-up."
        )
    failed = {
        prompt: int(methods["generated"]["num_failures"])
        for prompt, methods in facts.document.items()
        if isinstance(methods, Mapping) and "num_failures" in methods.get("generated", {})
    }
    counts = ", ".join(f"{count} ({prompt})" for prompt, count in failed.items()) or "unknown"
    lines.append(f"- Samples without a surface: {counts}.")
    skipped = facts.document.get("skipped", {})
    lines += [f"- Not measured: {name}: {reason}" for name, reason in sorted(skipped.items())]
    return ["\n".join(lines)]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _sorted(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def write_attribution(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write who made each training asset, and its licence, as a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS, extrasaction="ignore", restval="", lineterminator="\n")
        rows.writeheader()
        rows.writerows(records)
