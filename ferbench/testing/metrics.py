"""What is asked of metrics."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ferbench.metrics.predicted import Predictions
from ferbench.plugin.measuring import number_of
from ferbench.plugin.specs import MetricSpec
from ferbench.testing.rules import NotApplicable, RuleSet, Subject, Violation

_SUBJECTS, _EACH = 10, 8
#: Sums of floats in another order may differ by so much.
_ROUNDING = 1e-9


class MetricBench:
    """A metric, and predictions of 80 samples of ten people of which everything is known."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        spec = subject.component.spec
        assert isinstance(spec, MetricSpec)
        self.spec = spec
        self.class_names = subject.class_names
        n, classes, draws = _SUBJECTS * _EACH, len(subject.class_names), np.random.default_rng(0)
        labels = draws.permutation(np.arange(n) % classes)
        votes = draws.dirichlet(np.ones(classes), n) + np.eye(classes)[labels]
        affect = draws.uniform(-1, 1, (n, 2))
        self.ordinary = Predictions(
            ids=np.array([f"sample-{k:03}" for k in range(n)]),
            labels=labels,
            probabilities=draws.dirichlet(np.ones(classes), n),
            class_names=subject.class_names,
            votes=votes / votes.sum(axis=1, keepdims=True),
            affect_truth=affect,
            affect=np.clip(affect + draws.normal(0, 0.3, (n, 2)), -1, 1),
            subjects=np.array([f"person-{k % _SUBJECTS}" for k in range(n)]),
        )

    def check_options(self) -> None:
        """Refuse options, which nobody could give."""
        options = self._subject.component.options().fields
        if options:
            raise Violation(
                f"it has the option {options[0].name}, and metrics have none: offer a spec for each variant"
            )

    def builds_one(self) -> bool:
        """Whether what the spec names returns a function, called with predictions or with nothing."""
        try:
            made = self.ask(self.ordinary)
        except TypeError:
            try:
                made = self._subject.component.builder()()
            except Exception:  # what it is, the next rule says
                return False
        except Exception:
            return False
        return callable(made)

    def ask(self, predictions: Predictions) -> Any:
        """What the metric says of predictions that may be written into, which those of a run may not."""
        return self._subject.component.builder()(_writable(predictions))

    def number(self, predictions: Predictions) -> float:
        """The same as a float; NaN where it is not defined."""
        value = self.ask(predictions)
        try:
            number, _ = number_of(value, len(predictions))
        except TypeError:
            raise Violation(f"it returns {type(value).__name__}, not a number, nor one for each sample") from None
        if math.isinf(number):
            raise Violation(f"it returns {number}; NaN says that it is not defined")
        return number


RULES = RuleSet(MetricBench)


@RULES.rule(gate=True)
def builds(bench: MetricBench) -> None:
    """The spec names a function of predictions, without options."""
    bench.check_options()
    if bench.builds_one():
        raise Violation("`build` names the metric itself, not a builder of it")


@RULES.rule(gate=True)
def number(bench: MetricBench) -> str:
    """It gives a finite number for ordinary predictions, or NaN where it is not defined."""
    value = bench.number(bench.ordinary)
    return "not defined for them" if math.isnan(value) else f"{value:.6g}"


@RULES.rule()
def in_range(bench: MetricBench) -> None:
    """The number is within the range that its spec says."""
    low = -math.inf if bench.spec.low is None else bench.spec.low
    high = math.inf if bench.spec.high is None else bench.spec.high
    for what, predictions in (("ordinary", bench.ordinary), ("right", _right(bench)), ("wrong", _wrong(bench))):
        value = bench.number(predictions)
        slack = _ROUNDING * max(1.0, abs(value))
        if not math.isnan(value) and not low - slack <= value <= high + slack:
            raise Violation(f"{value:.6g} for {what} predictions, and the spec says from {low:g} to {high:g}")


@RULES.rule()
def order_of_samples(bench: MetricBench) -> None:
    """The order of the samples does not matter."""
    draws, n = np.random.default_rng(1), len(bench.ordinary)
    one, other = (bench.number(bench.ordinary.take(draws.permutation(n))) for _ in range(2))
    if not _same(one, other):
        raise Violation(f"{one:.6g} in one order, {other:.6g} in another")


@RULES.rule()
def inputs_unchanged(bench: MetricBench) -> None:
    """The predictions that it is given stay as they are; in a run they cannot be written into."""
    given = _writable(bench.ordinary)
    bench._subject.component.builder()(given)
    for field in fields(given):
        before, after = getattr(bench.ordinary, field.name), getattr(given, field.name)
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
            raise Violation(f"it changes {field.name}: work with a copy, such as predictions.{field.name}.copy()")


@RULES.rule()
def determinism(bench: MetricBench) -> None:
    """The same predictions give the same number, to the bit."""
    one, other = bench.number(bench.ordinary), bench.number(bench.ordinary)
    if one != other and not (math.isnan(one) and math.isnan(other)):
        raise Violation(f"{one!r} at first, {other!r} then")


@RULES.rule()
def direction(bench: MetricBench) -> None:
    """Right predictions are not worse than wrong ones, as `higher_is_better` has it."""
    right, wrong = bench.number(_right(bench)), bench.number(_wrong(bench))
    if math.isnan(right) or math.isnan(wrong):
        raise NotApplicable("it is not defined where everything is right, or wrong")
    if (right < wrong if bench.spec.higher_is_better else right > wrong) and not _same(right, wrong):
        better = "higher" if bench.spec.higher_is_better else "lower"
        raise Violation(f"{right:.6g} for right predictions, {wrong:.6g} for wrong ones, and {better} is better")


@RULES.rule()
def few_samples(bench: MetricBench) -> None:
    """One sample, or samples of a single class, give a number or NaN."""
    of_class = bench.ordinary.take(bench.ordinary.labels == 0)
    for what, few in (("one sample", bench.ordinary.take(np.array([0]))), ("a single class", of_class)):
        try:
            bench.number(few)
        except Violation:
            raise
        except Exception as error:
            raise Violation(f"with {what} it raises {type(error).__name__}: return float('nan')") from error


@RULES.rule()
def needs(bench: MetricBench) -> None:
    """It reads labels, probabilities, ids and what its spec's `needs` names, and nothing else."""
    there = set(bench.spec.needs)
    left_out: dict[str, Any] = {}
    for name, parts in (("votes", ("votes",)), ("affect", ("affect_truth", "affect")), ("subjects", ("subjects",))):
        if name not in there:
            left_out |= dict.fromkeys(parts)
    if not left_out:
        raise NotApplicable("it needs everything that there is")
    try:
        least = bench.number(replace(bench.ordinary, **left_out))
    except Violation:
        raise
    except Exception as error:
        raise Violation(
            f"without {', '.join(left_out)} it raises {type(error).__name__}: name in needs what it reads"
        ) from error
    if not _same(least, bench.number(bench.ordinary)):
        raise Violation(f"without {', '.join(left_out)} it is {least:.6g}: name in needs what it reads")


@RULES.rule()
def missing_values(bench: MetricBench) -> str | None:
    """Samples without votes, affect or subject (NaN, or empty) do not make it undefined where others have them."""
    if not bench.spec.needs:
        return "it needs nothing that a sample may lack"
    given, lacks = bench.ordinary, np.arange(len(bench.ordinary)) >= 3 * len(bench.ordinary) // 4
    assert given.votes is not None
    assert given.affect_truth is not None
    assert given.subjects is not None
    votes, affect = (np.where(lacks[:, None], np.nan, part) for part in (given.votes, given.affect_truth))
    partly = replace(given, votes=votes, affect_truth=affect, subjects=np.where(lacks, "", given.subjects))
    if not math.isnan(bench.number(given)) and math.isnan(bench.number(partly)):
        raise Violation("it is NaN where a quarter of the samples lack what it needs: leave those out")
    return None


def _right(bench: MetricBench) -> Predictions:
    """Everything as it is, and all annotators of one mind."""
    truth = np.eye(len(bench.class_names))[bench.ordinary.labels]
    return replace(bench.ordinary, probabilities=truth, votes=truth, affect=bench.ordinary.affect_truth)


def _wrong(bench: MetricBench) -> Predictions:
    """The next class for each, sure of it, and valence and arousal turned round."""
    right = _right(bench)
    assert right.affect_truth is not None
    return replace(right, probabilities=np.roll(right.probabilities, 1, axis=1), affect=-right.affect_truth)


def _writable(predictions: Predictions) -> Predictions:
    own = replace(predictions)
    for field in fields(own):
        value = getattr(own, field.name)
        if isinstance(value, np.ndarray):
            value.flags.writeable = True
    return own


def _same(one: float, other: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
