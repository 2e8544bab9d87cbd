import numpy as np
import pytest
from mesh_files import box, record, write_meshes
from shard_jobs import FIELDS

from ltm3d.errors import AssetError, DataError
from ltm3d.shards.read import read_shard
from ltm3d.transforms.assets import asset_rng, map_assets, object_record, positions


def work(uid):
    if uid == "bad":
        raise AssetError("no_surface", "flat")
    if uid == "bug":
        raise KeyError("vertices")
    if uid == "full":
        raise OSError(28, "No space left on device")
    if uid == "input":
        raise DataError("the input is gone")
    return {"value": np.array(len(uid))}, {"uid": uid}


def test_one_bad_asset_is_a_row_and_never_costs_another():
    result = map_assets(["a", "bad", "bbb", "bug", "cc"], work, fields=FIELDS)
    assert list(result.uids) == ["a", "bbb", "cc"]
    assert [int(value) for value in result.arrays["value"]] == [1, 3, 2]
    assert [dict(row) for row in result.records] == [{"uid": "a"}, {"uid": "bbb"}, {"uid": "cc"}]
    reasons = {reject.uid: (reject.reason, reject.detail) for reject in result.rejects}
    assert reasons == {"bad": ("no_surface", "flat"), "bug": ("failed", "KeyError: 'vertices'")}


@pytest.mark.parametrize(("uid", "error"), [("full", OSError), ("input", DataError)])
def test_a_fault_of_the_stage_is_no_fault_of_the_asset(uid, error):
    with pytest.raises(error):
        map_assets(["a", uid], work, fields=FIELDS)


def test_an_absent_asset_has_no_position(tmp_path):
    write_meshes(tmp_path / "shard-00000", {"red": box(), "plain": box(color=None)})
    assert positions(read_shard(tmp_path / "shard-00000"), ["plain", "absent"]) == {"plain": 1}


def test_the_object_record_comes_out_of_a_longer_one(tmp_path):
    write_meshes(tmp_path / "shard-00000", {"red": box()})
    assert object_record(read_shard(tmp_path / "shard-00000").records[0]) == record("red")


def test_randomness_is_a_function_of_seed_and_uid():
    first = asset_rng(0, "a").random(4)
    np.testing.assert_array_equal(first, asset_rng(0, "a").random(4))
    assert not np.array_equal(first, asset_rng(1, "a").random(4))
    assert not np.array_equal(first, asset_rng(0, "b").random(4))
