"""Sharpness-aware minimisation, against its formulas."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from ferbench import UserError
from ferbench_builtin.optimizers.sam import asam, sam


def quadratic(parameter: nn.Parameter):
    """A closure for half the squared length, whose gradient is the parameter."""

    def closure():
        parameter.grad = parameter.detach().clone()
        return parameter.detach().square().sum() / 2

    return closure


def test_sam_by_hand():
    # g = (3, 4) of length 5: rho = 0.5 goes up by (0.3, 0.4), and 0.1 of the gradient there is taken from where it was.
    parameter = nn.Parameter(torch.tensor([3.0, 4.0]))
    loss = sam([parameter], rho=0.5, lr=0.1, momentum=0.0).step(quadratic(parameter))
    assert loss == 12.5
    torch.testing.assert_close(parameter.detach(), torch.tensor([3 - 0.33, 4 - 0.44]))


def test_asam_by_hand():
    # g = (2, -1), T = (|2| + 1, |-1| + 1) = (3, 2): T g = (6, -2), T² g = (18, -4), up by ρ (18, -4) / √40.
    parameter = nn.Parameter(torch.tensor([[2.0, -1.0]]))
    asam([parameter], rho=0.5, eta=1.0, lr=0.1, momentum=0.0).step(quadratic(parameter))
    up = 0.5 / math.sqrt(40)
    torch.testing.assert_close(parameter.detach(), torch.tensor([[2 - 0.1 * (2 + 18 * up), -1 + 0.1 * (1 + 4 * up)]]))


def test_asam_does_not_rescale_biases():
    with_bias, plain = (nn.Parameter(torch.tensor([2.0, -1.0])) for _ in range(2))
    asam([with_bias], rho=0.5, lr=0.1).step(quadratic(with_bias))
    sam([plain], rho=0.5, lr=0.1).step(quadratic(plain))
    assert torch.equal(with_bias, plain)


def test_the_papers_distances_are_the_defaults():
    """Foret et al. (2021), section 3.1; Kwon et al. (2021), section 5.1."""
    assert sam.__kwdefaults__["rho"] == 0.05
    assert (asam.__kwdefaults__["rho"], asam.__kwdefaults__["eta"]) == (0.5, 0.01)


def problem():
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(5, 3).double()
    with torch.no_grad():
        for each in layer.parameters():
            each.copy_(torch.randn(each.shape, generator=generator))
    return layer, torch.randn(20, 5, generator=generator).double(), torch.arange(20) % 3


def learnt(layer, images, labels, optimizer, steps=5):
    def closure():
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = nn.functional.cross_entropy(layer(images), labels)
            loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)


def expected(layer, images, labels, adaptive, advance, steps=5):
    """Another implementation: gradients by autograd of a function, the step by ``advance(weights, gradients, t)``."""
    weights = [each.detach().clone() for each in (layer.weight, layer.bias)]

    def gradients(values):
        values = [each.clone().requires_grad_() for each in values]
        probabilities = torch.softmax(images @ values[0].T + values[1], dim=1)
        return torch.autograd.grad(-probabilities[torch.arange(len(labels)), labels].log().mean(), values)

    for t in range(1, steps + 1):
        found = gradients(weights)
        scales = [weights[0].abs() + 0.01 if adaptive else 1.0, 1.0]
        length = sum(((scale * each) ** 2).sum() for scale, each in zip(scales, found, strict=True)) ** 0.5
        rho = 0.5 if adaptive else 0.05
        up = [rho * scale**2 * each / length for scale, each in zip(scales, found, strict=True)]
        second = gradients([weight + each for weight, each in zip(weights, up, strict=True)])
        weights = advance(weights, second, t)
    return weights


class Momentum:
    """Of SGD, with an L2 penalty in the gradient."""

    def __init__(self) -> None:
        self.velocities = [0.0, 0.0]

    def __call__(self, weights, gradients, t):
        whole = [each + 0.1 * weight for each, weight in zip(gradients, weights, strict=True)]
        self.velocities = [0.9 * old + new for old, new in zip(self.velocities, whole, strict=True)]
        return [weight - 0.2 * each for weight, each in zip(weights, self.velocities, strict=True)]


class AdamW:
    """Algorithm 2 of Loshchilov and Hutter (2019)."""

    def __init__(self) -> None:
        self.means, self.squares = [0.0, 0.0], [0.0, 0.0]

    def __call__(self, weights, gradients, t):
        self.means = [0.8 * old + 0.2 * new for old, new in zip(self.means, gradients, strict=True)]
        self.squares = [0.99 * old + 0.01 * new**2 for old, new in zip(self.squares, gradients, strict=True)]
        steps = [
            mean / (1 - 0.8**t) / ((square / (1 - 0.99**t)) ** 0.5 + 1e-6)
            for mean, square in zip(self.means, self.squares, strict=True)
        ]
        return [weight - 0.2 * (each + 0.1 * weight) for weight, each in zip(weights, steps, strict=True)]


BASES = {
    "sgd": (Momentum, {"momentum": 0.9}),
    "adamw": (AdamW, {"beta1": 0.8, "beta2": 0.99, "eps": 1e-6}),
}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("rule", [sam, asam])
def test_steps_are_those_of_another_implementation(rule, base):
    layer, images, labels = problem()
    advance, options = BASES[base]
    wanted = expected(layer, images, labels, rule is asam, advance())
    learnt(layer, images, labels, rule(list(layer.parameters()), base=base, lr=0.2, weight_decay=0.1, **options))
    for found, each in zip((layer.weight, layer.bias), wanted, strict=True):
        torch.testing.assert_close(found.detach(), each, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("base", ["sgd", "adam", "adamw"])
def test_with_no_distance_it_is_its_base(base):
    from ferbench_builtin.optimizers.adam import adam
    from ferbench_builtin.optimizers.adamw import adamw
    from ferbench_builtin.optimizers.sgd import sgd

    layer, images, labels = problem()
    twin = copy.deepcopy(layer)
    learnt(layer, images, labels, sam(list(layer.parameters()), base=base, rho=0.0))
    learnt(twin, images, labels, {"sgd": sgd, "adam": adam, "adamw": adamw}[base](list(twin.parameters())))
    assert all(torch.equal(one, two) for one, two in zip(layer.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize("rule", [sam, asam])
@pytest.mark.parametrize("base", ["sgd", "adam", "adamw"])
def test_one_that_is_put_back_goes_on_to_the_same_bits(rule, base):
    layer, images, labels = problem()
    optimizer = rule(list(layer.parameters()), base=base)
    learnt(layer, images, labels, optimizer)
    twin = copy.deepcopy(layer)
    other = rule(list(twin.parameters()), base=base)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, its in ((layer, optimizer), (twin, other)):
        for group in its.param_groups:
            group["lr"] /= 2
        learnt(each, images, labels, its)
    assert all(torch.equal(one, two) for one, two in zip(layer.parameters(), twin.parameters(), strict=True))
    assert other.state_dict()["state"].keys() == {0, 1}


@pytest.mark.parametrize("rule", [sam, asam])
def test_at_rate_0_weights_are_to_the_bit_where_they_were(rule):
    """None of the way up is left, by rounding either."""
    layer, images, labels = problem()
    before = copy.deepcopy(layer)
    optimizer = rule(list(layer.parameters()), rho=3.0)
    optimizer.param_groups[0]["lr"] = 0.0
    learnt(layer, images, labels, optimizer)
    assert all(torch.equal(one, two) for one, two in zip(layer.parameters(), before.parameters(), strict=True))


def test_groups_have_their_own_rates_and_are_climbed_together():
    one, two = nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([4.0]))
    groups = [{"params": [one]}, {"params": [two], "lr": 0.01, "weight_decay": 0.0}]
    optimizer = sam(groups, rho=0.5, lr=0.1, momentum=0.0, weight_decay=1.0)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.1, 1.0), (0.01, 0.0)]

    def closure():
        one.grad, two.grad = one.detach().clone(), two.detach().clone()
        return one.detach()

    optimizer.step(closure)
    assert one.item() == pytest.approx(3 - 0.1 * (3.3 + 3))
    assert two.item() == pytest.approx(4 - 0.01 * 4.4)


@pytest.mark.parametrize(
    ("options", "message", "remedy"),
    [
        ({"beta1": 0.9}, "optimizer.beta1: the base 'sgd' has no beta1", "set optimizer.base to adam or adamw"),
        ({"base": "adam", "nesterov": True}, "optimizer.nesterov: the base 'adam' has no", "set optimizer.base to sgd"),
        ({"nesterov": True, "momentum": 0.0}, "optimizer.nesterov needs momentum", "set optimizer.momentum"),
    ],
)
def test_an_option_that_the_base_does_not_have_is_refused(options, message, remedy):
    with pytest.raises(UserError) as error:
        sam([nn.Parameter(torch.ones(1))], **options)
    assert message in error.value.message
    assert remedy in error.value.remedy
