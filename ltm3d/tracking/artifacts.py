"""Shapes as files that a person can look at: a contact sheet, GLB files, and a page that spins them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.writing import write_mesh
from ltm3d.rendering.turntable import turntable

PAPER = 255
GAP = 4  # pixels between two rows


def contact_sheet(shapes: Sequence[tuple[str, Mesh]], *, num_frames: int = 8, resolution: int = 128) -> np.ndarray:
    """Return one row of turntable frames a shape, on white, uint8 [H, W, 3]."""
    if not shapes:
        raise ValueError("a contact sheet needs at least one shape; 0 were given")
    rows = []
    for _, mesh in shapes:
        frames = turntable(mesh, num_frames=num_frames, resolution=resolution).astype(np.float32)
        cover = frames[..., 3:] / 255
        flat = np.rint(frames[..., :3] * cover + PAPER * (1 - cover)).astype(np.uint8)
        rows += [np.concatenate(list(flat), axis=1), np.full((GAP, num_frames * resolution, 3), PAPER, np.uint8)]
    return np.concatenate(rows[:-1])


def write_shapes(folder: Path, shapes: Sequence[tuple[str, Mesh]], *, page: str) -> list[Path]:
    """Write `turntable.png`, a GLB a shape, and `view.html`; return the paths.

    MLflow's page shows the first and the last; it has no preview of a GLB.

    Args:
        shapes: names, which become file names, and meshes.
        page: text of the page, as `serving.viewer.view_html` makes it.
    """
    from PIL import Image

    names = [name for name, _ in shapes]
    if len(set(names)) != len(names) or any("/" in name or not name.strip(". ") for name in names):
        raise ValueError(f"shape names must be distinct file names; got {names}")
    folder.mkdir(parents=True, exist_ok=True)
    sheet = folder / "turntable.png"
    Image.fromarray(contact_sheet(shapes)).save(sheet, optimize=True)
    paths = [sheet]
    for name, mesh in shapes:
        path = folder / f"{name}.glb"
        write_mesh(mesh, path)
        paths.append(path)
    view = folder / "view.html"
    view.write_text(page, "utf-8")
    return [*paths, view]
