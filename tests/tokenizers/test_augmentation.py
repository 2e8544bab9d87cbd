import numpy as np
import pytest
from shapes import box, box_distance

from ltm3d.errors import ConfigError
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.tokenizers.augmentation import AugmentationConfig, draw_stretch, stretch_distances, stretch_normals

EXTENTS = np.array([1.9, 1.2, 0.6])


def box_points(count: int = 8192) -> np.ndarray:
    samples = sample_surface(box(tuple(EXTENTS)), count, np.random.default_rng(0))  # type: ignore[arg-type]
    return np.concatenate([samples.points, samples.normals], axis=1)


def test_the_longest_side_stays_and_half_are_mirrored() -> None:
    config = AugmentationConfig(scale=0.25)
    draws = np.stack([draw_stretch(config, box_points()[:, :3], np.random.default_rng(seed)) for seed in range(100)])
    sides = np.abs(draws) * EXTENTS
    np.testing.assert_allclose(sides.max(axis=1), 1.9, rtol=0.01)
    assert 30 < (draws[:, 0] < 0).sum() < 70 and (draws[:, 1:] > 0).all()
    assert np.ptp(sides[:, 2]) > 0.1


def test_off_is_off() -> None:
    config = AugmentationConfig(mirror=False)
    np.testing.assert_array_equal(draw_stretch(config, box_points()[:, :3], np.random.default_rng(0)), [1, 1, 1])
    with pytest.raises(ConfigError, match=r"scale is 1.0; use 0 \(off\) to 0.9"):
        AugmentationConfig(scale=1.0)


def test_distances_to_a_stretched_box_are_those_of_the_other_box() -> None:
    rng = np.random.default_rng(1)
    surface, stretch = box_points(), np.array([1.0, 0.8, 1.25], np.float32)
    near = surface[:2000, :3] + 0.05 * rng.standard_normal((2000, 3))
    points = np.concatenate([near, rng.uniform(-1, 1, (2000, 3))]).astype(np.float32)
    queries = np.concatenate([points, box_distance(points, tuple(EXTENTS))[:, None]], axis=1).astype(np.float32)
    made = stretch_distances(queries, surface, stretch)
    truth = box_distance(points * stretch, tuple(EXTENTS * stretch))
    assert (np.sign(made) == np.sign(truth)).mean() > 0.999
    is_near = np.abs(truth) < 0.15  # what is farther is cut off before the loss
    error = np.abs(made - truth)[is_near]
    assert np.median(error) < 1e-3 and np.quantile(error, 0.95) < 0.03
    untouched = np.abs(queries[:, 3] - truth)[is_near]
    assert error.mean() < 0.4 * untouched.mean()


def test_normals_stay_on_the_faces() -> None:
    surface = box_points(100)
    np.testing.assert_allclose(
        stretch_normals(surface[:, 3:], np.array([0.5, 2, 1], np.float32)), surface[:, 3:], atol=1e-6
    )
