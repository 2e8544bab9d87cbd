import numpy as np
import pytest
from shapes import box, torus

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.serving.still_pictures import GalleryPictures, magnification, turning_pictures
from ltm3d.splatting.record import Gaussians

PICTURES = GalleryPictures(num_frames=3, resolution=96)
RED = (200, 60, 40)


def cloud_of(mesh: Mesh, num_points: int = 6000) -> PointCloud:
    samples = sample_surface(mesh, num_points, np.random.default_rng(0))
    return PointCloud(samples.points, samples.normals, np.full((num_points, 3), RED, np.uint8))


def test_a_cloud_looks_like_the_surface_that_it_was_drawn_from() -> None:
    mesh = box((1.6, 0.9, 0.6), color=RED)
    surface, cloud = (turning_pictures(shape, magnify=1.2, pictures=PICTURES) for shape in (mesh, cloud_of(mesh)))
    assert surface.shape == cloud.shape == (3, 96, 96, 4)
    covered = [picture[..., 3] > 127 for picture in (surface, cloud)]
    assert (covered[0] != covered[1]).mean() < 0.03, "the same outline"
    both = covered[0] & covered[1]
    assert np.abs(surface[both].astype(float) - cloud[both]).mean() < 12, "the same colours under the same light"


def test_gaussians_are_drawn_where_they_lie() -> None:
    one = Gaussians(
        means=np.zeros((1, 3)),
        log_scales=np.full((1, 3), np.log(0.2)),
        quats=np.array([[1.0, 0, 0, 0]]),
        opacity_logits=np.array([8.0]),
        colors=np.array([[0.2, 0.4, 0.9]]),
    )
    picture = turning_pictures(one, magnify=1.0, pictures=GalleryPictures(num_frames=1, resolution=64))[0]
    assert picture[32, 32, 3] > 250 and picture[2, 2, 3] == 0
    np.testing.assert_allclose(picture[32, 32, :3] / 255, [0.2, 0.4, 0.9], atol=0.02)


def test_a_smaller_shape_is_magnified_more_and_a_turning_one_stays_inside() -> None:
    small, large = box((0.5, 0.5, 0.5)), box((1.9, 1.9, 1.9))
    assert magnification([small]) > magnification([large])
    assert magnification([small, large]) == magnification([large])
    assert magnification([cloud_of(large)]) == pytest.approx(magnification([large]), rel=0.05)
    shape = torus()
    frames = turning_pictures(shape, magnify=magnification([shape]), pictures=GalleryPictures(num_frames=8))
    edge = np.concatenate([frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1]], axis=1)
    assert edge[..., 3].max() == 0 < frames[..., 3].max()


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 4"):
        GalleryPictures(resolution=30)
