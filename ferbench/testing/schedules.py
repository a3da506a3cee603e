"""What is asked of learning-rate schedules."""

from __future__ import annotations

import math
from typing import Any

from ferbench.testing.rules import RuleSet, Subject, Violation, stored
from ferbench.training.scores import Scores

_EPOCHS, _STEPS = 12, 5
_RATES = (0.1, 0.001)


class ScheduleBench:
    """A schedule over twelve epochs of five steps, in which validation first improves and then does not."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def build(self, rates: tuple[float, ...] = _RATES) -> Any:
        return self._subject.build_callable(rates, _EPOCHS, _STEPS)

    def scores(self, epoch: int) -> Scores | None:
        """What is known at the beginning of an epoch, from 1: the scores of the one before."""
        if epoch == 1:
            return None
        quality = min(0.2 * epoch, 0.6)
        by_class = dict.fromkeys(self._subject.class_names, quality)
        metrics = dict.fromkeys(("accuracy", "macro_f1", "macro_recall", "worst_class_f1"), quality)
        return Scores(epoch - 1, {"loss": 1 - quality, **metrics}, by_class, by_class, by_class)

    def rates(self, schedule: Any, first: int = 1, last: int = _EPOCHS) -> list[Any]:
        """What it gives for every step of some epochs."""
        steps = [(epoch, (epoch - 1) * _STEPS + k) for epoch in range(first, last + 1) for k in range(_STEPS)]
        return [schedule(step, self.scores(epoch)) for epoch, step in steps]


RULES = RuleSet(ScheduleBench)


@RULES.rule(gate=True)
def builds(bench: ScheduleBench) -> None:
    """The builder returns something that can be called."""
    bench.build()


@RULES.rule(gate=True)
def one_rate_per_group(bench: ScheduleBench) -> None:
    """Every step gives a finite rate of at least 0 for each group."""
    for step, rates in enumerate(bench.rates(bench.build())):
        if not isinstance(rates, tuple) or len(rates) != len(_RATES):
            raise Violation(f"step {step} gives {rates!r}, no tuple of {len(_RATES)} rates")
        if not all(isinstance(rate, float | int) and math.isfinite(rate) and rate >= 0 for rate in rates):
            raise Violation(f"step {step} gives {rates}; rates are finite and at least 0")


@RULES.rule()
def inputs_unchanged(bench: ScheduleBench) -> None:
    """The scores that it is given stay as they are."""
    schedule, scores = bench.build(), bench.scores(2)
    schedule(_STEPS, scores)
    if scores != bench.scores(2):
        raise Violation("it changes the scores: work with a copy, such as dict(scores.metrics)")


@RULES.rule()
def proportions(bench: ScheduleBench) -> None:
    """Twice the optimiser's rates give twice the rates."""
    plain = bench.rates(bench.build())
    double = bench.rates(bench.build((2 * _RATES[0], 2 * _RATES[1])))
    for step, (one, two) in enumerate(zip(plain, double, strict=True)):
        if any(not math.isclose(2 * a, b, rel_tol=1e-6, abs_tol=1e-12) for a, b in zip(one, two, strict=True)):
            raise Violation(f"step {step} gives {one} and {two}: scale the rates that the builder is given")


@RULES.rule()
def state_round_trip(bench: ScheduleBench) -> None:
    """One that is restored goes on as the one that went on."""
    half = _EPOCHS // 2
    first = bench.build()
    bench.rates(first, 1, half)
    restored = bench.build()
    if hasattr(first, "state_dict"):
        restored.load_state_dict(stored(first.state_dict(), "plain values"))
    if bench.rates(first, half + 1) != bench.rates(restored, half + 1):
        raise Violation("it remembers what its state_dict() and load_state_dict() do not carry")
