"""The data card: what is in a data set, where it came from, and what was turned away; as JSON and as one page."""

import base64
import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ltm3d.schema import REASONS
from ltm3d.serving import ASSETS
from ltm3d.shards.index import IndexEntry
from ltm3d.shards.ledger import Ledger

CARD_FILE, PAGE_FILE, ATTRIBUTION_FILE = "card.json", "index.html", "attribution.csv"
FACE_LIMITS = (100, 1_000, 10_000, 100_000, 1_000_000)
THUMBNAIL = 96  # pixels
_SHOWN = 12  # rows of a list on the page; card.json has them all


def describe(
    entries: Sequence[IndexEntry],
    ledgers: Sequence[Ledger],
    facts: Mapping[str, Iterable[Mapping[str, Any]]],
    encoders: Mapping[str, str],
) -> dict[str, Any]:
    """Count what is in a data set.

    Args:
        ledgers: of the stages, in their order.
        facts: for each target the records of its assets; their numbers are summarised.
        encoders: of images and texts: whose weights, which, and their licence.
    """
    faces = np.array([entry.num_faces for entry in entries])
    return {
        "num_assets": len(entries),
        "splits": _counts(entry.split for entry in entries),
        "sources": _counts(entry.source for entry in entries),
        "categories": _counts(entry.category or "unknown" for entry in entries),
        "licences": _counts(entry.licence or "unknown" for entry in entries),
        "watertight": _counts("watertight" if entry.is_watertight else "open" for entry in entries),
        "faces": {
            "histogram": _histogram(faces),
            **{f"p{share}": float(np.percentile(faces, share)) for share in (5, 50, 95)},
            "max": int(faces.max()),
        },
        "captions": {
            "num_different": len({entry.caption for entry in entries}),
            "mean_words": float(np.mean([len(entry.caption.split()) for entry in entries])),
        },
        "stages": {ledger.stage: ledger.counts() for ledger in ledgers},
        "rejects": [row for ledger in ledgers for row in _reject_rows(ledger)],
        "targets": {name: _summaries(records) for name, records in facts.items()},
        "encoders": dict(encoders),
    }


def write_data_card(
    folder: Path,
    card: Mapping[str, Any],
    *,
    title: str,
    thumbnails: Mapping[str, Sequence[tuple[str, np.ndarray]]],
    attributions: Iterable[Mapping[str, Any]],
) -> Path:
    """Write `card.json`, `attribution.csv` and a page that needs nothing but itself; return the page's path.

    Args:
        thumbnails: category → (uid, picture uint8 [H, W, 4]) of some assets.
        attributions: records with `uid`, `name`, `source`, `licence`, `attribution`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_FILE).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with (folder / ATTRIBUTION_FILE).open("w", encoding="utf-8", newline="") as file:
        columns = ("uid", "name", "source", "licence", "attribution")
        rows = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        rows.writeheader()
        rows.writerows(attributions)
    page = folder / PAGE_FILE
    template = Template((ASSETS / "data_card.html").read_text("utf-8"))
    page.write_text(
        template.substitute(
            title=escape(title),
            subtitle=escape(f"{card['num_assets']:,} assets; {_listed(card['splits'])}"),
            counts="".join(
                _bars(name, card[key])
                for name, key in (
                    ("Sources", "sources"),
                    ("Licences", "licences"),
                    ("Surface", "watertight"),
                    ("Categories", "categories"),
                )
            )
            + _bars("Faces", card["faces"]["histogram"]),
            stages=_stage_rows(card["stages"]),
            rejects="".join(_reject_row(row) for row in card["rejects"]) or "<tr><td>none</td></tr>",
            encoders="".join(
                f"<tr><td>{escape(kind)}</td><td>{escape(line)}</td></tr>" for kind, line in card["encoders"].items()
            ),
            targets="".join(_target_rows(name, summary) for name, summary in card["targets"].items()),
            pictures="".join(_gallery(category, pictures) for category, pictures in sorted(thumbnails.items())),
        ),
        encoding="utf-8",
    )
    return page


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _histogram(faces: np.ndarray) -> dict[str, int]:
    names = [f"below {FACE_LIMITS[0]:,}", *(f"{low:,} and more" for low in FACE_LIMITS)]
    counts = np.bincount(np.searchsorted(FACE_LIMITS, faces, side="right"), minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _reject_rows(ledger: Ledger) -> Iterable[dict[str, Any]]:
    groups = defaultdict(list)
    for reject in ledger.rejects.values():
        groups[reject.reason].append(reject)
    for reason, rejects in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        first = min(rejects, key=lambda reject: reject.uid)
        yield {
            "stage": ledger.stage,
            "reason": reason,
            "meaning": REASONS[reason.split(":")[0]],
            "count": len(rejects),
            "example": {"uid": first.uid, "detail": first.detail},
        }


def _summaries(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    columns: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for name, value in record.items():
            if isinstance(value, int | float):
                columns[name].append(float(value))
    return {
        name: {
            "mean": float(np.mean(values)),
            **{f"p{share}": float(np.percentile(values, share)) for share in (5, 50, 95)},
            "max": float(np.max(values)),
        }
        for name, values in sorted(columns.items())
    }


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _bars(name: str, counts: Mapping[str, int]) -> str:
    total, most = sum(counts.values()), max(counts.values(), default=1)
    rows = [
        f"<tr><th>{escape(key)}</th><td>{count:,}</td><td>{100 * count / total:.1f} %</td>"
        f'<td class="bar"><i style="width:{100 * count / most:.1f}%"></i></td></tr>'
        for key, count in list(counts.items())[:_SHOWN]
    ]
    if len(counts) > _SHOWN:
        rows.append(f'<tr><th>{len(counts) - _SHOWN:,} more</th><td colspan="3">in {CARD_FILE}</td></tr>')
    return f"<section><h2>{escape(name)}</h2><table>{''.join(rows)}</table></section>"


def _stage_rows(stages: Mapping[str, Mapping[str, int]]) -> str:
    return "".join(
        f"<tr><th>{escape(name)}</th><td>{counts['ok']:,}</td><td>{sum(counts.values()) - counts['ok']:,}</td></tr>"
        for name, counts in stages.items()
    )


def _reject_row(row: Mapping[str, Any]) -> str:
    example = (
        f"{row['example']['uid']}: {row['example']['detail']}" if row["example"]["detail"] else row["example"]["uid"]
    )
    return (
        f"<tr><th>{escape(row['stage'])}</th><td><code>{escape(row['reason'])}</code></td><td>{row['count']:,}</td>"
        f"<td>{escape(row['meaning'])}</td><td>{escape(example[:200])}</td></tr>"
    )


def _target_rows(name: str, summary: Mapping[str, Mapping[str, float]]) -> str:
    return "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td>"
        + "".join(f"<td>{values[key]:.4g}</td>" for key in ("mean", "p5", "p50", "p95", "max"))
        + "</tr>"
        for fact, values in summary.items()
    )


def _gallery(category: str, pictures: Sequence[tuple[str, np.ndarray]]) -> str:
    figures = "".join(
        f'<img src="{_data_uri(picture)}" width="{THUMBNAIL}" height="{THUMBNAIL}" alt="" title="{escape(uid)}">'
        for uid, picture in pictures
    )
    return f"<section><h3>{escape(category)}</h3><div>{figures}</div></section>"


def _data_uri(picture: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
