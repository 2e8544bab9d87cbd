"""Items of a gallery with shapes that a test can tell apart, and the pages' parts beside them."""

from collections.abc import Sequence

import numpy as np
from shapes import box

from ltm3d.serving.gallery import GalleryItem, GalleryPlots, GalleryProcess
from ltm3d.tokenizers.shape import Shape

COLORS = {"chair": (200, 60, 40), "lamp": (40, 160, 60), "table": (50, 80, 200)}
CHAMFER = {"chair": 0.01234, "lamp": 0.3, "table": 0.05}


def make_item(
    uid: str, category: str, kind: str = "image", *, samples: Sequence[Shape | None] | None = None
) -> GalleryItem:
    """Return an item whose true shape is a box of the category's colour; its first sample is the same unless given."""
    picture = np.full((32, 32, 4), (*COLORS[category], 255), np.uint8)
    shape = box((1.8, 0.9, 0.6), color=COLORS[category])
    return GalleryItem(
        uid=uid,
        category=category,
        caption=f"A 3D model of a <b>{category}</b>, {category.title()}.",
        prompt_kind=kind,
        prompt_image=None if kind == "text" else picture,
        truth=shape,
        samples=[shape, box((0.6, 1.8, 0.6))] if samples is None else samples,
        metrics={"chamfer_l1": CHAMFER[category], "volume_iou": 1 - CHAMFER[category], "other": float("nan")},
    )


def make_items() -> list[GalleryItem]:
    """Return three items, one of a kind; a sample of the last has no surface."""
    return [
        make_item("uid-secret-1", "chair"),
        make_item("uid-secret-2", "lamp", "text"),
        make_item("uid-secret-3", "table", "both", samples=[None, box((0.6, 1.8, 0.6))]),
    ]


def make_process() -> GalleryProcess:
    """Return four steps of the first item: a box that grows; before the first there is none."""
    boxes = [box((0.4 * step, 0.8, 0.6), color=COLORS["chair"]) for step in range(1, 5)]
    known_at = np.array([1, 2, 2, 3, 3, 3, 4, 4])
    return GalleryProcess(uid="uid-secret-1", prompt_kind="image", number=0, shapes=[None, *boxes], known_at=known_at)


def make_plots() -> GalleryPlots:
    """Return a table of two methods, one with intervals, and one curve."""
    return GalleryPlots(
        summary=[
            {"method": "generated", "chamfer_l1": 0.0512, "chamfer_l1_low": 0.04, "chamfer_l1_high": 0.0634},
            {"method": "retrieval", "chamfer_l1": 0.0612, "volume_iou": 0.5},
        ],
        curves={"generator": [{"step": step, "loss": 3 / step} for step in range(1, 40)]},
    )
