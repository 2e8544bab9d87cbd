"""What the set metrics compare, from shards as the stages write them."""

from pathlib import Path

import numpy as np
import pytest
from shapes import box, sphere
from tiny_bundle import make_tiny_bundle

from ltm3d import schema
from ltm3d.evaluation.generator_metrics import Evaluator, GenerationData
from ltm3d.evaluation.measurement import EvaluationConfig, map_here
from ltm3d.evaluation.set_metrics import measure_sets
from ltm3d.generator.bundle import ShapeGenerator
from ltm3d.geometry.mesh import Mesh
from ltm3d.shards.index import IndexEntry
from ltm3d.shards.meshes import mesh_arrays
from ltm3d.shards.write import Reject, write_shard

SHAPES = {"ball": sphere(0.8, subdivisions=2), "cube": box(), "ball-t": sphere(0.78, subdivisions=2), "cube-t": box()}
VIEW = 1


def write(root: Path, fields: tuple[schema.Field, ...], rows: dict[str, dict[str, np.ndarray]]) -> None:
    """One shard with a row an asset."""
    arrays = {field.name: [row[field.name] for row in rows.values()] for field in fields}
    write_shard(
        root / "shard-00000",
        fields=fields,
        arrays=arrays,
        uids=list(rows),
        records=[{}] * len(rows),
        rejects=[],
        key="k",
    )


def entry(uid: str) -> IndexEntry:
    return IndexEntry(
        uid=uid, shard="shard-00000", split="test" if uid.endswith("-t") else "train", category=uid[:4], caption="",
        source="procedural", licence="CC0-1.0", name="", num_faces=1, is_watertight=True, scale=1.0, offset=(0, 0, 0),
    )  # fmt: skip


def evaluator(data: Path, *, baselines: bool = True) -> Evaluator:
    """Two training and two test assets; a test asset's other view looks like the wrong one."""
    write(data / "meshes", schema.MESHES, {uid: mesh_arrays(mesh) for uid, mesh in SHAPES.items()})
    conditions = {}
    for uid in SHAPES:
        own = np.array([1, 0] if uid.startswith("ball") else [0, 1], np.float32)
        row = {field.name: np.zeros([2] * len(field.shape), field.dtype) for field in schema.CONDITIONS}
        other_view = 1 - own if uid.endswith("-t") else own
        conditions[uid] = row | {"image_embedding": np.stack([other_view, own]), "text_embedding": own}
    write(data / "conditions", schema.CONDITIONS, conditions)
    made = [("ball-t", "image", 0, 0.3), ("ball-t", "image", 1, 0.4), ("cube-t", "image", 1, 0.5)]
    solids = [sphere(radius, subdivisions=1) for *_, radius in made]
    write_shard(
        data / "samples" / "sdf" / "shard-00000",
        fields=schema.SAMPLES,
        arrays={
            "vertices": [mesh.vertices for mesh in solids],
            "faces": [mesh.faces for mesh in solids],
            "tokens": [np.zeros((4, 4), np.float32)] * 3,
        },
        uids=[f"{uid}-{prompt}-{number}" for uid, prompt, number, _ in made],
        records=[{"uid": uid, "prompt": prompt, "number": number} for uid, prompt, number, _ in made],
        rejects=[Reject(uid="cube-t-image-0", reason="empty_decode")],
        key="k",
    )
    config = EvaluationConfig(baselines=baselines)
    models = ShapeGenerator.load(make_tiny_bundle(data / "bundle")).models
    return Evaluator(
        GenerationData(data, "sdf", [entry(uid) for uid in SHAPES], config, 0), models.tokenizer, models.ltr
    )


def test_the_sets_are_first_seeds_and_nearest_training_shapes(tmp_path: Path) -> None:
    judge = evaluator(tmp_path)
    sets = judge.shape_sets(judge.entries, view=VIEW)
    assert list(sets) == ["image/generated", "image/retrieval"]
    ball, cube = sets["image/generated"]
    assert isinstance(ball, Mesh) and np.linalg.norm(ball.vertices, axis=1).max() == pytest.approx(0.3, abs=1e-5)
    assert cube is None  # the second seed's shape does not stand in for the first's failure
    for found, expected in zip(sets["image/retrieval"], ("ball", "cube"), strict=True):
        assert isinstance(found, Mesh) and np.array_equal(found.vertices, SHAPES[expected].vertices)


def test_sets_are_measured_against_the_true_test_shapes(tmp_path: Path) -> None:
    judge = evaluator(tmp_path)
    table = measure_sets(
        judge.shape_sets(judge.entries, view=VIEW),
        judge.meshes,
        [entry.uid for entry in judge.entries],
        seed=0,
        with_earth_mover=False,
        map_sets=map_here,
    )
    generated, retrieved = table["image/generated"], table["image/retrieval"]
    assert generated["num_shapes"] == retrieved["num_shapes"] == 2
    assert retrieved["cov_cd"] == 1 and retrieved["1nna_cd"] == 0
    assert retrieved["mmd_cd"] < 0.2 < generated["mmd_cd"]


def test_without_baselines_there_is_no_retrieval(tmp_path: Path) -> None:
    judge = evaluator(tmp_path, baselines=False)
    assert list(judge.shape_sets(judge.entries[1:], view=VIEW)) == ["image/generated"]
