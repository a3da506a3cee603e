import math
from copy import deepcopy

import pytest
import torch
from torch import nn

from ferbench_builtin.optimizers.adam import adam


def steps(gradients: list[float], start: float = 1.0, **options: float) -> float:
    """The value of one parameter after a step with each of these gradients."""
    parameter = nn.Parameter(torch.tensor([start]))
    optimizer = adam([parameter], **options)
    for gradient in gradients:
        parameter.grad = torch.tensor([gradient])
        optimizer.step()
    return parameter.item()


def test_first_step_moves_by_the_learning_rate_against_the_gradient():
    # With both means bias-corrected, the first update is lr * g / (|g| + eps) (Kingma and Ba, algorithm 1).
    assert steps([5.0], lr=0.01) == pytest.approx(0.99, rel=1e-6)
    assert steps([-5.0], lr=0.01) == pytest.approx(1.01, rel=1e-6)


def test_second_step_by_hand():
    # m = (0.1 * 0.9 * 1 + 0.1 * 3) / (1 - 0.81), v = (0.001 * 0.999 * 1 + 0.001 * 9) / (1 - 0.998001)
    mean = (0.09 + 0.3) / 0.19
    square = (0.000999 + 0.009) / 0.001999
    expected = 1.0 - 0.01 - 0.01 * mean / (math.sqrt(square) + 1e-8)
    assert steps([1.0, 3.0], lr=0.01) == pytest.approx(expected, rel=1e-6)


def test_weight_decay_is_an_l2_penalty_in_the_gradient():
    # With decay alone the gradient is decay * value, so the first step still moves by the learning rate.
    assert steps([0.0], lr=0.01, weight_decay=0.1) == pytest.approx(0.99, rel=1e-6)


def test_groups_keep_rates_of_their_own():
    slow, fast = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = adam([{"params": [slow], "lr": 1e-5}, {"params": [fast]}], lr=1e-2)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-5, 1e-2]


def test_training_repeats_bit_for_bit():
    def train() -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 3))
        optimizer = adam(list(model.parameters()))
        images = torch.rand(16, 20)
        for _ in range(20):
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(train(), train())


def test_state_survives_saving_and_loading():
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimizer = adam([parameter], lr=0.01)
    parameter.grad = torch.tensor([1.0])
    optimizer.step()
    copy = nn.Parameter(parameter.detach().clone())
    restored = adam([copy], lr=0.01)
    restored.load_state_dict(deepcopy(optimizer.state_dict()))
    parameter.grad, copy.grad = torch.tensor([3.0]), torch.tensor([3.0])
    optimizer.step()
    restored.step()
    assert torch.equal(parameter, copy)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_works_on_cuda():
    parameter = nn.Parameter(torch.ones(1, device="cuda"))
    optimizer = adam([parameter], lr=0.01)
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert parameter.item() == pytest.approx(0.99, rel=1e-6)
