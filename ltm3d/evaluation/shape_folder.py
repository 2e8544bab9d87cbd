"""Score a folder of shapes, of whatever system, against a folder of true ones (eval/v1)."""

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ltm3d.errors import AssetError, DataError, Ltm3dError
from ltm3d.evaluation.exported_model import ExportedModel
from ltm3d.evaluation.fidelity import PROTOCOL
from ltm3d.evaluation.named_set import NamedSet, files_of, hash_files
from ltm3d.evaluation.picture_metrics import PictureMetrics, measure_pictures
from ltm3d.evaluation.set_metrics import NUM_POINTS, compare_with, distances_of
from ltm3d.evaluation.shape_files import (
    MeasuredFile,
    ShapeFileConfig,
    TrueShape,
    measure_failure,
    measure_file,
    read_true,
)
from ltm3d.metrics.bootstrap import bootstrap_interval
from ltm3d.metrics.embedding_similarity import mean_cosine

logger = logging.getLogger(__name__)

SUFFIXES = (".glb", ".obj", ".ply", ".stl")
MESH_METRICS = ("normal_consistency", "volume_iou", "edge_f_score")  # what their names begin with
_NAMED = 3  # files an error names at most

Call = Callable[..., Any]  # runs a function with its arguments, in a child process or here
SetDistance = Literal["none", "cd", "emd"]


POINT_NOTE = (
    "points: 8,192 of each surface, not normalised, one colour, by the network that was given; a failure counts as 0, "
    "where published evaluations leave it out; published weights (ULIP, Uni3D) were not tried here"
)


@dataclass(frozen=True)
class Networks:
    """Networks that were given: an encoder of points, one of pictures, and one that compares two pictures."""

    points: ExportedModel | None = None
    pictures: ExportedModel | None = None
    lpips: ExportedModel | None = None


@dataclass(frozen=True)
class Pair:
    """A true file, and the predicted one of the same name; None where it is missing."""

    uid: str
    true: Path
    predicted: Path | None


@dataclass(frozen=True)
class Scored:
    """One pair as measured; `failure` says why a prediction could not be, and is empty otherwise."""

    pair: Pair
    measured: MeasuredFile
    true_in_set: np.ndarray
    failure: str
    true_pictures: np.ndarray | None = None
    true_encoded: np.ndarray | None = None


def pair_files(predicted: Path, true: Path, named: NamedSet | None = None) -> tuple[list[Pair], list[str]]:
    """Match the files of two folders by their path without suffix; return pairs, and predictions without a true shape.

    Args:
        named: the test set that the true shapes must hold, and that alone counts.

    Raises:
        DataError: no folder, an empty one, a kind of file that is not read, one name twice, no common name, or true
            shapes that are not the named set's.
    """
    true_files, _ = find_shapes(true)
    if named is not None:
        true_files = files_of(named, true_files)
    predicted_files, others = find_shapes(predicted)
    unread = [others[uid] for uid in sorted(others.keys() & true_files.keys() - predicted_files.keys())]
    if unread:
        raise DataError(f"{_some([str(path) for path in unread])}: not a kind that is read; use {', '.join(SUFFIXES)}")
    if not true_files.keys() & predicted_files.keys():
        raise DataError(
            f"{predicted} and {true} have no file name in common (suffixes apart): "
            f"{_some(sorted(predicted_files))} there, {_some(sorted(true_files))} here"
        )
    pairs = [Pair(uid, path, predicted_files.get(uid)) for uid, path in sorted(true_files.items())]
    return pairs, sorted(predicted_files.keys() - true_files.keys())


def find_shapes(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """List the shapes anywhere below a folder, and its other files, by path without suffix; none that are hidden.

    Linked folders inside it are entered, each once; those that lead out are left out with one line.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    shapes: dict[str, Path] = {}
    others: dict[str, Path] = {}
    root = folder.resolve()
    seen = {root}
    for parent, folders, names in os.walk(folder, followlinks=True):
        entered = []
        for name in sorted(name for name in folders if not name.startswith(".")):
            real = (Path(parent) / name).resolve()
            if not real.is_relative_to(root):
                logger.warning("%s leads out of %s and is left out: give the folder itself", Path(parent, name), folder)
            elif real not in seen:
                seen.add(real)
                entered.append(name)
        folders[:] = entered
        for path in (Path(parent) / name for name in sorted(names) if not name.startswith(".")):
            uid = path.relative_to(folder).with_suffix("").as_posix()
            if path.suffix.lower() not in SUFFIXES:
                others[uid] = path
            elif uid in shapes:
                raise DataError(f"{shapes[uid]} and {path} have one name; keep one of them")
            else:
                shapes[uid] = path
    if not shapes:
        what = f"only files of other kinds ({_some(sorted(map(str, others.values())))})" if others else "no files"
        raise DataError(f"{folder} holds {what}; the kinds that are read are {', '.join(SUFFIXES)}")
    return shapes, others


def score(pair: Pair, config: ShapeFileConfig, *, call: Call) -> Scored:
    """Read and measure one pair; a missing or broken prediction is measured as one that failed.

    Raises:
        DataError: the true shape cannot be read.
    """
    try:
        true: TrueShape = call(read_true, pair.true, pair.uid, config)
    except AssetError as error:
        raise DataError(f"{pair.true} cannot be read ({error}); mend it, or take it out of the true shapes") from error
    failure = "missing"
    if pair.predicted is not None:
        try:
            measured = call(measure_file, pair.predicted, pair.uid, true, config)
            return Scored(pair, measured, true.read.in_set, "", true.pictures, true.encoded)
        except AssetError as error:
            failure = str(error)
        except Exception as error:
            if isinstance(error, Ltm3dError):
                raise
            logger.exception("%s failed", pair.predicted)
            failure = f"failed: {type(error).__name__}: {error}"[:500]
    return Scored(pair, measure_failure(true, config), true.read.in_set, failure, true.pictures, true.encoded)


def to_report(
    scored: Sequence[Scored],
    config: ShapeFileConfig,
    *,
    without_truth: Sequence[str],
    sets: SetDistance,
    test_set: str | None = None,
    networks: Networks | None = None,
) -> dict[str, Any]:
    """Return the document that `ltm3d evaluate` writes: rules, failures, hashes, metrics, and metrics an asset.

    Normals and volumes are compared only where all that could be read are meshes; one system's points beside another's
    meshes would make means over different assets.
    """
    only_meshes = all(each.measured.of_meshes for each in scored)
    assets = {
        each.pair.uid: {
            name: value
            for name, value in each.measured.metrics.items()
            if only_meshes or not name.startswith(MESH_METRICS)
        }
        for each in scored
    }
    networks = networks or Networks()
    pictures = _pictures_of(scored, networks)
    if pictures is not None:
        for name, values in pictures.of_pairs.items():
            for metrics, value in zip(assets.values(), values, strict=True):
                metrics[name] = value
    if networks.points is not None:
        for each, metrics in zip(scored, assets.values(), strict=True):
            metrics[f"point_similarity:{networks.points.name}"] = _point_similarity(each, networks.points)
    report: dict[str, Any] = {
        "protocol": PROTOCOL,
        "test_set": test_set,
        "frame": config.frame,
        "pred_up": config.pred_up,
        "pred_front": config.pred_front,
        "align": config.align,
        "compared_as": "meshes" if only_meshes else "points",
        "seed": config.seed,
        "num_points": config.num_points,
        "num_assets": len(scored),
        "num_failures": sum(bool(each.failure) for each in scored),
        "failures": {each.pair.uid: each.failure for each in scored if each.failure},
        "without_truth": list(without_truth),
        "test_ids_sha256": hashlib.sha256("\n".join(each.pair.uid for each in scored).encode()).hexdigest(),
        "truth_sha256": hash_files({each.pair.uid: each.pair.true for each in scored}),
        "pred_sha256": hash_files({each.pair.uid: each.pair.predicted for each in scored if each.pair.predicted}),
        "metrics": {name: _summary(assets, name, config.seed) for name in _names(assets)},
        "assets": assets,
    }
    if only_meshes:
        report["num_queries"] = config.num_queries
    if pictures is not None:
        report["pictures"] = {
            **pictures.of_sets,
            "num_views": pictures.num_views,
            "efficientnet_lite0_sha256": pictures.weights,
        }
    if networks.points is not None:
        report["point_encoder"] = {"name": networks.points.name, "note": POINT_NOTE}
    if sets != "none":
        true = np.stack([each.true_in_set for each in scored])
        among_true = distances_of(true, None, with_earth_mover=sets == "emd")
        predicted = np.stack([each.measured.in_set for each in scored])
        report["sets"] = {"num_points": NUM_POINTS, **compare_with(predicted, true=true, among_true=among_true)}
    return report


def to_text(report: Mapping[str, Any]) -> str:
    """Lay a report out for a terminal."""
    lines = [
        f"protocol {report['protocol']}, {_set_name(report)}frame {report['frame']}, {_turned(report)}"
        f"compared as {report['compared_as']}: {report['num_assets']} true shapes, {report['num_failures']} failed",
    ]
    lines += [f"  failed: {uid}: {reason}" for uid, reason in report["failures"].items()]
    if report["without_truth"]:
        lines.append(f"  not scored, no true shape: {_some(report['without_truth'])}")
    lines += ["", f"  {'metric':<38}{'mean':>10}   {'95 % interval':<20}{'n':>6}"]
    for name, row in report["metrics"].items():
        interval = f"[{row['low']:.4f}, {row['high']:.4f}]"
        lines.append(f"  {name:<38}{row['mean']:>10.4f}   {interval:<20}{row['num_assets']:>6}")
    if "pictures" in report:
        pictures = report["pictures"]
        lines += ["", f"  pictures, {pictures['num_views']} of each shape"]
        lines += [f"  {name:<38}{value:>10.5f}" for name, value in pictures.items() if ":" in name]
    if "point_encoder" in report:
        lines += ["", f"  {report['point_encoder']['note']}"]
    if "sets" in report:
        sets = report["sets"]
        lines += [
            "",
            f"  sets of {sets['num_shapes']} and {sets['num_shapes']} shapes, {sets['num_points']} points each",
        ]
        lines += [f"  {name:<20}{value:>10.4f}" for name, value in sets.items() if not name.startswith("num_")]
    lines += ["", f"  test ids {report['test_ids_sha256'][:16]}   true shapes {report['truth_sha256'][:16]}"]
    return "\n".join(lines)


def _point_similarity(scored: Scored, encoder: ExportedModel) -> float:
    """Return the cosine of the embeddings of a pair; 0 where the prediction failed."""
    if scored.measured.encoded is None or scored.true_encoded is None:
        return 0.0
    ours, theirs = (
        encoder.embed_points(torch.from_numpy(each))[None].numpy()
        for each in (scored.measured.encoded, scored.true_encoded)
    )
    return mean_cosine(ours, theirs)


def _pictures_of(scored: Sequence[Scored], networks: Networks) -> PictureMetrics | None:
    pairs = [(each.measured.pictures, each.true_pictures) for each in scored]
    predicted, true = ([picture for picture in side if picture is not None] for side in zip(*pairs, strict=True))
    if not predicted:
        return None
    return measure_pictures(predicted, true, encoder=networks.pictures, lpips=networks.lpips)


def _set_name(report: Mapping[str, Any]) -> str:
    return f"test set {report['test_set']}, " if report["test_set"] else ""


def _turned(report: Mapping[str, Any]) -> str:
    """Say what was done to predicted shapes before they were measured; nothing where nothing was."""
    axes = (report["pred_up"], report["pred_front"])
    turned = "" if axes == ("+y", "+z") else f"predictions up {axes[0]} front {axes[1]}, "
    return turned + ("" if report["align"] == "none" else f"each aligned by {report['align']}, ")


def _names(assets: Mapping[str, Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for metrics in assets.values() for name in metrics))


def _summary(assets: Mapping[str, Mapping[str, float]], name: str, seed: int) -> dict[str, float]:
    values = [metrics[name] for metrics in assets.values() if name in metrics]
    interval = bootstrap_interval(values, seed=seed)
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "num_assets": len(values)}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
