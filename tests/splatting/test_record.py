import numpy as np
import pytest

from ltm3d.splatting.record import Gaussians, from_parameters, to_parameters


def some(count: int = 5) -> Gaussians:
    return from_parameters(np.random.default_rng(0).normal(size=(count, 14)).astype(np.float32))


def test_table_and_record_are_two_forms_of_one_thing() -> None:
    gaussians = some()
    table = to_parameters(gaussians)
    assert table.shape == (5, 14) and table.dtype == np.float32
    assert np.array_equal(to_parameters(from_parameters(table)), table)
    assert np.array_equal(table[:, 10], gaussians.opacity_logits)


def test_scales_and_opacities_are_in_plain_units() -> None:
    gaussians = some()
    assert np.allclose(np.log(gaussians.scales), gaussians.log_scales, atol=1e-6)
    assert np.allclose(np.log(gaussians.opacities / (1 - gaussians.opacities)), gaussians.opacity_logits, atol=1e-4)


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match=r"quats have the shape \(2, 3\); expected \(2, 4\)"):
        Gaussians(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2), np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"\(3, 13\); expected \[G, 14\]"):
        from_parameters(np.zeros((3, 13)))
