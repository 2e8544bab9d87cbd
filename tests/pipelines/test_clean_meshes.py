import numpy as np
import pytest

from ltm3d.schema import SPLITS
from ltm3d.shards.index import read_index, uids_of_split
from ltm3d.shards.ledger import read_ledger
from ltm3d.shards.read import ShardSet

pytestmark = pytest.mark.timeout(600)  # the first to ask runs the stages: half a minute, on a quiet machine


def test_the_index_names_every_kept_asset_with_its_split(checkout, data_log):
    entries = read_index(checkout.data / "meshes")
    assert {entry.uid for entry in entries} == read_ledger(checkout.data / "meshes").ok
    assert {entry.split for entry in entries} == set(SPLITS)
    assert (checkout.data / "metrics" / "test_ids.txt").read_text().split() == uids_of_split(entries, "test")
    assert len({entry.category for entry in entries}) == 7


def test_meshes_are_in_the_frame(checkout, data_log):
    meshes = ShardSet(checkout.data / "meshes", [entry.uid for entry in read_index(checkout.data / "meshes")])
    for index in range(len(meshes)):
        vertices = meshes.get("vertices", index)
        assert np.ptp(vertices, axis=0).max() == np.float32(1.9)
        assert meshes.get("faces", index).max() == len(vertices) - 1
        assert meshes.get("vertex_colors", index).shape == vertices.shape
        assert meshes.record(index)["num_faces"] == len(meshes.get("faces", index))


@pytest.mark.ray
def test_no_data_is_one_clear_line(checkout, tmp_path):
    empty = type(checkout)(tmp_path, checkout.repository)
    empty.set_params()
    process = empty.start("clean_meshes")
    log, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "ltm3d.errors.DataError: no asset to work on in data/raw: run the stage that writes it" in log
