import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from shapes import sphere

from ltm3d.geometry.surface_points import sample_surface
from ltm3d.splatting.initialization import initialize, rotation_to, spacing


def test_discs_lie_flat_on_the_surface() -> None:
    samples = sample_surface(sphere(), 500, np.random.default_rng(0))
    gaussians = initialize(samples.points, samples.normals, samples.colors, scale=0.5, flatness=0.1, opacity=0.8)
    axes = Rotation.from_quat(gaussians.quats, scalar_first=True).as_matrix()
    assert np.allclose(np.abs(np.einsum("gx,gx->g", axes[:, :, 2], samples.normals)), 1, atol=1e-5)
    assert np.allclose(gaussians.scales[:, 0], 0.5 * spacing(samples.points), rtol=1e-5)
    assert np.allclose(gaussians.scales[:, 2], 0.1 * gaussians.scales[:, 0], rtol=1e-5)
    assert np.allclose(gaussians.opacities, 0.8) and np.allclose(gaussians.colors, 160 / 255)


def test_spacing_is_the_distance_to_neighbours() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(5) * 0.1] * 2, [0.0]), axis=-1).reshape(-1, 3)
    assert np.median(spacing(grid)) == pytest.approx(0.1)
    assert spacing(np.zeros((4, 3))) == pytest.approx([1e-3] * 4)  # four in one place
    assert spacing(np.zeros((1, 3))) == pytest.approx([0.3])  # alone


def test_every_normal_has_a_rotation() -> None:
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    assert np.allclose(np.linalg.norm(rotation_to(normals), axis=1), 1)
    axes = Rotation.from_quat(rotation_to(normals), scalar_first=True).as_matrix()[:, :, 2]
    assert np.allclose(np.abs(np.einsum("gx,gx->g", axes, normals)), 1)
