import copy

import pytest
import torch
from toy_training import ToyModel, toy_config

from ltm3d.errors import ConfigError
from ltm3d.training.optimizer import build_optimizer, carry_fault, clip_or_skip, split_by_decay


def test_weight_decay_is_on_matrices_the_model_does_not_exempt() -> None:
    model = ToyModel()
    decayed, others = split_by_decay(model)
    names = {id(value): name for name, value in model.named_parameters()}
    assert {names[id(value)] for value in decayed} == {"body.0.weight", "body.3.weight", "unused"}
    assert len(decayed) + len(others) == len(names)


def test_an_exempt_name_the_model_does_not_have_is_an_error() -> None:
    model = ToyModel()
    model.no_weight_decay = ("haed",)  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="haed"):
        split_by_decay(model)


@pytest.mark.parametrize("grad_clip", [0.0, 2.0])
def test_clipping_scales_all_gradients_alike(grad_clip: float) -> None:
    parameters = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    norm = clip_or_skip(torch.optim.AdamW(parameters, fused=True), parameters, grad_clip)
    assert norm.item() == pytest.approx(5.0)
    factor = 2.0 / 5.0 if grad_clip else 1.0
    assert parameters[0].grad[0].item() == pytest.approx(3.0 * factor)
    assert parameters[1].grad[0].item() == pytest.approx(4.0 * factor)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_whose_gradient_is_not_finite_changes_no_bit(bad: float) -> None:
    model = ToyModel()
    optimizer = build_optimizer(model, toy_config())
    parameters = list(model.parameters())

    def step(value: float) -> None:
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, 0.1)
        parameters[0].grad[0] = value  # type: ignore[index]
        clip_or_skip(optimizer, parameters, 1.0)
        optimizer.step()

    step(0.1)
    weights, state = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict()["state"])
    step(bad)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    for index, moments in optimizer.state_dict()["state"].items():
        assert all(torch.equal(value, state[index][name]) for name, value in moments.items())
    step(0.1)
    assert not torch.equal(parameters[0], weights["unused"] if parameters[0].shape == (3, 3) else torch.zeros(()))
    assert optimizer.state_dict()["state"][0]["step"].item() == 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_makes_every_gradient_so(bad: float) -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    carry_fault(weight.sum() + bad).backward()
    assert weight.grad is not None and bool(weight.grad.isnan().all())


def test_a_finite_loss_is_differentiated_as_it_is() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    loss = carry_fault(weight.square().sum())
    loss.backward()
    assert loss.item() == 5.0
    assert weight.grad is not None and torch.equal(weight.grad, 2 * weight.detach())
