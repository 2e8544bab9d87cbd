import torch

from ltm3d.diffusion.guidance import guide, linear_guidance


def test_scale_zero_and_two() -> None:
    conditional, unconditional = torch.tensor([[3.0]]), torch.tensor([[1.0]])
    assert float(guide(conditional, unconditional, 0.0)) == 1.0
    assert float(guide(conditional, unconditional, 2.0)) == 5.0


def test_guidance_grows_from_one_to_its_scale() -> None:
    scales = [linear_guidance(3.0, num_known=known, num_tokens=64) for known in range(65)]
    assert scales[0] == 1.0
    assert scales[-1] == 3.0
    assert scales == sorted(scales)
