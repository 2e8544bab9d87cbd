import numpy as np
import pytest
import torch

from ltm3d.splatting import reference
from ltm3d.splatting.camera import MIN_TRANSMITTANCE, NEAR, Pinhole, pinhole
from ltm3d.splatting.rasterize import composite, from_blocks, front_to_back, rasterize, rasterize_backward, to_blocks
from ltm3d.splatting.record import COLORS, LOG_SCALES, MEANS, OPACITY_LOGIT, QUATS

RESOLUTION = 24


def camera_at(position: tuple[float, float, float]) -> np.ndarray:
    """Look along -z from a position."""
    camera = np.eye(4, dtype=np.float32)
    camera[:3, 3] = position
    return camera


def view_from(position: tuple[float, float, float] = (0.0, 0.0, 3.0), resolution: int = RESOLUTION) -> Pinhole:
    return pinhole(camera_at(position), field_of_view=40.0, resolution=resolution)


def scene(count: int, seed: int, *, scales: tuple[float, float] = (0.02, 0.4), spread: float = 1.0) -> np.ndarray:
    """Random Gaussians, float32 [G, 14]."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.uniform(-spread, spread, (count, 3)),
        np.log(rng.uniform(*scales, (count, 3))),
        rng.normal(size=(count, 4)),
        2 * rng.normal(size=(count, 1)),
        rng.random((count, 3)),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def one(
    mean: tuple[float, float, float], *, scale: float, logit: float = 8.0, color: tuple[float, ...] = (1, 0, 0)
) -> np.ndarray:
    """One round Gaussian [1, 14]."""
    return np.array([[*mean, *[np.log(scale)] * 3, 1, 0, 0, 0, logit, *color]], np.float32)


SCENES = {
    "scattered": (scene(60, 0), view_from()),
    "from within, half of it behind the camera": (scene(80, 1), view_from((0.1, 0.0, 0.2))),
    "tiny": (scene(200, 2, scales=(1e-5, 1e-3)), view_from()),
    "huge": (scene(20, 3, scales=(1.0, 5.0)), view_from()),
    "needles and plates": (scene(60, 4, scales=(1e-3, 1.0)), view_from()),
    "a hundred in one place": (scene(100, 5, spread=0.02), view_from()),
    "empty": (scene(0, 6), view_from()),
}


def reference_rgba(parameters: np.ndarray, view: Pinhole) -> np.ndarray:
    return reference.rasterize(torch.from_numpy(parameters).double(), view).numpy()


@pytest.mark.parametrize(("parameters", "view"), SCENES.values(), ids=SCENES)
def test_the_pixels_are_the_references(parameters: np.ndarray, view: Pinhole) -> None:
    drawing = rasterize(parameters, view)
    error = np.abs(drawing.rgba - reference_rgba(parameters, view)).max(axis=2)
    # A splat that is 1/255 opaque at a pixel is drawn or not by the last digit: there, and only there, up to 1/255.
    assert np.percentile(error, 99) < 2e-5 and error.max() < 5e-3
    if len(parameters):
        assert drawing.rgba[..., 3].max() > 0.05
    else:
        assert not drawing.rgba.any()


def test_a_gaussian_lies_where_the_camera_sees_its_mean() -> None:
    """An eighth of the picture to the right and up: the axes of OpenGL, rows from the top."""
    view = view_from(resolution=32)
    step = 2 * 3.0 * view.half_tangent / 8
    alpha = rasterize(one((step, step, 0.0), scale=0.05), view).rgba[..., 3]
    rows, columns = np.indices(alpha.shape) + 0.5
    assert (alpha * columns).sum() / alpha.sum() == pytest.approx(16 + 4, abs=0.02)
    assert (alpha * rows).sum() / alpha.sum() == pytest.approx(16 - 4, abs=0.02)


def test_the_projected_width_is_that_of_the_pinhole() -> None:
    """A round Gaussian of s at depth d has the variance (f s / d)² + 0.3 pixels²."""
    view = view_from(resolution=64)
    alpha = rasterize(one((0.0, 0.0, 0.0), scale=0.1, logit=0.0), view).rgba[..., 3].astype(np.float64)
    row = alpha[32]
    inside = row > 0.02
    offset = np.arange(64)[inside] + 0.5 - 32
    curvature = np.polyfit(offset**2, np.log(row[inside]), 1)[0]
    assert -0.5 / curvature == pytest.approx((view.focal * 0.1 / 3) ** 2 + 0.3, rel=1e-3)


def test_the_nearer_one_hides_the_other_in_any_order() -> None:
    near, far = one((0, 0, 0.5), scale=0.3), one((0, 0, -0.5), scale=0.3, color=(0, 1, 0))
    view = view_from()
    rgbas = [rasterize(np.concatenate(pair), view).rgba for pair in ((near, far), (far, near))]
    assert np.array_equal(*rgbas)
    assert rgbas[0][RESOLUTION // 2, RESOLUTION // 2] == pytest.approx([1, 0, 0, 1], abs=0.06)


def test_what_is_behind_the_camera_or_too_near_is_not_drawn() -> None:
    for depth in (-1.0, 0.0, NEAR / 2):
        assert not rasterize(one((0, 0, 3 - depth), scale=0.5), view_from()).rgba.any()


def test_a_full_pixel_takes_nothing_more() -> None:
    layers = np.concatenate([one((0, 0, 0.01 * i), scale=2.0, logit=12.0, color=(i % 2, 1, 0)) for i in range(6)])
    rgba = rasterize(layers, view_from()).rgba
    assert (1 - rgba[..., 3]).min() > MIN_TRANSMITTANCE
    assert np.abs(rgba - reference_rgba(layers, view_from())).max() < 1e-5


@pytest.mark.parametrize(("parameters", "view"), SCENES.values(), ids=SCENES)
def test_the_gradient_is_autograds(parameters: np.ndarray, view: Pinhole) -> None:
    rgba_gradient = np.random.default_rng(9).normal(size=(RESOLUTION, RESOLUTION, 4)).astype(np.float32)
    gradient = rasterize_backward(parameters, view, rasterize(parameters, view), to_blocks(rgba_gradient))
    leaf = torch.from_numpy(parameters).double().requires_grad_()
    (reference.rasterize(leaf, view) * torch.from_numpy(rgba_gradient)).sum().backward()
    truth = leaf.grad.numpy()
    assert gradient.shape == parameters.shape and np.isfinite(gradient).all()
    for part in (MEANS, LOG_SCALES, QUATS, slice(OPACITY_LOGIT, OPACITY_LOGIT + 1), COLORS):
        error = np.linalg.norm(gradient[:, part] - truth[:, part])
        assert error <= 1e-3 * np.linalg.norm(truth[:, part])


def test_same_input_same_bytes() -> None:
    parameters, view = SCENES["scattered"]
    first, second = (rasterize(parameters, view) for _ in range(2))
    assert first.rgba.tobytes() == second.rgba.tobytes()
    gradients = [rasterize_backward(parameters, view, drawing, first.blocks) for drawing in (first, second)]
    assert gradients[0].tobytes() == gradients[1].tobytes()


def test_blocks_and_rgba_are_two_views_of_one_thing() -> None:
    rgba = np.random.default_rng(0).random((3, 8, 12, 5)).astype(np.float32)
    assert to_blocks(rgba).shape == (3, 4, 3, 5, 8)
    assert np.array_equal(from_blocks(to_blocks(rgba)), rgba)


def test_depths_are_sorted_as_floats_with_ties_in_order() -> None:
    depth = np.array([3.0, 0.5, np.inf, 0.5, 1e-3, 700.0, 0.50001], np.float32)
    assert front_to_back(depth).tolist() == [4, 1, 3, 6, 0, 5]


def test_composite_lays_the_pixels_over_the_background() -> None:
    rgba = np.array([[[0.1, 0.2, 0.3, 0.5]]], np.float32)
    assert composite(rgba, np.ones(3, np.float32))[0, 0] == pytest.approx([0.6, 0.7, 0.8])


def test_an_odd_resolution_is_refused() -> None:
    with pytest.raises(ValueError, match="resolution 30 is not a multiple of 4"):
        rasterize(scene(1, 0), view_from(resolution=30))
