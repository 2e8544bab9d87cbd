from collections.abc import Callable

import numpy as np
import pytest
from analytic_shapes import TRUTHS, Truth
from checkout import Checkout

from ltm3d.mesh_io.writing import mesh_to_glb
from ltm3d.representations.mesh import mesh_of_target
from ltm3d.shards.index import IndexEntry, read_index
from ltm3d.shards.read import ShardSet
from ltm3d.splatting.record import MEANS
from ltm3d.transforms.build_targets import TARGETS

pytestmark = pytest.mark.timeout(600)  # the first to ask runs the stages: half a minute, on a quiet machine


def test_every_kept_asset_has_targets_with_an_inside_and_an_outside(checkout, data_log):
    entries = read_index(checkout.data / "meshes")
    targets = ShardSet(checkout.data / "targets" / "sdf", [entry.uid for entry in entries])
    for index in range(len(targets)):
        near, volume = targets.get("near", index), targets.get("volume", index)
        assert near.shape == volume.shape == (256, 4)
        assert (near[:, 3] < 0).any() and (volume[:, 3] > 0).any()
        normals = targets.get("surface", index)[:, 3:].astype(np.float32)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=2e-3)
    assert "build_targets@sdf: 4 Ray Data tasks" in data_log


@pytest.fixture(scope="module")
def built(tmp_path_factory, repository):
    """A checkout whose data stages ran over a folder of these files; entries by the file's name."""
    files = tmp_path_factory.mktemp("analytic_files")
    for name, truth in TRUTHS.items():
        (files / f"{name}.glb").write_bytes(mesh_to_glb(truth.mesh))
    checkout = Checkout(tmp_path_factory.mktemp("analytic"), repository)
    checkout.set_params(
        sources=[{"kind": "folder", "root": str(files)}],
        targets=list(TARGETS),
        build_targets={
            "sdf": {"target": {"num_surface": 500, "num_sharp": 500, "num_volume": 4000, "num_near": 4000}},
            "point_cloud": {"target": {"num_surface": 2000, "num_sharp": 500, "num_farthest": 64}},
            "gaussians": {"target": {"num_gaussians": 512, "num_views": 8, "resolution": 64, "fit": {"num_steps": 40}}},
            "mesh": {"target": {"max_faces": 18_000, "num_cells": 4096}},
        },
    )
    checkout.run("download", "clean_meshes", *(f"build_targets@{name}" for name in TARGETS))
    return checkout, {entry.name: entry for entry in read_index(checkout.data / "meshes")}


def true_distance(truth: Truth, entry: IndexEntry, points: np.ndarray) -> np.ndarray:
    """The signed distance in the normalised frame: size to the nearest surface, negative in any of the solids."""
    source = points.astype(np.float64) / entry.scale + np.array(entry.offset)
    each = np.stack([surface(source) for surface in truth.surfaces])
    return entry.scale * np.where((each < 0).any(axis=0), -1, 1) * np.abs(each).min(axis=0)


def target(built, representation: str, name: str) -> tuple[IndexEntry, Callable[[str], np.ndarray]]:
    checkout, entries = built
    shards = ShardSet(checkout.data / "targets" / representation, [entries[name].uid])
    return entries[name], lambda field: shards.get(field, 0)


def test_none_was_turned_away(built) -> None:
    assert set(built[1]) == set(TRUTHS)


@pytest.mark.parametrize("name", TRUTHS)
def test_signed_distances_are_true(built, name: str) -> None:
    truth = TRUTHS[name]
    entry, field = target(built, "sdf", name)
    for part in ("volume", "near"):
        values = np.asarray(field(part), np.float32)
        expected = true_distance(truth, entry, values[:, :3])
        rounding = 2.0**-11 * np.abs(expected) + 1e-6
        assert (np.abs(np.abs(values[:, 3]) - np.abs(expected)) <= truth.error + rounding).all()
        clear = np.abs(expected) > truth.error + 1e-4
        np.testing.assert_array_equal(np.sign(values[clear, 3]), np.sign(expected[clear]))
    for part in ("surface", "sharp"):
        points = np.asarray(field(part), np.float32)[:, :3]
        assert np.abs(true_distance(truth, entry, points)).max() < truth.error + 1e-3


@pytest.mark.parametrize("name", TRUTHS)
def test_point_clouds_lie_on_the_surface(built, name: str) -> None:
    entry, field = target(built, "point_cloud", name)
    for part in ("surface", "sharp", "farthest"):
        points = np.asarray(field(part), np.float32)
        assert np.abs(true_distance(TRUTHS[name], entry, points[:, :3])).max() < TRUTHS[name].error + 1e-3
        np.testing.assert_allclose(np.linalg.norm(points[:, 3:], axis=1), 1, atol=2e-3)


@pytest.mark.parametrize("name", TRUTHS)
def test_face_sequences_are_the_surface(built, name: str) -> None:
    entry, field = target(built, "mesh", name)
    mesh = mesh_of_target(np.asarray(field("triangles")), np.asarray(field("mask")), num_cells=4096)
    step = 2 / 4095 * np.sqrt(3)
    assert np.abs(true_distance(TRUTHS[name], entry, mesh.vertices)).max() < TRUTHS[name].error + step
    assert len(mesh.faces) >= 0.98 * entry.num_faces


@pytest.mark.parametrize("name", TRUTHS)
def test_gaussians_stay_on_the_surface(built, name: str) -> None:
    entry, field = target(built, "gaussians", name)
    means = np.asarray(field("gaussians"), np.float32)[:, MEANS]
    off = np.abs(true_distance(TRUTHS[name], entry, means))
    assert np.quantile(off, 0.9) < 0.05 and off.max() < 0.3
