"""AdamW, SGD and timm's optimisers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ferbench import UserError
from ferbench_builtin.optimizers.adam import adam
from ferbench_builtin.optimizers.adamw import adamw
from ferbench_builtin.optimizers.sgd import sgd
from ferbench_builtin.optimizers.timm_optimizers import timm_optimizer


def steps(builder, gradients: list[float], **options) -> float:
    """The value of one parameter, 1 at the start, after a step with each of these gradients."""
    parameter = nn.Parameter(torch.ones(1))
    optimizer = builder([parameter], **options)
    for gradient in gradients:
        parameter.grad = torch.tensor([gradient])
        optimizer.step()
    return parameter.item()


def test_adamw_takes_decay_from_the_weights_and_not_through_the_gradient():
    # The gradient is 0: the weight loses lr * weight_decay of itself, nothing else.
    assert steps(adamw, [0.0], lr=0.1, weight_decay=0.5) == pytest.approx(0.95)
    assert steps(adamw, [5.0], lr=0.1, weight_decay=0.0) == pytest.approx(0.9)


@pytest.mark.parametrize("builder", [adam, adamw])
@pytest.mark.parametrize(("beta1", "beta2", "eps"), [(0.5, 0.9, 1e-8), (0.8, 0.99, 0.3), (0.0, 0.95, 0.01)])
def test_decays_and_epsilon_are_those_of_kingma_and_ba(builder, beta1, beta2, eps):
    """Algorithm 1 of "Adam: A method for stochastic optimization" (2015)."""
    gradients = [1.0, -3.0, 0.5, 2.0]
    expected, mean, square = 1.0, 0.0, 0.0
    for t, gradient in enumerate(gradients, start=1):
        mean, square = beta1 * mean + (1 - beta1) * gradient, beta2 * square + (1 - beta2) * gradient**2
        expected -= 0.1 * mean / (1 - beta1**t) / ((square / (1 - beta2**t)) ** 0.5 + eps)
    got = steps(builder, gradients, lr=0.1, beta1=beta1, beta2=beta2, eps=eps, weight_decay=0.0)
    assert got == pytest.approx(expected, rel=1e-5)


def test_sgd_by_hand():
    # v1 = 1, v2 = 0.9 + 2: the weight loses 0.1 * (1 + 2.9).
    assert steps(sgd, [1.0, 2.0], lr=0.1) == pytest.approx(1 - 0.39)


def test_nesterov_by_hand():
    # Steps 0.1 * (g + 0.9 v): v1 = 1, v2 = 2.9.
    expected = 1 - 0.1 * (1 + 0.9) - 0.1 * (2 + 0.9 * 2.9)
    assert steps(sgd, [1.0, 2.0], lr=0.1, nesterov=True) == pytest.approx(expected)


def test_sgds_decay_is_an_l2_penalty():
    assert steps(sgd, [0.0], lr=0.1, weight_decay=0.5) == pytest.approx(0.95)


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(UserError, match="nesterov needs momentum"):
        sgd([nn.Parameter(torch.ones(1))], momentum=0.0, nesterov=True)


@pytest.mark.parametrize("builder", [adamw, sgd, timm_optimizer])
def test_groups_keep_rates_and_decays_of_their_own(builder):
    groups = [
        {"params": [nn.Parameter(torch.ones(2, 2))]},
        {"params": [nn.Parameter(torch.ones(2))], "lr": 1e-5, "weight_decay": 0.0},
    ]
    first, second = builder(groups, lr=0.1, weight_decay=0.3).param_groups
    assert (first["lr"], first["weight_decay"]) == (0.1, 0.3)
    assert (second["lr"], second["weight_decay"]) == (1e-5, 0.0)


def test_lion_of_timm_moves_by_the_rate_in_the_direction_of_the_sign():
    # Chen et al. 2023: the first step is lr * sign(g).
    assert steps(timm_optimizer, [0.001], algorithm="lion", lr=0.25) == pytest.approx(0.75)


@pytest.mark.parametrize("algorithm", ["nadamw", "lamb", "adopt", "muon", "rmsproptf", "lookahead_radam"])
def test_algorithms_of_timm_lower_a_loss(algorithm):
    torch.manual_seed(0)
    layer, images = nn.Linear(8, 4), torch.randn(64, 8)
    optimizer = timm_optimizer(list(layer.parameters()), algorithm=algorithm, lr=0.01)
    losses = []
    for _ in range(30):
        loss = (layer(images) - images[:, :4]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_options_reach_the_algorithm():
    (group,) = timm_optimizer([nn.Parameter(torch.ones(1))], algorithm="lion", lr=1.0, betas=(0.5, 0.75)).param_groups
    assert tuple(group["betas"]) == (0.5, 0.75)
    (group,) = timm_optimizer([nn.Parameter(torch.ones(1))], algorithm="sgd", lr=1.0, momentum=0.5).param_groups
    assert group["momentum"] == 0.5


@pytest.mark.parametrize(
    ("options", "message", "remedy"),
    [
        ({"algorithm": "lionn"}, "no optimiser 'lionn'", "did you mean 'lion'?"),
        ({"algorithm": "adahessian"}, "second derivatives", "another"),
        ({"algorithm": "sgd", "betas": (0.9, 0.99)}, "takes 0", "leave"),
        ({"algorithm": "adan", "betas": (0.9, 0.99)}, "takes 3", "3 numbers"),
        ({"algorithm": "lion", "momentum": 0.9}, "no momentum", "leave"),
        ({"algorithm": "adafactor"}, "sets its own rates", "optimizer.lr"),
    ],
)
def test_what_timm_cannot_do_is_named(options, message, remedy):
    with pytest.raises(UserError, match=message) as error:
        timm_optimizer([nn.Parameter(torch.ones(1))], **options)
    assert remedy in error.value.remedy
