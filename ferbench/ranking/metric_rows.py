"""One metric of the rows of a test set, whichever it is: how sure its values are, and what a test of two rows needs.

Metrics of the confusion matrix and others with a derivative by each sample have that; metrics that are means over
samples have it too. All others are computed for samples that are drawn anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.metrics.affect import DIMENSIONS
from ferbench.metrics.predicted import Predictions as Given
from ferbench.metrics.predicted import drawn_again
from ferbench.metrics.scoring import value_of
from ferbench.plugin.component import Component
from ferbench.plugin.measuring import each_measured, measured
from ferbench.plugin.specs import MetricSpec
from ferbench.ranking.aligned import Samples
from ferbench.ranking.rankable import RANKED_BY
from ferbench.runs.plugin_metrics import given_to_metrics, lacking_words
from ferbench.runs.predictions import Predictions
from ferbench.statistics.estimates import Scale, interval
from ferbench.statistics.influences import SCALES, ModelOutputs, measure_outputs
from ferbench.statistics.redrawn import DRAWS, Redraw, Redrawn, by_draws
from ferbench.statistics.sampling import Design, Measured
from ferbench.statistics.sampling import measure as measure_classes

_CORRELATIONS = ("alpha", "mcc", *(f"{dimension}_pearson" for dimension in DIMENSIONS))
_POSITIVE = ("entropy", *(f"{dimension}_mae" for dimension in DIMENSIONS))
_PLAIN = tuple(f"{dimension}_r2" for dimension in DIMENSIONS)


@dataclass(frozen=True)
class RowMetric:
    """A metric of a row.

    Attributes:
        measured: of its models.
        design: that the deviations of ``measured`` are of; rows of one test set share it.
        scale: on which an interval is even.
        bounds: the least and greatest value that there can be; infinite where there is no such.
    """

    measured: Measured
    design: Design
    scale: Scale
    bounds: tuple[float, float] = (-math.inf, math.inf)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The 95 % interval; None where there is none."""
        ends = interval(self.measured, self.design, scale=self.scale)
        return None if ends is None else (max(ends.low, self.bounds[0]), min(ends.high, self.bounds[1]))


def row_metric(metric: str, samples: Samples, given: Sequence[Predictions]) -> RowMetric:
    """A metric of the harness.

    Args:
        metric: one for which `ferbench.ranking.rankable.is_computed` holds.
        samples: that all rows were measured on.
        given: of the row's models, in their order.
    """
    design = samples.design()
    which, _, name = metric.partition(":")
    if metric in RANKED_BY or which == "f1":
        key = f"f1:{samples.class_names.index(name)}" if name else metric
        predicted = np.stack([of.predicted.astype(np.int16) for of in given])
        return RowMetric(measure_classes(key, design, predicted), design, "share")
    if metric in SCALES:
        several = [ModelOutputs(samples.truth, of.probabilities, of.affect_truth, of.affect) for of in given]
        labelled = several[0].labelled(metric)
        partly = samples.design(None if labelled.all() else labelled)
        found = measure_outputs(metric, partly, several)
        lacking = Measured(np.full(len(given), math.nan), np.zeros(partly.units), math.nan, "it is not defined")
        return RowMetric(found or lacking, partly, SCALES[metric])
    scale: Scale = "correlation" if metric in _CORRELATIONS else "positive" if metric in _POSITIVE else "share"
    scale = "plain" if metric in _PLAIN else scale

    def redraw(of: Predictions) -> Redraw:
        def value(rows: NDArray[np.int64], copies: NDArray[np.int64] | None) -> float:
            affect = None if of.affect_truth is None or of.affect is None else (of.affect_truth[rows], of.affect[rows])
            return value_of(
                metric,
                samples.truth[rows],
                of.probabilities[rows],
                samples.class_names,
                over=range(len(samples.scored)),
                affect=affect,
            )

        return value

    several_ways = [redraw(of) for of in given]
    every = np.arange(len(samples.ids))
    lacks = design.lacks(f"f1:{samples.class_names.index(name)}" if name else metric)
    drawn = by_draws(several_ways, [way(every, None) for way in several_ways], design, _by_id(samples), lacks)
    return RowMetric(drawn, Redrawn.of(design, DRAWS), scale)


def plugin_row_metric(
    component: Component, recorded: Sequence[float], samples: Samples, given: Sequence[Predictions]
) -> RowMetric:
    """A metric of a plugin.

    Args:
        component: that computes it.
        recorded: its value in the record of each of the row's models.
        samples: that all rows were measured on.
        given: of these models, in the order of the samples.

    Raises:
        UserError: there is no interval, and its message says why.
    """
    spec = component.spec
    assert isinstance(spec, MetricSpec)
    if spec.interval == "none":
        raise UserError("its plugin names no way to find an interval", "")
    several = [given_to_metrics(one, samples.class_names) for one in given]
    if missing := next(filter(None, (lacking_words(component, one) for one in several)), ""):
        raise UserError(missing, "")
    found = [each_measured(component, one) for one in several]
    values = [value for value, _ in found]
    if not all(math.isclose(*pair, rel_tol=1e-6, abs_tol=1e-7) for pair in zip(values, recorded, strict=True)):
        raise UserError("its plugin computes other values now than the records have", "")
    design = samples.design()
    lacks = design.lacks(spec.name)
    bounds = (-math.inf if spec.low is None else spec.low, math.inf if spec.high is None else spec.high)
    if all(each is not None for _, each in found):
        parts = [_influence(each) for _, each in found if each is not None]
        return RowMetric(Measured.of(np.array(values), np.stack(parts), design, lacks), design, _scale(spec), bounds)

    def redraw(one: Given) -> Redraw:
        return lambda rows, copies: measured(component, drawn_again(one, rows, copies))

    drawn = by_draws([redraw(one) for one in several], values, design, _by_id(samples), lacks)
    return RowMetric(drawn, Redrawn.of(design, DRAWS), _scale(spec), bounds)


def _influence(each: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[n], of samples on the mean of what they add, NaN for those that do not count."""
    known = ~np.isnan(each)
    return np.where(known, each - each[known].mean(), 0.0) / max(1, known.sum())


def _by_id(samples: Samples) -> NDArray[np.int64]:
    """An order in which the draws hang on no run that is listed first."""
    return np.argsort(samples.ids, kind="stable")


def _scale(spec: MetricSpec) -> Scale:
    match spec.low, spec.high:
        case 0, 1:
            return "share"
        case -1, 1:
            return "correlation"
        case 0, _:
            return "positive"
    return "plain"
