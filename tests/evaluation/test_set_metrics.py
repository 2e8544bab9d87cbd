from pathlib import Path

import numpy as np
import pytest
from shapes import box, sphere

from ltm3d.evaluation.measurement import map_here
from ltm3d.evaluation.set_metrics import NUM_POINTS, first_samples, measure_sets, set_points
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.schema import SAMPLES
from ltm3d.shards.write import Reject, write_shard


def boxes(count: int, *, seed: int) -> list[Mesh]:
    """Boxes of random sides: one list of faces for all of them, as procedural shapes have."""
    sides = np.random.default_rng(seed).uniform(0.4, 1.2, (count, 3))
    return [box(tuple(row)) for row in sides]


def names(count: int) -> list[str]:
    return [f"box-{index}" for index in range(count)]


def metrics_of(shapes: list[Mesh | None], truths: list[Mesh], *, with_earth_mover: bool = False) -> dict[str, float]:
    table = measure_sets(
        {"one": shapes},
        truths,
        names(len(truths)),
        seed=0,
        with_earth_mover=with_earth_mover,
        map_sets=map_here,
    )
    assert list(table) == ["one"]
    return table["one"]


def test_a_set_drawn_twice_covers_itself() -> None:
    truths = boxes(6, seed=0)
    metrics = metrics_of(list(truths), truths)
    assert metrics["num_shapes"] == 6 and metrics["cov_cd"] == 1 and metrics["1nna_cd"] == 0
    assert metrics["mmd_cd"] < 0.05  # what two draws of 2,048 points differ by
    assert not any(name.endswith("emd") for name in metrics)


@pytest.mark.slow
def test_shapes_of_one_kind_cannot_be_told_apart() -> None:
    """Were the points of all shapes drawn with the same random numbers, 1-NNA would lie far above a half."""
    drawn = boxes(80, seed=1)
    assert metrics_of(list(drawn[:40]), drawn[40:])["1nna_cd"] == pytest.approx(0.5, abs=0.2)


def test_no_two_shapes_share_their_random_numbers() -> None:
    cube = box()
    draws = [
        set_points(cube, predicted=predicted, uid=uid, seed=seed)
        for predicted, uid, seed in ((False, "a", 0), (True, "a", 0), (False, "b", 0), (False, "a", 1))
    ]
    assert all(not np.array_equal(a, b) for i, a in enumerate(draws) for b in draws[:i])
    assert np.array_equal(draws[0], set_points(cube, predicted=False, uid="a", seed=0))
    assert draws[0].shape == (NUM_POINTS, 3)


def test_an_empty_shape_counts_as_a_point_at_the_origin() -> None:
    truths = [sphere(0.3 + 0.1 * index) for index in range(4)]
    whole, broken = metrics_of(list(truths), truths), metrics_of([None, *truths[1:]], truths)
    assert broken["num_shapes"] == 4 and broken["mmd_cd"] > whole["mmd_cd"]
    nothing = metrics_of([None] * 4, truths)
    assert nothing["mmd_cd"] == pytest.approx(2 * np.mean([0.3, 0.4, 0.5, 0.6]), rel=0.02)  # both ways
    assert nothing["cov_cd"] == 0.25 and nothing["1nna_cd"] == 1


def test_clouds_are_taken_as_they_are() -> None:
    """A cloud of 1,000 points against the sphere they lie on: each stands twice or three times."""
    ball = sphere(0.8)
    points = sample_surface(ball, 1000, np.random.default_rng(0)).points
    drawn = set_points(PointCloud(points), predicted=True, uid="a", seed=0)
    kinds, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(kinds) == 1000 and set(counts) == {2, 3}
    assert (
        measure_sets({"one": [PointCloud(points)]}, [ball], ["a"], seed=0, with_earth_mover=False, map_sets=map_here)[
            "one"
        ]["mmd_cd"]
        < 0.08
    )


def test_the_earth_movers_metrics_come_on_request() -> None:
    truths = [sphere(0.3), box()]
    metrics = metrics_of(list(truths), truths, with_earth_mover=True)
    assert metrics["cov_emd"] == 1 and metrics["1nna_emd"] == 0 and 0 < metrics["mmd_emd"] < 0.1


def test_the_first_seed_is_taken_and_its_failure_is_not_passed_over(tmp_path: Path) -> None:
    meshes = [sphere(0.3, subdivisions=0), sphere(0.4, subdivisions=0), sphere(0.5, subdivisions=0)]
    places = [("a", "image", 0), ("a", "image", 1), ("b-c", "text", 1)]
    write_shard(
        tmp_path / "shard-00000",
        fields=SAMPLES,
        arrays={
            "vertices": [mesh.vertices for mesh in meshes],
            "faces": [mesh.faces for mesh in meshes],
            "tokens": [np.zeros((2, 2), np.float32)] * 3,
        },
        uids=[f"{uid}-{prompt}-{number}" for uid, prompt, number in places],
        records=[{"uid": uid, "prompt": prompt, "number": number} for uid, prompt, number in places],
        rejects=[Reject(uid="b-c-text-0", reason="empty_decode")],
        key="k",
    )
    first = first_samples(tmp_path)
    assert first.keys() == {("a", "image"), ("b-c", "text")} and first["b-c", "text"] is None
    assert np.array_equal(first["a", "image"].vertices, meshes[0].vertices)
