import numpy as np
import pytest

from ltm3d.shards.index import read_index
from ltm3d.shards.read import ShardSet

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
