"""Raw archives → meshes in the normalised frame; each file is read in a child process with limits."""

import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.cleaning import clean_mesh, geometry_signature
from ltm3d.geometry.loading import LoadLimits, load_mesh
from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.geometry.normalize import normalize
from ltm3d.geometry.watertight import RemeshConfig, remesh_watertight
from ltm3d.schema import MESHES
from ltm3d.shards.archive import unpack_archive
from ltm3d.shards.ledger import check_fraction
from ltm3d.shards.read import read_shard
from ltm3d.transforms.assets import Asset, map_assets, object_record, positions
from ltm3d.transforms.isolation import ChildLimits, run_isolated
from ltm3d.transforms.mapping import ShardJob, ShardResult

CODE_VERSION = 2  # raise it when the same input and settings give other bytes: here or in geometry


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """What an asset may bring, and how the kept ones are split where their source has no official split.

    Attributes:
        limits: of the file; child: of the process that reads it.
        remesh: wraps what is not watertight; None leaves every surface as it is.
        val_fraction, test_fraction: shares by a hash of the uid; the rest is for training.
    """

    limits: LoadLimits = field(default_factory=LoadLimits)
    child: ChildLimits = field(default_factory=ChildLimits)
    remesh: RemeshConfig | None = None
    max_reject_fraction: float = 0.1
    val_fraction: float = 0.1
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        for name in ("max_reject_fraction", "val_fraction", "test_fraction"):
            check_fraction(name, getattr(self, name))
        if self.val_fraction + self.test_fraction >= 1:
            total = self.val_fraction + self.test_fraction
            raise ConfigError(f"val_fraction + test_fraction is {total:g}; leave some assets for training")


def clean_shard(job: ShardJob, *, config: CleanConfig) -> ShardResult:
    """Load, clean and normalise the assets of one shard of raw archives.

    The record is the object's own with `content_hash`, `signature`, `num_faces`, `is_watertight`, `scale` and
    `offset`.
    """
    raw = read_shard(job.inputs[0])
    places = positions(raw, job.uids)
    with tempfile.TemporaryDirectory(prefix="ltm3d-clean-") as folder:

        def clean(uid: str) -> Asset:
            record = raw.records[places[uid]]
            root = Path(folder) / uid
            unpack_archive(raw["archive"][places[uid]].tobytes(), root)
            main = root / object_record(record).main_file
            mesh, facts = run_isolated(
                clean_file,
                main,
                root,
                record["up"],
                record["front"],
                config.limits,
                config.remesh,
                timeout_s=config.child.timeout_s,
                memory_mb=config.child.memory_mb,
            )
            colors = np.zeros((0, 3), np.uint8) if mesh.vertex_colors is None else mesh.vertex_colors
            arrays = {"vertices": mesh.vertices, "faces": mesh.faces, "vertex_colors": colors}
            return arrays, {**record, **facts}

        return map_assets(places, clean, fields=MESHES)


def clean_file(
    path: Path, root: Path, up: str, front: str, limits: LoadLimits, remesh: RemeshConfig | None = None
) -> tuple[Mesh, dict[str, Any]]:
    """Read one mesh file into the normalised frame, and tell its facts.

    Where it was wrapped the facts have `remesh_resolution` and `remesh_epsilon`, in normalised units before the wrap.

    Raises:
        AssetError: see `load_mesh`, `clean_mesh` and `normalize`.
    """
    mesh, frame = normalize(clean_mesh(load_mesh(path, limits=limits, root=root)), up=up, front=front)
    signature = geometry_signature(mesh)
    facts: dict[str, Any] = {}
    wrapped = mesh if remesh is None else remesh_watertight(mesh, remesh)
    if remesh is not None and wrapped is not mesh:
        mesh, shrunk = normalize(wrapped)
        frame = frame.then(shrunk)
        facts = {"remesh_resolution": remesh.resolution, "remesh_epsilon": remesh.offset}
    facts |= {
        "num_faces": len(mesh.faces),
        "is_watertight": is_watertight(mesh),
        "signature": signature,
        **asdict(frame),
    }
    return mesh, facts
