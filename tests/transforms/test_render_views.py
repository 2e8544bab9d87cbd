import numpy as np
import pytest
from mesh_files import box, write_meshes

from ltm3d.errors import AssetError, ConfigError
from ltm3d.rendering.cameras import ViewConfig
from ltm3d.transforms.isolation import ChildLimits, run_isolated
from ltm3d.transforms.jobs import ShardJob
from ltm3d.transforms.render_views import RenderConfig, render_shard, render_views

VIEWS = ViewConfig(num_views=3, resolution=32)


@pytest.fixture
def job(tmp_path):
    write_meshes(tmp_path / "shard-00000", {"red": box((1.9, 1, 1)), "plain": box((1, 1.9, 1), color=None)})
    return ShardJob(name="shard-00000", uids=("plain", "red"), inputs=(tmp_path / "shard-00000",), key="k")


def test_every_asset_has_its_views(job):
    result = render_shard(job, config=RenderConfig(views=VIEWS), seed=0)
    assert list(result.uids) == ["plain", "red"]
    images = result.arrays["images"]
    assert images[0].shape == (3, 32, 32, 4)
    assert result.arrays["cameras"][0].shape == (3, 4, 4)
    for image, depth in zip(images, result.arrays["depth"], strict=True):
        assert 0.05 < (image[..., 3] > 0).mean() < 0.95
        np.testing.assert_array_equal(depth > 0, image[..., 3] > 0)
    seen = images[1][images[1][..., 3] == 255]
    assert (seen[:, 0] > 2 * seen[:, 1].astype(int)).all()


def test_views_depend_on_seed_and_uid_only(job):
    mesh = box((1.9, 1, 1))
    first = render_views(mesh, VIEWS, 0, "a")
    for name, array in render_views(mesh, VIEWS, 0, "a").items():
        np.testing.assert_array_equal(array, first[name])
    assert not np.array_equal(render_views(mesh, VIEWS, 0, "b")["cameras"], first["cameras"])
    assert not np.array_equal(render_views(mesh, VIEWS, 1, "a")["cameras"], first["cameras"])


def test_random_views_and_lights_depend_on_seed_and_uid_only():
    config = ViewConfig(num_views=2, num_random_views=2, resolution=32, light_range=(0.5, 1.5))
    first = render_views(box(), config, 0, "a")
    assert first["images"].shape == (4, 32, 32, 4) and first["cameras"].shape == (4, 4, 4)
    for name, array in render_views(box(), config, 0, "a").items():
        np.testing.assert_array_equal(array, first[name])
    steady = render_views(box(), ViewConfig(num_views=2, num_random_views=2, resolution=32), 0, "a")
    np.testing.assert_array_equal(steady["cameras"], first["cameras"])
    np.testing.assert_array_equal(steady["images"][0], first["images"][0])
    assert all((steady["images"][view] != first["images"][view]).any() for view in (1, 2, 3))


def test_a_picture_beyond_the_memory_limit_is_a_row_and_the_next_is_taken(job):
    huge = ViewConfig(num_views=1, resolution=4096, supersample=4)
    with pytest.raises(AssetError, match="out_of_memory"):
        run_isolated(render_views, box(), huge, 0, "a", limits=ChildLimits(memory_mb=256))
    views = run_isolated(render_views, box(), VIEWS, 0, "a", limits=ChildLimits(memory_mb=256))
    np.testing.assert_array_equal(views["images"], render_views(box(), VIEWS, 0, "a")["images"])


def test_what_takes_too_long_is_a_row(job):
    views = ViewConfig(num_views=20, resolution=512)
    config = RenderConfig(views=views, child=ChildLimits(timeout_s=0.3))
    result = render_shard(job, config=config, seed=0)
    assert list(result.uids) == []
    assert {reject.reason for reject in result.rejects} == {"timeout"}


def test_settings_out_of_range():
    with pytest.raises(ConfigError, match="max_reject_fraction"):
        RenderConfig(max_reject_fraction=-1)
