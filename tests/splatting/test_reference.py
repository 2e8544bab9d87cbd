import numpy as np
import pytest
import torch

from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.reference import pixel_alpha, project, rotation_matrices

VIEW = pinhole(np.eye(4, dtype=np.float32), field_of_view=90.0, resolution=8)


def test_rotations_are_those_of_scipy() -> None:
    from scipy.spatial.transform import Rotation

    quats = np.random.default_rng(0).normal(size=(20, 4))
    truth = Rotation.from_quat(quats, scalar_first=True).as_matrix()
    assert np.abs(rotation_matrices(torch.from_numpy(quats)).numpy() - truth).max() < 1e-12


def test_the_covariance_is_that_of_projected_samples() -> None:
    """Monte Carlo through the true projection, for a Gaussian so small that it is nearly linear."""
    parameters = torch.tensor([[0.3, -0.2, -2.0, -4.0, -5.0, -4.5, 0.9, 0.1, -0.3, 0.2, 0, 1, 1, 1]]).double()
    depth, center, covariance = project(parameters, VIEW)
    axes = rotation_matrices(parameters[:, 6:10])[0].numpy() * np.exp(parameters[0, 3:6].numpy())
    points = parameters[0, :3].numpy() + np.random.default_rng(0).normal(size=(200_000, 3)) @ axes.T
    pixels = VIEW.focal * points[:, :2] * [1, -1] / -points[:, 2:] + 4
    assert depth.item() == pytest.approx(2.0)
    assert pixels.mean(axis=0) == pytest.approx(center[0].numpy(), abs=1e-3)
    spread = np.cov(pixels.T)
    assert spread == pytest.approx(covariance[0].numpy() - 0.3 * np.eye(2), rel=0.02, abs=2e-6)


def test_alpha_at_the_middle_is_the_opacity_and_the_faint_is_nothing() -> None:
    center, covariance = torch.tensor([[4.5, 4.5]]), torch.eye(2)[None]
    alpha = pixel_alpha(torch.tensor([0.7]), center, covariance, 16)[0]
    assert alpha[4, 4].item() == pytest.approx(0.7)
    assert alpha[4, 5].item() == pytest.approx(0.7 * np.exp(-0.5))
    assert alpha[4, 7].item() == pytest.approx(0.7 * np.exp(-4.5)) and alpha[4, 8].item() == 0
    assert pixel_alpha(torch.tensor([1.0]), center, covariance, 16).max().item() == pytest.approx(0.999)
