"""What is asked of optimisers."""

from __future__ import annotations

import copy
import functools
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.errors import UserError
from ferbench.plugin.specs import OptimizerSpec
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation, stored
from ferbench.training.closure import check_closure, passes, update, without_closure


class OptimizerBench:
    """An optimiser, and a small regression to try it on.

    Attributes:
        closure: whether it says that it computes gradients itself.
        calls: of the closure in the last step of `train`.
    """

    def __init__(self, subject: Subject) -> None:
        assert isinstance(subject.component.spec, OptimizerSpec)
        self.closure = subject.component.spec.closure
        self.calls = 0
        self._subject = subject
        generator = torch.Generator().manual_seed(0)
        self._images = torch.randn(64, 8, generator=generator)
        self._truth = self._images @ torch.randn(8, 4, generator=generator)

    def layer(self) -> nn.Linear:
        layer = nn.Linear(8, 4)
        with torch.no_grad():
            for number, parameter in enumerate(layer.parameters()):
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
        return layer

    def build(self, parameters: list[nn.Parameter] | list[dict[str, Any]]) -> torch.optim.Optimizer:
        optimizer = self._subject.build(parameters)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise Violation(f"the builder returns {type(optimizer).__name__}, no torch.optim.Optimizer")
        return optimizer

    def loss(self, layer: nn.Linear) -> Tensor:
        return (layer(self._images) - self._truth).square().mean()

    def gradients(self, layer: nn.Linear, optimizer: torch.optim.Optimizer) -> Tensor:
        """Sets gradients and returns the loss, as a closure does."""
        self.calls += 1
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = self.loss(layer)
            loss.backward()
        return loss.detach()

    def train(self, layer: nn.Linear, optimizer: torch.optim.Optimizer, steps: int) -> float:
        """The loss after some steps."""
        for _ in range(steps):
            self.calls = 0
            update(optimizer, functools.partial(self.gradients, layer, optimizer), self.closure)
        return self.loss(layer).item()


RULES = RuleSet(OptimizerBench)

_TRIED = 4


@RULES.rule(gate=True)
def builds(bench: OptimizerBench) -> str:
    """The builder returns a torch optimiser whose groups have a learning rate."""
    optimizer = bench.build(list(bench.layer().parameters()))
    for group in optimizer.param_groups:
        if not isinstance(group.get("lr"), float | int):
            raise Violation(f"a group's lr is {group.get('lr')!r}, no number that a schedule can scale")
    return f"lr {optimizer.param_groups[0]['lr']:g}"


@RULES.rule(gate=True)
def closure(bench: OptimizerBench) -> str:
    """It calls a closure in each step, or says that it needs none, as it does."""
    layer = bench.layer()
    optimizer = bench.build(list(layer.parameters()))
    try:
        check_closure(optimizer, bench.closure)
        with without_closure():
            for _ in range(_TRIED):
                bench.train(layer, optimizer, 1)
                if not bench.calls:
                    raise Violation("a step does not call the closure that its spec asks for")
    except UserError as error:
        raise Violation(f"{error.message}: {error.remedy}") from error
    if not bench.closure:
        return "one pass a step"
    return f"about {passes(bench.build):g} passes a step"


@RULES.rule()
def lowers_a_loss(bench: OptimizerBench) -> str:
    """Fifty steps on a linear regression lower its loss."""
    layer = bench.layer()
    before = bench.loss(layer).item()
    after = bench.train(layer, bench.build(list(layer.parameters())), 50)
    if not after < before:
        raise Violation(f"the loss goes from {before:.4g} to {after:.4g}")
    return f"{before:.3g} to {after:.3g}"


@RULES.rule()
def groups_keep_their_settings(bench: OptimizerBench) -> None:
    """A group's own learning rate and weight decay stay its own."""
    layer = bench.layer()
    own_settings = {"lr": 1.25e-5, "weight_decay": 0.0}
    groups: list[dict[str, Any]] = [{"params": [layer.weight]}, {"params": [layer.bias], **own_settings}]
    optimizer = bench.build(groups)
    if len(optimizer.param_groups) < 2:
        raise Violation("two groups of parameters become one; give the list to the optimiser as it is")
    (own,) = [group for group in optimizer.param_groups if any(p is layer.bias for p in group["params"])]
    if own["lr"] != 1.25e-5 or own.get("weight_decay", 0.0) != 0.0:
        raise Violation(
            f"a group with lr 1.25e-05 and weight_decay 0 has {own['lr']:g} and {own.get('weight_decay'):g}"
        )


@RULES.rule()
def heeds_the_schedule(bench: OptimizerBench) -> None:
    """A learning rate that a schedule sets to 0 stops the weights."""
    layer = bench.layer()
    optimizer = bench.build(list(layer.parameters()))
    bench.train(layer, optimizer, 1)
    before = copy.deepcopy(layer.state_dict())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    bench.train(layer, optimizer, 3)
    if any(not torch.allclose(before[name], value, atol=1e-7) for name, value in layer.state_dict().items()):
        raise Violation(
            "weights move at lr 0: read the rate from the group at every step, or put back what step() moved"
        )


@RULES.rule()
def state_round_trip(bench: OptimizerBench) -> None:
    """One that is restored goes on as the one that went on."""
    layer = bench.layer()
    optimizer = bench.build(list(layer.parameters()))
    bench.train(layer, optimizer, 3)
    state = stored(optimizer.state_dict(), "plain values and tensors")
    twin = copy.deepcopy(layer)
    other = bench.build(list(twin.parameters()))
    other.load_state_dict(state)
    bench.train(layer, optimizer, 3)
    bench.train(twin, other, 3)
    for (name, one), two in zip(layer.state_dict().items(), twin.state_dict().values(), strict=True):
        if not torch.allclose(one, two, rtol=1e-5, atol=1e-7):
            raise Violation(f"{name} differs three steps after it was restored: its state_dict() lacks something")


@RULES.rule()
def same_calls(bench: OptimizerBench) -> str:
    """One that computes gradients itself does so equally often, and to the same bits, when it meets the same ones."""
    if not bench.closure:
        raise NotApplicable("it is given its gradients")
    found = []
    for seed in range(2):
        layer, counts = bench.layer(), []
        optimizer = bench.build(list(layer.parameters()))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(_TRIED):
                bench.train(layer, optimizer, 1)
                counts.append(bench.calls)
        found.append((counts, layer.state_dict()))
    (one, weights), (two, others) = found
    if one != two:
        raise Violation(f"it calls its closure {one} and {two} times in the same steps: devices of one run come apart")
    if not all(torch.equal(weights[name], others[name]) for name in weights):
        raise Violation("the same gradients lead to different weights: devices of one run come apart")
    return f"{', '.join(map(str, one))} calls in {_TRIED} steps"


@RULES.rule()
def zero_gradient(bench: OptimizerBench) -> None:
    """Where gradients are zero weights stay finite."""
    layer = bench.layer()
    optimizer = bench.build(list(layer.parameters()))

    def learn() -> Tensor:
        for parameter in layer.parameters():
            parameter.grad = 0 * parameter.detach()  # nan where a step has led to nowhere
        return torch.zeros(())

    for _ in range(_TRIED):
        update(optimizer, learn, bench.closure)
    if not all(parameter.isfinite().all() for parameter in layer.parameters()):
        raise Violation("weights become nan: a step divides by the length of a gradient that is zero")


@RULES.rule()
def unused_parameter(bench: OptimizerBench) -> None:
    """A parameter without a gradient, such as of a branch that the loss does not read, stays as it is."""
    layer, unused = bench.layer(), nn.Parameter(torch.ones(3))
    optimizer = bench.build([*layer.parameters(), unused])
    bench.train(layer, optimizer, _TRIED)
    if not torch.equal(unused.detach(), torch.ones(3)):
        raise Violation("a parameter whose grad is None moves")
