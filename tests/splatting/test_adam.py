import numpy as np

from ltm3d.splatting.adam import Adam

RATES = np.array([1e-2, 1e-1, 0.0])


def test_steps_are_those_of_algorithm_1() -> None:
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(6, 3)), rng.normal(size=(20, 6, 3))
    ours, truth = start.astype(np.float32), start.copy()
    adam = Adam(start.shape, low=np.full(3, -np.inf), high=np.full(3, np.inf))
    first, second = np.zeros_like(start), np.zeros_like(start)
    for t, gradient in enumerate(gradients, start=1):
        adam.step(ours, gradient.astype(np.float32), RATES)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        truth -= RATES * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-15)
    assert np.abs(ours - truth).max() < 1e-5


def test_what_has_no_gradient_stays_and_bounds_hold() -> None:
    parameters = np.full((2, 3), 0.5, np.float32)
    adam = Adam(parameters.shape, low=np.zeros(3), high=np.full(3, 0.7))
    for _ in range(30):
        adam.step(parameters, np.array([[1, -1, 1], [0, 0, 0]], np.float32), RATES)
    assert np.allclose(parameters[0], [0.2, 0.7, 0.5], atol=1e-5)
    assert (parameters[1] == 0.5).all()
