import pytest

from ltm3d.shards.ledger import read_ledger
from ltm3d.shards.manifest import shard_name
from ltm3d.shards.read import list_shards
from ltm3d.sources.procedural import ProceduralSource

pytestmark = pytest.mark.timeout(600)  # the first to ask runs the stages: half a minute, on a quiet machine


def test_every_object_of_the_sources_is_in_its_shard_one_task_a_shard(checkout, data_log):
    shards = list_shards(checkout.data / "raw")
    expected = {record.uid for record in ProceduralSource(num_objects=28, seed=3).list_objects()}
    assert {uid for shard in shards for uid in shard.uids} == expected
    assert all(shard_name(uid, 4) == shard.name for shard in shards for uid in shard.uids)
    assert read_ledger(checkout.data / "raw").ok == expected
    assert f"download: {len(shards)} Ray Data tasks, 28 assets" in data_log


def test_records_keep_parameters_for_later_checks(checkout, data_log):
    for shard in list_shards(checkout.data / "raw"):
        for record in shard.records:
            assert record["parameters"] and record["attributes"] and record["caption"].startswith("A 3D model of")
            assert len(record["content_hash"]) == 64
