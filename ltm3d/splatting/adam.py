"""Compiled Adam (Kingma & Ba 2015, algorithm 1) on a table of parameters whose columns have rates and bounds."""

import math

import numpy as np

from ltm3d.compilation import compiled

_BETA_1, _BETA_2, _EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-15)
_ONE = np.float32(1)


class Adam:
    """The state of Adam for a table float32 [G, P].

    Args:
        low, high: what each column stays within [P].
    """

    def __init__(self, shape: tuple[int, int], *, low: np.ndarray, high: np.ndarray) -> None:
        self._first, self._second = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._low, self._high = low.astype(np.float32), high.astype(np.float32)
        self._num_steps = 0

    def step(self, parameters: np.ndarray, gradient: np.ndarray, rates: np.ndarray) -> None:
        """Move parameters [G, P] in place against a gradient [G, P], at learning rates [P]."""
        self._num_steps += 1
        rates = rates / (1 - float(_BETA_1) ** self._num_steps)
        unbias = np.float32(1 / math.sqrt(1 - float(_BETA_2) ** self._num_steps))
        state = self._first, self._second
        _update(parameters, gradient, *state, rates.astype(np.float32), unbias, self._low, self._high)


@compiled()
def _update(
    parameters: np.ndarray,
    gradient: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    rates: np.ndarray,
    unbias: float,
    low: np.ndarray,
    high: np.ndarray,
) -> None:
    for i in range(parameters.shape[0]):
        for k in range(parameters.shape[1]):
            g = gradient[i, k]
            m = _BETA_1 * first[i, k] + (_ONE - _BETA_1) * g
            v = _BETA_2 * second[i, k] + (_ONE - _BETA_2) * g * g
            first[i, k], second[i, k] = m, v
            value = parameters[i, k] - rates[k] * m / (np.float32(math.sqrt(v)) * unbias + _EPSILON)
            parameters[i, k] = min(max(value, low[k]), high[k])
