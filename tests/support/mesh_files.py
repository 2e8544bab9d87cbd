"""Small mesh files and shards of them, for tests of the data stages."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.writing import mesh_to_glb
from ltm3d.schema import MESHES, RAW, ObjectRecord
from ltm3d.shards.archive import archive_bytes
from ltm3d.shards.meshes import mesh_arrays
from ltm3d.shards.write import write_shard
from ltm3d.transforms.download import content_hash

SIDES = ((0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4),
         (1, 5, 7), (1, 7, 3))  # fmt: skip


def box(size: tuple[float, float, float] = (1, 1, 1), color: tuple[int, int, int] | None = (200, 30, 30)) -> Mesh:
    """A closed box around the origin, wound outwards."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * size
    colors = None if color is None else np.tile(np.array(color, np.uint8), (8, 1))
    return Mesh(corners.astype(np.float32), np.array(SIDES), colors)


def grid(side: int) -> Mesh:
    """A bumpy sheet of 2 · side² faces."""
    x, z = np.meshgrid(np.linspace(-1, 1, side + 1), np.linspace(-1, 1, side + 1), indexing="ij")
    vertices = np.stack([x, np.sin(7 * x) * np.cos(5 * z) / 4, z], axis=-1).reshape(-1, 3)
    corner = (np.arange(side)[:, None] * (side + 1) + np.arange(side)).reshape(-1, 1)
    faces = np.concatenate([corner + np.array([0, 1, side + 1]), corner + np.array([1, side + 2, side + 1])])
    return Mesh(vertices.astype(np.float32), faces)


def record(uid: str, **values: str) -> ObjectRecord:
    return ObjectRecord(**{"uid": uid, "source": "test", "main_file": "model.glb", "category": "box",
                           "caption": "A 3D model of a box, Box.", "licence": "CC0-1.0", **values})  # fmt: skip


def write_raw(
    folder: Path, files: Mapping[str, dict[str, bytes]], records: Mapping[str, ObjectRecord] | None = None
) -> None:
    """Write a shard of archives: uid → files of the asset."""
    records = records or {uid: record(uid) for uid in files}
    write_shard(
        folder,
        fields=RAW,
        arrays={"archive": [np.frombuffer(archive_bytes(content), np.uint8) for content in files.values()]},
        uids=list(files),
        records=[{**asdict(records[uid]), "content_hash": content_hash(content)} for uid, content in files.items()],
        rejects=[],
        key="raw",
    )


def write_meshes(folder: Path, meshes: Mapping[str, Mesh]) -> None:
    """Write a shard of meshes as they are; `signature` and `content_hash` are those of the uid."""
    write_shard(
        folder,
        fields=MESHES,
        arrays={field.name: [mesh_arrays(mesh)[field.name] for mesh in meshes.values()] for field in MESHES},
        uids=list(meshes),
        records=[{**asdict(record(uid)), "signature": uid, "content_hash": uid} for uid in meshes],
        rejects=[],
        key="meshes",
    )


def glb(mesh: Mesh) -> dict[str, bytes]:
    return {"model.glb": mesh_to_glb(mesh)}
