"""Metrics of plugins: what their specs say, and the numbers that they give."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

from ferbench.errors import UserError, is_out_of_memory
from ferbench.metrics.measures import Measure, is_taken
from ferbench.plugin.component import Component
from ferbench.plugin.culprit import calls
from ferbench.plugin.faults import describe, is_fault
from ferbench.plugin.specs import MetricNeed, MetricSpec, Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ferbench.metrics.predicted import Predictions

#: A value may be beyond its range by as much as sums of floats are inexact.
_ROUNDING = 1e-9


class MetricFailed(UserError):
    """A metric of a plugin gives no number for some predictions; names it."""


def metric_fault(spec: Spec) -> str | None:
    """What is wrong with what the spec of a metric says; None: nothing, or it is of another kind."""
    if not isinstance(spec, MetricSpec):
        return None
    if is_taken(spec.name):
        return "has the name of something that ferbench's own records have: choose another"
    if not isinstance(spec.higher_is_better, bool):
        return f"its higher_is_better is {spec.higher_is_better!r}, not True or False"
    ends = [end for end in (spec.low, spec.high) if end is not None]
    if not all(isinstance(end, int | float) and math.isfinite(end) for end in ends) or sorted(set(ends)) != ends:
        return f"its range from {spec.low!r} to {spec.high!r} is none; None stands for no bound"
    if spec.interval not in ("bootstrap", "none"):
        return f"its interval is {spec.interval!r}, not 'bootstrap' or 'none'"
    if unknown := [need for need in spec.needs if need not in get_args(MetricNeed)]:
        return f"it needs {unknown[0]!r}; there are {', '.join(get_args(MetricNeed))}"
    return None


def measure_of(spec: MetricSpec) -> Measure:
    """What tables call it, and which way is better; it was asked for, so that people see it."""
    about = spec.summary[:1].lower() + spec.summary[1:]
    return Measure(spec.name, spec.name, spec.higher_is_better, True, about, spec.low, spec.high)


#: What a metric may need, in words.
_NEEDS = {"votes": "annotators' votes", "affect": "valence and arousal, true and predicted", "subjects": "subjects"}


def lacking(spec: MetricSpec, predictions: Predictions) -> str:
    """What a metric needs and predictions do not have, in words; empty where they have all of it."""
    affect = predictions.affect_truth is not None and predictions.affect is not None
    return _missing(spec, predictions.votes is not None, affect, predictions.subjects is not None)


def check_needs(metric: Component, *, votes: bool, affect: bool, subjects: bool) -> None:
    """Refuse a metric that would be defined after no epoch.

    Args:
        metric: that epochs are to be selected by, or that a schedule waits for.
        votes: the samples have votes of annotators.
        affect: valence and arousal are annotated and predicted.
        subjects: it is known who is shown.

    Raises:
        UserError: saying what it needs.
    """
    assert isinstance(metric.spec, MetricSpec)
    if missing := _missing(metric.spec, votes, affect, subjects):
        raise UserError(
            f"{metric.where} needs {missing}, which there are not here",
            "select by another metric, such as macro_f1, or choose a dataset and a model that have them",
        )


def _missing(spec: MetricSpec, votes: bool, affect: bool, subjects: bool) -> str:
    there = {"votes": votes, "affect": affect, "subjects": subjects}
    return " and ".join(_NEEDS[need] for need in spec.needs if not there[need])


def measured(component: Component, predictions: Predictions) -> float:
    """The number that a metric gives for predictions that have all that it needs; NaN where it is not defined.

    Raises:
        MetricFailed: it raised something, gave no number, or one out of its range.
    """
    return each_measured(component, predictions)[0]


def number_of(value: Any, samples: int) -> tuple[float, NDArray[np.float64] | None]:
    """What a metric returned, as a number; and where it was what each sample adds to a mean, that too, float64[n] with
    NaN for samples that do not count.

    Raises:
        TypeError: it is neither.
    """
    import numpy as np

    if isinstance(value, np.ndarray) and value.shape == (samples,) and value.dtype.kind in "fiub":
        each = value.astype(np.float64)
        known = each[~np.isnan(each)]
        return (float(known.mean()) if len(known) else math.nan), each
    if isinstance(value, bool | str | bytes) or value is None:
        raise TypeError
    try:
        return float(value), None
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError from error


def each_measured(component: Component, predictions: Predictions) -> tuple[float, NDArray[np.float64] | None]:
    """`measured`; and of a metric that is a mean over samples what each of them adds, float64[n] with NaN for samples
    that do not count, None of another.

    Raises:
        MetricFailed: as `measured`.
    """
    spec = component.spec
    assert isinstance(spec, MetricSpec)
    function = component.builder()
    try:
        value = _ask(function, predictions)
    except UserError as error:
        raise MetricFailed(f"{component.title}: {error.message}", error.remedy) from error
    except BaseException as error:
        if not is_fault(error) or is_out_of_memory(error):
            raise
        raise _failed(component, f"raised {describe(error)}") from error
    try:
        number, each = number_of(value, len(predictions))
    except TypeError:
        raise _failed(component, f"returned {_shown(value)}, not a number, nor one for each sample") from None
    if math.isnan(number):
        return number, each
    slack = _ROUNDING * max(1.0, abs(number))
    low = -math.inf if spec.low is None else spec.low
    high = math.inf if spec.high is None else spec.high
    if math.isinf(number) or not low - slack <= number <= high + slack:
        within = (
            f"from {'−∞' if spec.low is None else f'{spec.low:g}'} to {'∞' if spec.high is None else f'{spec.high:g}'}"
        )
        raise _failed(component, f"returned {number:g}, which is not {within} as its spec says")
    return min(max(number, low), high), each


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {shape}" if isinstance(shape, tuple) and shape else "")


@calls("metric")
def _ask(function: Callable[[Predictions], Any], predictions: Predictions) -> Any:
    return function(predictions)


def _failed(component: Component, what: str) -> MetricFailed:
    return MetricFailed(
        f"{component.title} {what}",
        f"{component.whom}; 'ferbench plugins check {component.name}' says more, or do without it",
    )
