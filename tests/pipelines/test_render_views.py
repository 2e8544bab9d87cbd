import re
import time

import numpy as np
import pytest

from ltm3d.shards.index import read_index
from ltm3d.shards.read import ShardSet

pytestmark = pytest.mark.timeout(600)  # the first to ask runs the stages: half a minute, on a quiet machine


def test_every_kept_asset_has_views_of_itself(checkout, data_log):
    entries = read_index(checkout.data / "meshes")
    views = ShardSet(checkout.data / "views", [entry.uid for entry in entries])
    for index in range(len(views)):
        images = views.get("images", index)
        assert images.shape == (2, 32, 32, 4)
        assert (images[..., 3] > 0).any(axis=(1, 2)).all()
        assert views.get("cameras", index).shape == (2, 4, 4)
        np.testing.assert_array_equal(views.get("depth", index) > 0, images[..., 3] > 0)


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_and_ends_with_the_same_bytes(checkout, data_log, tmp_path):
    """Elsewhere, with one worker, killed by -9 in the middle: the rerun does only what is missing."""
    killed = type(checkout)(tmp_path, checkout.repository)
    killed.set_params(resources={"num_workers": 1, "use_gpu": False, "tracking_uri": "sqlite:///mlflow.db"})
    stages = ("download", "clean_meshes", "render_views")
    process = killed.start(*stages)
    try:
        while not list(killed.data.glob("views/shard-*/shard.json")) and process.poll() is None:
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    done = {path: path.stat().st_mtime_ns for path in killed.data.glob("views/shard-*/shard.json")}
    assert 1 <= len(done) <= 4
    log = killed.run(*stages)
    assert "download: 0 Ray Data tasks" in log and "clean_meshes: 0 Ray Data tasks" in log
    num_tasks = int(re.findall(r"render_views: (\d) Ray Data tasks", log)[0])
    assert num_tasks <= 4 - len(done)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    expected = {name: content for name, content in checkout.files().items() if not name.startswith("targets/")}
    assert killed.files() == expected
