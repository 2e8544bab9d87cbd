"""The gallery page that an evaluation stage writes: where it goes, and which test assets it shows."""

import json
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ltm3d.serving.gallery import GalleryItem, GalleryPlots, GalleryProcess, GalleryWords, write_gallery
from ltm3d.serving.pages import SINGLE_FILE
from ltm3d.shards.index import IndexEntry
from pipelines import _stage

COLUMNS = ("psnr", "ssim", "triangle_accuracy", "chamfer_l1", "f_score@0.05", "volume_iou", "normal_consistency")


def write_page(
    stage: _stage.Stage,
    name: str,
    items: Sequence[GalleryItem],
    *,
    words: GalleryWords,
    rows: Sequence[Mapping[str, Any]],
    trained: Mapping[str, str],
    processes: Sequence[GalleryProcess] = (),
) -> Path:
    """Write data/gallery/NAME, and log the page that is one file to MLflow, whose frame shows no folder.

    Args:
        rows: of the table: `prompt` or `grid`, `method`, summaries; of the metrics only those of `COLUMNS` are shown.
        trained: what was trained → the file of its curve in data/plots.
    """
    folder = stage.data / "gallery" / name
    if folder.is_dir():
        shutil.rmtree(folder)  # our own output; DVC removes it too, a hand-started run does not
    names = [f"{column}{end}" for column in COLUMNS for end in ("", "_low", "_high")]
    summary = [{key: row[key] for key in ("prompt", "grid", "method", *names) if key in row} for row in rows]
    curves = {label: read_curve(stage.data / "plots" / f"{file}.json") for label, file in trained.items()}
    plots = GalleryPlots(summary=summary, curves=curves)
    page = write_gallery(folder, items, words=words, plots=plots, processes=processes)
    stage.tracker.log_artifact(folder / SINGLE_FILE, "gallery")
    _stage.logger.info("gallery: %s", page)
    return page


def read_curve(path: Path) -> list[dict[str, float]]:
    """Read what a training stage wrote for `dvc plots`; nothing where it is missing, as after `unpack`."""
    return json.loads(path.read_text()) if path.is_file() else []


def choose(entries: Sequence[IndexEntry], count: int) -> list[IndexEntry]:
    """Take assets category by category in turn, each category's in order of uid."""
    groups: dict[str, list[IndexEntry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.uid):
        groups[entry.category].append(entry)
    rounds = max(len(group) for group in groups.values())
    turns = [group[turn] for turn in range(rounds) for group in groups.values() if turn < len(group)]
    return turns[:count]
