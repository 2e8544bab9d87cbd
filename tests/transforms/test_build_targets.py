import numpy as np
import pytest
from mesh_files import box, write_meshes

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.representations.sdf import SdfTargetConfig
from ltm3d.schema import SDF_TARGETS
from ltm3d.shards.read import ShardSet
from ltm3d.shards.write import write_shard
from ltm3d.transforms.build_targets import build_targets_shard, target_kind
from ltm3d.transforms.jobs import ShardJob
from ltm3d.transforms.targets.sdf import SdfTargetsConfig

CONFIG = SdfTargetsConfig(target=SdfTargetConfig(num_surface=256, num_sharp=64, num_volume=128, num_near=512))


@pytest.fixture
def job(tmp_path):
    point = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]]))
    meshes = {"a": box((1.9, 1, 1)), "b": box((1, 1.9, 1)), "nothing": point}
    write_meshes(tmp_path / "meshes" / "shard-00000", meshes)
    return ShardJob(name="shard-00000", uids=tuple(meshes), inputs=(tmp_path / "meshes" / "shard-00000",), key="k")


def build(job, seed=0):
    return build_targets_shard(job, target="sdf", config=CONFIG, seed=seed)


def box_distance(points, size):
    outside = np.abs(points) - np.array(size) / 2
    return np.linalg.norm(np.maximum(outside, 0), axis=1) + np.minimum(outside.max(axis=1), 0)


def test_targets_are_the_distances_of_each_asset_and_fit_the_schema(job, tmp_path):
    result = build(job)
    assert list(result.uids) == ["a", "b"]
    assert [(reject.uid, reject.reason) for reject in result.rejects] == [("nothing", "no_surface")]
    write_shard(
        tmp_path / "out" / "shard-00000",
        fields=SDF_TARGETS,
        arrays=result.arrays,
        uids=result.uids,
        records=result.records,
        rejects=result.rejects,
        key="k",
    )
    shards = ShardSet(tmp_path / "out", ["b", "a"])
    for place, size in enumerate([(1, 1.9, 1), (1.9, 1, 1)]):
        for name in ("volume", "near"):
            samples = shards.get(name, place).astype(np.float32)
            np.testing.assert_allclose(samples[:, 3], box_distance(samples[:, :3], size), atol=2e-3)
        surface = shards.get("surface", place).astype(np.float32)
        np.testing.assert_allclose(box_distance(surface[:, :3], size), 0, atol=1e-3)


def test_targets_depend_on_seed_and_uid_and_not_on_the_company(job):
    both = build(job)
    alone = build(ShardJob(name=job.name, uids=("b",), inputs=job.inputs, key="k"))
    np.testing.assert_array_equal(both.arrays["near"][1], alone.arrays["near"][0])
    assert not np.array_equal(build(job, seed=1).arrays["near"][1], both.arrays["near"][1])


def test_unknown_representation_lists_the_known():
    with pytest.raises(ConfigError, match="'voxels' is no target; one of sdf, point_cloud, mesh, gaussians"):
        target_kind("voxels")


def test_settings_out_of_range():
    with pytest.raises(ConfigError, match="max_reject_fraction"):
        SdfTargetsConfig(max_reject_fraction=-1)
