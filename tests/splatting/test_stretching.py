import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ltm3d.splatting.record import Gaussians
from ltm3d.splatting.stretching import stretch_gaussians


def covariances(gaussians: Gaussians) -> np.ndarray:
    axes = Rotation.from_quat(gaussians.quats, scalar_first=True).as_matrix() * gaussians.scales[:, None, :]
    return axes @ axes.transpose(0, 2, 1)


@pytest.mark.parametrize("stretch", [(1.0, 1.0, 1.0), (0.8, 1.2, 0.9), (-1.0, 1.0, 1.0), (-1.3, 0.7, 1.0)])
def test_the_covariance_is_that_of_the_stretched_space(stretch: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(0)
    gaussians = Gaussians(
        means=rng.normal(size=(50, 3)),
        log_scales=rng.uniform(-4, -1, (50, 3)),
        quats=rng.normal(size=(50, 4)),
        opacity_logits=rng.normal(size=50),
        colors=rng.random((50, 3)),
    )
    made = stretch_gaussians(gaussians, np.array(stretch, np.float32))
    matrix = np.diag(stretch)
    np.testing.assert_allclose(covariances(made), matrix @ covariances(gaussians) @ matrix, atol=1e-5)
    np.testing.assert_allclose(made.means, gaussians.means * stretch, rtol=1e-5)
    assert (np.diff(made.log_scales, axis=1) <= 0).all() and (made.quats[:, 0] > 0).all()
    np.testing.assert_array_equal(made.colors, gaussians.colors)
