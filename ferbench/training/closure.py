"""Updates by rules that ask for gradients themselves, as often as they like: ``optimizer.step(closure)``."""

from __future__ import annotations

import contextlib
import inspect
import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ferbench.errors import UserError
from ferbench.plugin.culprit import calls, in_use
from ferbench.training.moment import Moment
from ferbench.training.precision import Precision
from ferbench.training.ranks import Ranks

if TYPE_CHECKING:
    from ferbench.training.step import StepResult

Learn = Callable[[], "StepResult"]
_TRIED = 4


class _Overflow(Exception):
    """A gradient is beyond float16 as the loss is scaled now."""


@dataclass(frozen=True, slots=True)
class Held:
    """Copies of weights and of an optimiser's state, before an update."""

    parameters: list[tuple[Tensor, Tensor]]
    optimizer: Any

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer) -> Held:
        """The present ones."""
        own = [each for group in optimizer.param_groups for each in group["params"]]
        return cls([(each, each.detach().clone()) for each in own], _copied(optimizer.state_dict()))

    def put_back(self, optimizer: torch.optim.Optimizer) -> None:
        """Make them the present ones again; they may be needed once more."""
        with torch.no_grad():
            for parameter, value in self.parameters:
                parameter.copy_(value)
        optimizer.load_state_dict(_copied(self.optimizer))


def _copied(state: Any) -> Any:
    return tree_map(lambda part: part.detach().clone() if isinstance(part, Tensor) else part, state)


@dataclass(frozen=True)
class ClosureRule:
    """An update rule that is called with a closure.

    Each call of the closure sets gradients to zero and computes them anew, from all samples of the update, with the
    weights of that moment. All start from the same running statistics, state of the loss and random numbers, so that
    the rule sees one function of the weights; what the first leaves of these stays.

    What is scaled for float16 is unscaled, and clipped, before the rule sees it. Where it overflows, the update is left
    out and the scale lowered, as `torch.amp.GradScaler` does it.

    Attributes:
        model: in training mode.
        loss: the loss plugin.
        optimizer: the rule.
        device: where they are.
        precision: of the passes.
        clip_norm: longest gradient of each call; None: no limit.
        ranks: that share the run; all call the closure equally often.
    """

    model: nn.Module
    loss: Any
    optimizer: torch.optim.Optimizer
    device: torch.device
    precision: Precision
    clip_norm: float | None
    ranks: Ranks

    def step(self, learn: Learn, images: Sequence[Tensor], before: Moment, held: Held) -> StepResult:
        """Update the weights.

        Args:
            learn: computes gradients.
            images: that it computes them from.
            before: the present moment.
            held: the present weights.

        Returns:
            What the first call gave.

        Raises:
            UserError: the rule never calls the closure, or not on all ranks equally often; or the model changes its
                images, so that no second call can have them.
        """
        calls_of = _Calls(self, learn, images, before)
        scaler = self.precision.scaler
        with contextlib.suppress(_Overflow) if scaler is not None else contextlib.nullcontext():
            try:
                self._call(calls_of)
            except _Overflow:
                held.put_back(self.optimizer)
                raise
        if calls_of.first is None:
            raise UserError(
                f"{in_use('optimizer')} does not call its closure, so that there is no gradient",
                "let its step(closure) call it, or leave closure=True out of its ferbench.OptimizerSpec",
            )
        result, after = calls_of.first
        if calls_of.count > 1:
            after.put_back(self.model, self.loss, self.device, weights=False)
        if scaler is not None:
            scaler.update()
        return result

    @calls("optimizer")
    def _call(self, calls_of: _Calls) -> None:
        self.optimizer.step(calls_of.closure)  # type: ignore[arg-type]
        if calls_of.failure is not None:  # the rule has gone on without what it asked for
            raise calls_of.failure
        calls_of.meet(calling=False)


class _Calls:
    """The calls of one update."""

    def __init__(self, rule: ClosureRule, learn: Learn, images: Sequence[Tensor], before: Moment) -> None:
        self._rule, self._learn, self._images, self._before = rule, learn, images, before
        self._versions = [each._version for each in images]
        self._scaled: list[_Scaled] = []
        self.count = 0
        self.first: tuple[StepResult, Moment] | None = None
        self.failure: BaseException | None = None

    def closure(self) -> Tensor:
        """The mean loss, with its gradients in the parameters."""
        try:
            return self._computed()
        except BaseException as error:
            self.failure = error
            raise

    def _computed(self) -> Tensor:
        rule = self._rule
        self.meet(calling=True)
        self.count += 1
        if self.first is not None:
            if self._versions != [each._version for each in self._images]:
                raise UserError(
                    f"{in_use('model')} changes its images in place, and {in_use('optimizer')} needs them again",
                    "let the model leave its input as it is",
                )
            self._before.put_back(rule.model, rule.loss, rule.device, weights=False)
        with torch.enable_grad():
            result = self._learn()
        if self.first is None:
            self.first = result, Moment.of(rule.model, rule.loss, rule.device)
        self._finish()
        return result.loss.clone()

    def meet(self, *, calling: bool) -> None:
        """Wait for the other ranks to do the same, each of which would wait for gradients for ever otherwise."""
        ranks = self._rule.ranks
        if ranks.count > 1 and int(ranks.add(torch.tensor([int(calling)]))) != int(calling) * ranks.count:
            raise UserError(
                f"{in_use('optimizer')} calls its closure more often on one device than on another",
                "let it decide by gradients and the loss alone, which are the same on all devices",
            )

    def _finish(self) -> None:
        """Unscale and clip the gradients."""
        rule, scaler = self._rule, self._rule.precision.scaler
        if scaler is not None:
            self._scaled.append(_Scaled(rule.optimizer.param_groups))
            scaler.unscale_(self._scaled[-1])  # type: ignore[arg-type]
        parameters = [each for group in rule.optimizer.param_groups for each in group["params"]]
        if scaler is not None and not _finite(parameters):
            raise _Overflow
        if rule.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, rule.clip_norm)


@dataclass(eq=False)
class _Scaled:
    """The parameters of a call, for a scaler that unscales each optimiser's once an update."""

    param_groups: list[dict[str, Any]]


def _finite(parameters: Sequence[Tensor]) -> bool:
    largest = [torch.linalg.vector_norm(each.grad, math.inf) for each in parameters if each.grad is not None]
    return not largest or bool(torch.stack(largest).isfinite().all())


@contextlib.contextmanager
def without_closure() -> Iterator[None]:
    """Around the call of a rule that has not said that it needs a closure.

    Raises:
        UserError: that it does.
    """
    try:
        yield
    except Exception as error:
        if _misses_closure(error):
            raise _undeclared() from error
        raise


def _misses_closure(error: Exception) -> bool:
    if isinstance(error, (AssertionError, RuntimeError, TypeError, ValueError)) and "closure" in str(error):
        return True
    last = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
    return isinstance(error, (AssertionError, TypeError)) and last.f_locals.get("closure", last) is None


def _undeclared() -> UserError:
    return UserError(
        f"{in_use('optimizer')} needs a closure, and does not say so",
        "set closure=True in its ferbench.OptimizerSpec",
    )


def check_closure(optimizer: torch.optim.Optimizer, closure: bool) -> None:
    """Refuse an optimiser whose ``step`` does not take what its spec says.

    Args:
        optimizer: the optimiser.
        closure: whether it is said to use one.

    Raises:
        UserError: saying which of the two to change.
    """
    needed, taken = False, False
    for parameter in inspect.signature(optimizer.step).parameters.values():
        several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        taken |= parameter.kind is not parameter.VAR_KEYWORD and parameter.kind is not parameter.KEYWORD_ONLY
        needed |= parameter.name == "closure" and parameter.default is parameter.empty and not several
    if closure and not taken:
        raise UserError(
            f"{in_use('optimizer')} says that it uses a closure, which its step() does not take",
            "let it be step(closure), or leave closure=True out of its ferbench.OptimizerSpec",
        )
    if needed and not closure:
        raise _undeclared()


def update(optimizer: torch.optim.Optimizer, learn: Callable[[], Tensor], closure: bool) -> None:
    """One update outside a training.

    Args:
        optimizer: the rule.
        learn: sets gradients and returns the loss.
        closure: whether the rule calls that itself.
    """
    if closure:
        optimizer.step(learn)  # type: ignore[arg-type]
    else:
        learn()
        optimizer.step()


def passes(build: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> float:
    """How often a rule calls its closure in an update, as the mean of some on a small regression.

    Args:
        build: the builder of an optimiser that uses a closure.
    """
    images = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    layer, count = nn.Linear(8, 4), 0
    optimizer = build(list(layer.parameters()))

    def learn() -> Tensor:
        nonlocal count
        count += 1
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = (layer(images) - images[:, :4]).square().mean()
            loss.backward()
        return loss.detach()

    with torch.random.fork_rng(devices=[]):
        for _ in range(_TRIED):
            optimizer.step(learn)  # type: ignore[arg-type]
    return count / _TRIED
