"""How well a picture's background is removed: views of real meshes before backgrounds that are drawn.

OMP_NUM_THREADS=1 python -m benchmarks.prompts.cutout [FOLDER] → benchmarks/results/cutout.json

A cutout is right where it has at least 0.9 of the true silhouette's IoU, else wrong; a refusal is one line that asks
for another picture. One view of 384² of every 16th mesh, on the drawn floor's middle, with a soft contact shadow where
there is a floor. FOLDER has Objaverse's cache layout (default ../shared/data).
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks.machine import describe
from ltm3d.conditioning.cutout import find_object
from ltm3d.errors import AssetError, PromptError
from ltm3d.geometry.normalize import normalize
from ltm3d.mesh_io.loading import load_mesh
from ltm3d.rendering.cameras import ViewConfig, view_cameras
from ltm3d.rendering.embree import render

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "cutout.json"
SIDE, EVERY, RIGHT = 384, 16, 0.9
HORIZON = 0.55  # of the picture's height


def main(folder: Path) -> None:
    """Cut the same views out before each background."""
    views = list(real_views(folder))
    rows: dict[str, dict[str, str]] = {}
    start = time.process_time()
    for name, draw in BACKGROUNDS.items():
        rows[name] = {}
        for index, (mesh, view) in enumerate(views):
            rows[name][mesh] = judge(lay(view, draw, np.random.default_rng(index)), view[..., 3] >= 128)
    seconds = (time.process_time() - start) / (len(views) * len(BACKGROUNDS))
    counts = {name: dict(Counter(row.values())) for name, row in rows.items()}
    result = {
        "machine": describe("numpy", "scipy"),
        "load_average": round(os.getloadavg()[0], 1),
        "views": len(views),
        "cpu_s_a_picture": round(seconds, 3),
        "counts": counts,
        "pictures": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps({k: v for k, v in result.items() if k != "pictures"}, indent=1) + "\n")


def real_views(folder: Path) -> list[tuple[str, np.ndarray]]:
    """Render one view [H, W, 4] of every 16th mesh that can be read."""
    config = ViewConfig(num_views=1, resolution=SIDE, fill=0.6)
    views = []
    for path in sorted(folder.glob("objaverse/**/*.glb"))[::EVERY]:
        try:
            mesh = normalize(load_mesh(path))[0]
        except AssetError:
            continue
        views.append((path.stem, render(mesh, view_cameras(config, "canonical", mesh), config=config).images[0]))
    return views


def judge(picture: np.ndarray, truth: np.ndarray) -> str:
    """Return `right`, `refused` or `wrong`."""
    try:
        found = find_object(picture)
    except PromptError:
        return "refused"
    return "right" if (found & truth).sum() >= RIGHT * (found | truth).sum() else "wrong"


def lay(view: np.ndarray, draw: Callable[[np.random.Generator], np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Lay a view [H, W, 4] on a drawn background [H, W, 3], with the noise of a camera; returns uint8 [H, W, 3]."""
    behind = draw(rng)
    alpha = view[..., 3:] / 255
    if draw in FLOORS:
        behind = behind * contact_shadow(view[..., 3] >= 128)[..., None]
    picture = view[..., :3] * alpha + behind * (1 - alpha)
    return np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def contact_shadow(seen: np.ndarray) -> np.ndarray:
    """Return the light [H, W] that is left: a blurred ellipse under the object takes up to half."""
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    y, x = np.mgrid[:SIDE, :SIDE]
    width = max((columns[-1] - columns[0]) / 2, 4)
    spot = ((x - columns.mean()) / (1.1 * width)) ** 2 + ((y - rows[-1]) / (0.22 * width)) ** 2 < 1
    return 1 - 0.5 * ndimage.gaussian_filter(spot.astype(float), 0.12 * width)


def white(rng: np.random.Generator) -> np.ndarray:
    """Draw a white background."""
    return np.full((SIDE, SIDE, 3), 255.0)


def plain(rng: np.random.Generator) -> np.ndarray:
    """Draw a wall of one colour, lit from a side."""
    return _surface(rng)


def wall_and_floor(rng: np.random.Generator) -> np.ndarray:
    """Draw a wall above a floor of another colour."""
    wall, floor = _two_surfaces(rng)
    wall[_below_horizon()] = floor[_below_horizon()]
    return ndimage.gaussian_filter(wall, (0.7, 0, 0))


def skirting(rng: np.random.Generator) -> np.ndarray:
    """Draw a skirting board of a third colour between wall and floor."""
    room = wall_and_floor(rng)
    top = round((HORIZON - 0.05) * SIDE)
    room[top : round(HORIZON * SIDE)] = rng.uniform(90, 250) * np.array([1, 0.98, 0.95])
    return room


def boards(rng: np.random.Generator) -> np.ndarray:
    """Draw a wall above a floor of boards with dark joints that run towards the horizon's middle."""
    room = wall_and_floor(rng)
    y, x = np.mgrid[:SIDE, :SIDE]
    depth = np.maximum(y - 0.3 * SIDE, 1) / SIDE
    joint = np.abs(((x / SIDE - 0.5) / depth * 3) % 1 - 0.5) > 0.485
    room[joint & _below_horizon()] *= 0.6
    return room


def busy(rng: np.random.Generator) -> np.ndarray:
    """Draw a room full of boxes."""
    room = _surface(rng)
    for _ in range(60):
        top, left = rng.integers(0, SIDE, 2)
        height, width = rng.integers(20, 120, 2)
        room[top : top + height, left : left + width] = rng.uniform(20, 240, 3)
    return room


def foliage(rng: np.random.Generator) -> np.ndarray:
    """Draw a texture of leaves: green noise on several scales."""
    noise = sum(ndimage.zoom(rng.normal(size=(SIDE // step,) * 2), step, order=1) for step in (4, 16, 48))
    return np.array([70.0, 110.0, 50.0]) + 35 * np.asarray(noise)[..., None] * np.array([0.9, 1.0, 0.7])


def _below_horizon() -> np.ndarray:
    return np.mgrid[:SIDE, :SIDE][0] >= HORIZON * SIDE


def _two_surfaces(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    while True:
        wall, floor = _surface(rng), _surface(rng)
        if np.abs(wall.mean((0, 1)) - floor.mean((0, 1))).max() > 25:
            return wall, floor


def _surface(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    light = 1 + rng.uniform(-0.12, 0.12) * x + rng.uniform(-0.12, 0.12) * y
    grey = rng.uniform(110, 230)
    colour = np.clip(grey + rng.uniform(-25, 25, 3), 0, 235)
    return np.asarray(light[..., None] * colour)


BACKGROUNDS = {each.__name__: each for each in (white, plain, wall_and_floor, skirting, boards, busy, foliage)}
FLOORS = (wall_and_floor, skirting, boards)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data")
