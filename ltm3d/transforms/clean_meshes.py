"""Raw archives → meshes in the normalised frame; each file is read in a child process with limits."""

import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.cleaning import clean_mesh, geometry_signature
from ltm3d.geometry.extent import core_extent, largest_part
from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.geometry.normalize import normalize
from ltm3d.geometry.watertight import RemeshConfig, remesh_watertight
from ltm3d.mesh_io.loading import LoadLimits, load_asset
from ltm3d.schema import MESHES
from ltm3d.shards.archive import unpack_archive
from ltm3d.shards.ledger import check_fraction
from ltm3d.shards.meshes import mesh_arrays
from ltm3d.shards.read import read_shard
from ltm3d.transforms.assets import Asset, map_assets, object_record, positions
from ltm3d.transforms.isolation import ChildLimits, run_isolated
from ltm3d.transforms.mapping import ShardJob, ShardResult
from ltm3d.transforms.retries import MAX_TRIES, check_max_tries


@dataclass(frozen=True, kw_only=True)
class ShapeLimits:
    """What a surface must be like to be kept.

    Attributes:
        min_core_extent: least side of all vertices but the outermost hundredth, beside the side of all of them; less is
            `stray_geometry`. 0 keeps everything, as dots where it comes to that.
        min_largest_part: least share of the area that the largest connected part has; less is `scattered`.
    """

    min_core_extent: float = 0.02
    min_largest_part: float = 0.0

    def __post_init__(self) -> None:
        for name in ("min_core_extent", "min_largest_part"):
            check_fraction(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """What an asset may bring, and how the kept ones are split where their source has no official split.

    Attributes:
        limits: of the file; child: of the process that reads it.
        shape: what the surface must be like.
        remesh: wraps what is not watertight; None leaves every surface as it is.
        max_tries: of an asset that ran out of time or memory, or crashed: one a run of the stage.
        val_fraction, test_fraction: shares by a hash of the uid; the rest is for training.
    """

    limits: LoadLimits = field(default_factory=LoadLimits)
    child: ChildLimits = field(default_factory=ChildLimits)
    shape: ShapeLimits = field(default_factory=ShapeLimits)
    remesh: RemeshConfig | None = None
    max_reject_fraction: float = 0.1
    max_tries: int = MAX_TRIES
    val_fraction: float = 0.1
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        for name in ("max_reject_fraction", "val_fraction", "test_fraction"):
            check_fraction(name, getattr(self, name))
        check_max_tries(self.max_tries)
        if self.val_fraction + self.test_fraction >= 1:
            total = self.val_fraction + self.test_fraction
            raise ConfigError(f"val_fraction + test_fraction is {total:g}; leave some assets for training")


def clean_shard(job: ShardJob, *, config: CleanConfig) -> ShardResult:
    """Load, clean and normalise the assets of one shard of raw archives.

    The record is the object's own with `content_hash`, the facts of `clean_file`, `scale` and `offset`.
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
                config.shape,
                limits=config.child,
            )
            return mesh_arrays(mesh), {**record, **facts}

        return map_assets(places, clean, fields=MESHES)


def clean_file(
    path: Path,
    root: Path,
    up: str,
    front: str,
    limits: LoadLimits,
    remesh: RemeshConfig | None = None,
    shape: ShapeLimits | None = None,
) -> tuple[Mesh, dict[str, Any]]:
    """Read one mesh file into the normalised frame, and tell its facts.

    They are `signature`, `num_faces`, `is_watertight`, `core_extent` and `largest_part` (see `geometry.extent`), and
    `notes` where something is lost or was taken otherwise than written. Where it was wrapped they have
    `remesh_resolution` and `remesh_epsilon`, in normalised units before the wrap.

    Raises:
        AssetError: see `load_asset`, `clean_mesh`, `normalize` and `ShapeLimits`.
    """
    asset = load_asset(path, limits=limits, root=root)
    mesh, frame = normalize(clean_mesh(asset.mesh), up=up, front=front, origin=asset.origin)
    facts = _check_shape(mesh, shape or ShapeLimits())
    signature = geometry_signature(mesh)
    if asset.notes:
        facts["notes"] = list(asset.notes)
    wrapped = mesh if remesh is None else remesh_watertight(mesh, remesh)
    if remesh is not None and wrapped is not mesh:
        mesh, shrunk = normalize(wrapped)
        frame = frame.then(shrunk)
        facts |= {"remesh_resolution": remesh.resolution, "remesh_epsilon": remesh.offset}
    facts |= {
        "num_faces": len(mesh.faces),
        "is_watertight": is_watertight(mesh),
        "signature": signature,
        **asdict(frame),
    }
    return mesh, facts


def _check_shape(mesh: Mesh, limits: ShapeLimits) -> dict[str, Any]:
    """Return the facts that the limits are about, or refuse the mesh."""
    facts = {"core_extent": core_extent(mesh), "largest_part": largest_part(mesh)}
    if facts["core_extent"] < limits.min_core_extent:
        raise AssetError(
            "stray_geometry",
            f"all but the outermost hundredth of the vertices lie in {facts['core_extent']:.2g} of the extent; "
            f"the limit clean_meshes.shape.min_core_extent is {limits.min_core_extent:g}",
        )
    if facts["largest_part"] < limits.min_largest_part:
        raise AssetError(
            "scattered",
            f"the largest part has {facts['largest_part']:.2g} of the area; "
            f"the limit clean_meshes.shape.min_largest_part is {limits.min_largest_part:g}",
        )
    return facts
