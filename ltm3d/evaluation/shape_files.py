"""One predicted shape file beside its true one (eval/v1): plain functions of files, for a child process to run.

S surface points, E points of sharp edges, P points that stand for a shape in its set, Q queries.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ltm3d.errors import AssetError, ConfigError
from ltm3d.evaluation.set_metrics import NUM_POINTS, set_points
from ltm3d.evaluation.shape_pictures import shape_pictures
from ltm3d.geometry.alignment import align
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.normalize import HALF_EXTENT, frame_rotation, normalize
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.geometry.sharp_edges import find_sharp_edges, sample_edges
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.mesh_io.loading import LoadLimits, load_asset, load_mesh
from ltm3d.mesh_io.point_files import is_point_cloud, load_points
from ltm3d.metrics.earth_mover import earth_mover
from ltm3d.metrics.surface import f_score, surface_metrics
from ltm3d.metrics.volume import iou
from ltm3d.tokenizers.shape import surface_of

_MAX_COORDINATE = 1e15  # squares are summed in single precision
NUM_EDGE_POINTS = 10_000
ENCODED_POINTS = 8_192  # as the published ULIP and Uni3D evaluations take
PICTURE_SIZE = 128  # pixels along a side
_QUERIES, _BEYOND, _EDGES = 4, 5, 6  # streams of random numbers, beside those of `set_metrics`


@dataclass(frozen=True, kw_only=True)
class ShapeFileConfig:
    """How shape files are measured.

    Attributes:
        frame: `as_is` takes the coordinates of both files as they are; `normalize` brings each shape by itself into the
            project's frame: centred, longest side in [-0.95, 0.95]; nothing is turned.
        pred_up, pred_front: axes of the predicted files' frame; the true ones stand y up, front +z.
        align: brings each predicted shape over its true one, by turn, scale and shift: `rotations` takes the best of
            the 24 rotations of a cube, `icp` iterates closest points from there on; see `geometry.alignment`.
        num_points: surface points of each mesh, and the most that are taken of a point cloud.
        num_queries: uniform queries of the volume IoU.
        thresholds: of the F-score, in units of the frame.
        earth_mover: measure each pair by the exact earth mover's distance, too.
        num_pictures: renders around each shape for `evaluation.picture_metrics`; 0 = none.
        encoded_points: keep surface points for an encoder of points, too.
    """

    frame: Literal["as_is", "normalize"] = "as_is"
    pred_up: str = "+y"
    pred_front: str = "+z"
    align: Literal["none", "rotations", "icp"] = "none"
    num_points: int = 100_000
    num_queries: int = 50_000
    thresholds: tuple[float, ...] = (0.01, 0.02, 0.05)
    earth_mover: bool = False
    num_pictures: int = 0
    encoded_points: bool = False
    limits: LoadLimits = field(default_factory=LoadLimits)
    seed: int = 0

    def __post_init__(self) -> None:
        frame_rotation(self.pred_up, self.pred_front)
        for name in ("num_points", "num_queries"):
            if not 100 <= getattr(self, name) <= 10_000_000:
                raise ConfigError(f"{name} is {getattr(self, name)}; use 100 to 10,000,000")
        if self.encoded_points and self.num_points < ENCODED_POINTS:
            raise ConfigError(f"num_points is {self.num_points}; the encoder of points takes {ENCODED_POINTS:,}")
        if not 0 <= self.num_pictures <= 64:
            raise ConfigError(f"num_pictures is {self.num_pictures}; use 0 (none) to 64")


@dataclass(frozen=True)
class ReadShape:
    """A file as read: the shape, its surface's points, and the points that stand for it in its set."""

    shape: Mesh | PointCloud
    surface: PointCloud
    in_set: Float[np.ndarray, "P 3"]


@dataclass(frozen=True)
class TrueShape:
    """A true shape as read, and what is inside it where it is a mesh.

    Attributes:
        centre, half_side: of the protocol's cube around it: [-1, 1]^3 where the shape is in the project's frame.
        inside: which of the cube's queries lie inside; None where none does, or for a point cloud.
        edges: points of the sharp edges, uniform by length; None where there are none, or for a point cloud.
        pictures: grey renders in the project's frame; None where none are asked for.
        encoded: surface points for an encoder, in the files' frame; None where it is not asked for.
    """

    read: ReadShape
    centre: Float[np.ndarray, "3"]
    half_side: float
    inside: Bool[np.ndarray, " Q"] | None
    edges: Float[np.ndarray, "E 3"] | None
    pictures: UInt8[np.ndarray, "V H W 4"] | None
    encoded: Float[np.ndarray, "8192 3"] | None


@dataclass(frozen=True)
class MeasuredFile:
    """The metrics of one prediction, and the points that stand for it in its set.

    Attributes:
        of_meshes: both are meshes; of a prediction that failed, the true shape is.
        pictures: as of the true shape, which stays where it is; empty ones of a prediction that failed.
        encoded: as of the true shape; None of a prediction that failed.
    """

    metrics: dict[str, float]
    in_set: Float[np.ndarray, "P 3"]
    of_meshes: bool
    pictures: UInt8[np.ndarray, "V H W 4"] | None
    encoded: Float[np.ndarray, "8192 3"] | None = None


def read_true(path: Path, uid: str, config: ShapeFileConfig) -> TrueShape:
    """Read a true shape.

    Raises:
        AssetError: see `read_shape`.
    """
    read = read_shape(path, uid, config, predicted=False)
    corners = _corners(read.shape)
    low, high = corners.min(axis=0).astype(np.float64), corners.max(axis=0).astype(np.float64)
    centre, half_side = (low + high) / 2, float((high - low).max()) / 2 / HALF_EXTENT
    inside = None
    if isinstance(read.shape, Mesh):
        inside = _inside(read.shape, _queries(config), centre, half_side)
    inside = inside if inside is not None and inside.any() else None
    edges = _edge_points(read.shape, config, predicted=False)
    pictures = _pictures(read.shape, centre, half_side, config)
    return TrueShape(read, centre, half_side, inside, edges, pictures, _encoded(read, config))


def measure_file(path: Path, uid: str, true: TrueShape, config: ShapeFileConfig) -> MeasuredFile:
    """Measure a predicted file: `chamfer_l1`, `f_score@…`; of two meshes also `normal_consistency`, `volume_iou` and
    `edge_f_score@…`, the F-score of points on sharp edges (more than 30°).

    The volume IoU is left out where no query lies inside the true shape, as with an open sheet, and that of edges where
    the true shape has none.

    Raises:
        AssetError: see `read_shape`.
    """
    read = read_shape(path, uid, config, predicted=True)
    if config.align != "none":
        read = _draw(_aligned(read, true.read, config), uid, config, predicted=True)
    metrics = surface_metrics(
        read.surface.points,
        true.read.surface.points,
        thresholds=config.thresholds,
        normals_a=read.surface.normals,
        normals_b=true.read.surface.normals,
    )
    if isinstance(read.shape, Mesh) and true.inside is not None:
        metrics["volume_iou"] = _volume_iou(read.shape, true, true.inside, config)
    if isinstance(read.shape, Mesh) and true.edges is not None:
        edges = _edge_points(read.shape, config, predicted=True)
        metrics |= _edge_scores(edges, true.edges, config)
    if config.earth_mover:
        metrics["emd"] = earth_mover(read.in_set, true.read.in_set)
    of_meshes = isinstance(read.shape, Mesh) and isinstance(true.read.shape, Mesh)
    pictures = _pictures(read.shape, true.centre, true.half_side, config)
    return MeasuredFile(metrics, read.in_set, of_meshes, pictures, _encoded(read, config))


def measure_failure(true: TrueShape, config: ShapeFileConfig) -> MeasuredFile:
    """Measure a prediction that is missing or cannot be read: a point at the centre of the true shape's bounding box.

    In the project's frame that is the origin, as in `shape_metrics`. It has no volume and no normals: both metrics are
    0 where the true shape has them.
    """
    centre = true.centre.astype(np.float32)[None]
    metrics = surface_metrics(centre, true.read.surface.points, thresholds=config.thresholds)
    is_mesh = isinstance(true.read.shape, Mesh)
    if is_mesh:
        metrics["normal_consistency"] = 0.0
    if true.inside is not None:
        metrics["volume_iou"] = 0.0
    if true.edges is not None:
        metrics |= _edge_scores(None, true.edges, config)
    in_set = np.repeat(centre, NUM_POINTS, axis=0)
    if config.earth_mover:
        metrics["emd"] = earth_mover(in_set, true.read.in_set)
    return MeasuredFile(metrics, in_set, is_mesh, _pictures(None, true.centre, true.half_side, config))


def read_shape(path: Path, uid: str, config: ShapeFileConfig, *, predicted: bool) -> ReadShape:
    """Read a mesh file, or a PLY file of points alone, and draw its points; the same seed draws the same.

    Raises:
        AssetError: see `load_mesh`, `load_points`, `clean_mesh` and `normalize`.
    """
    return _draw(_load(path, config, predicted=predicted), uid, config, predicted=predicted)


def _load(path: Path, config: ShapeFileConfig, *, predicted: bool) -> Mesh | PointCloud:
    shape: Mesh | PointCloud
    if path.suffix.lower() == ".ply" and path.is_file() and is_point_cloud(path):
        shape = load_points(path, limits=config.limits)
        if config.frame == "normalize":
            shape = PointCloud(normalize(Mesh(shape.points, np.zeros((0, 3), np.int64)))[0].vertices)
    else:
        if config.frame == "normalize":
            shape, _ = normalize(clean_mesh(load_asset(path, limits=config.limits).mesh))
        else:
            shape = clean_mesh(load_mesh(path, limits=config.limits))
    if predicted:
        turn = frame_rotation(config.pred_up, config.pred_front)
        shape = _moved(shape, lambda points: points.astype(np.float64) @ turn.T)
    return shape


def _moved(shape: Mesh | PointCloud, move: Callable[[np.ndarray], np.ndarray]) -> Mesh | PointCloud:
    if isinstance(shape, Mesh):
        return replace(shape, vertices=move(shape.vertices).astype(np.float32))
    return PointCloud(move(shape.points).astype(np.float32))


def _aligned(read: ReadShape, true: ReadShape, config: ShapeFileConfig) -> Mesh | PointCloud:
    return _moved(read.shape, align(read.in_set, true.in_set, refine=config.align == "icp"))


def _draw(shape: Mesh | PointCloud, uid: str, config: ShapeFileConfig, *, predicted: bool) -> ReadShape:
    largest = float(np.abs(_corners(shape)).max())
    if largest > _MAX_COORDINATE:
        raise AssetError("non_finite", f"coordinates up to {largest:g}; {_MAX_COORDINATE:g} can be measured")
    rng = np.random.default_rng([config.seed, int(predicted)])  # for a mesh the points that `shape_metrics` draws
    surface = surface_of(shape, num_points=config.num_points, rng=rng)
    if len(surface) > config.num_points:
        surface = PointCloud(surface.points[rng.permutation(len(surface))[: config.num_points]])
    return ReadShape(shape, surface, set_points(shape, predicted=predicted, uid=uid, seed=config.seed))


def _corners(shape: Mesh | PointCloud) -> np.ndarray:
    return shape.vertices if isinstance(shape, Mesh) else shape.points


def _volume_iou(mesh: Mesh, true: TrueShape, true_inside: np.ndarray, config: ShapeFileConfig) -> float:
    """Compare volumes over the true shape's cube; what a prediction has outside of it counts, too."""
    queries = _queries(config)
    inside = _inside(mesh, queries, true.centre, true.half_side)
    corners = (mesh.vertices - true.centre) / true.half_side
    low, high = corners.min(axis=0), corners.max(axis=0)
    if (np.abs(corners) <= 1).all():
        return iou(inside, true_inside)
    around = low + np.random.default_rng([config.seed, _BEYOND]).random(queries.shape) * (high - low)
    is_beyond = _inside(mesh, around, true.centre, true.half_side) & (np.abs(around) > 1).any(axis=1)
    return iou(inside, true_inside, beyond=float(is_beyond.sum() * np.prod((high - low) / 2)))


def _edge_points(
    shape: Mesh | PointCloud, config: ShapeFileConfig, *, predicted: bool
) -> Float[np.ndarray, "E 3"] | None:
    if not isinstance(shape, Mesh):
        return None
    edges = find_sharp_edges(shape)
    if not edges.lengths.sum():
        return None
    rng = np.random.default_rng([config.seed, _EDGES, int(predicted)])
    return sample_edges(shape, edges, NUM_EDGE_POINTS, rng).points


def _edge_scores(
    edges: Float[np.ndarray, "E 3"] | None, true: Float[np.ndarray, "E 3"], config: ShapeFileConfig
) -> dict[str, float]:
    """Return the F-score of the points of two shapes' sharp edges at each threshold; 0 where a shape has none."""
    return {
        f"edge_f_score@{threshold:g}": 0.0 if edges is None else f_score(edges, true, threshold)
        for threshold in config.thresholds
    }


def _pictures(
    shape: Mesh | PointCloud | None, centre: np.ndarray, half_side: float, config: ShapeFileConfig
) -> UInt8[np.ndarray, "V H W 4"] | None:
    """Render a shape without its colours, in the frame that brings the true shape into the project's."""
    if not config.num_pictures:
        return None
    if shape is not None:
        shape = _moved(shape, lambda points: (points - centre) / half_side)
        shape = Mesh(shape.vertices, shape.faces) if isinstance(shape, Mesh) else PointCloud(shape.points)
    return shape_pictures(shape, num_views=config.num_pictures, resolution=PICTURE_SIZE)


def _encoded(read: ReadShape, config: ShapeFileConfig) -> Float[np.ndarray, "8192 3"] | None:
    """Take the first of a surface's points, which are in no order; a cloud of fewer gives some of them twice."""
    if not config.encoded_points:
        return None
    points = read.surface.points
    return points[np.arange(ENCODED_POINTS) % len(points)]


def _queries(config: ShapeFileConfig) -> Float[np.ndarray, "Q 3"]:
    return np.random.default_rng([config.seed, _QUERIES]).uniform(-1, 1, (config.num_queries, 3))


def _inside(mesh: Mesh, queries: np.ndarray, centre: np.ndarray, half_side: float) -> Bool[np.ndarray, " Q"]:
    """Say which queries of the cube [-1, 1]^3 lie inside a mesh of the files' frame."""
    in_cube = Mesh(((mesh.vertices - centre) / half_side).astype(np.float32), mesh.faces)
    return np.asarray(SignedDistance(in_cube)(queries.astype(np.float32)) < 0)
