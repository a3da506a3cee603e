"""Metrics of plugins on both sides of a comparison: what records have, and the paired bootstrap of their difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.predicted import Predictions as Given
from ferbench.metrics.predicted import drawn_again
from ferbench.plugin.component import Component
from ferbench.plugin.measuring import MetricFailed, measured
from ferbench.plugin.registry import Registry
from ferbench.ranking.aligned import Samples
from ferbench.ranking.sides import Side
from ferbench.records.evaluation import PluginMetric
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.plugin_metrics import as_it_was, given_to_metrics, lacking_words
from ferbench.runs.predictions import Predictions
from ferbench.statistics import ENOUGH_SEEDS
from ferbench.statistics.bootstrap import Change
from ferbench.statistics.redrawn import DEFINED, SELDOM, draws, freedom
from ferbench.statistics.sampling import Design

#: Each calls the metric for every model, which a plugin may take its time for.
MOST_DRAWS = 1_000

_NAN = (math.nan, math.nan, math.nan)


def plugin_changes(
    results: Path,
    sides: tuple[Side, Side],
    samples: Samples,
    predictions: Sequence[Sequence[Predictions]],
    registry: Registry,
    count: int,
) -> list[Change]:
    """The metrics of plugins that every run of both sides has.

    Args:
        results: the results directory.
        sides: A and B.
        samples: that both were measured on.
        predictions: of each side's runs, in the order of the samples.
        registry: where the plugins are looked up. Without its plugin a metric is not tested.
        count: of draws of the bootstrap; at most `MOST_DRAWS` are made.
    """
    recorded = [[recorded_metrics(results, *test) for test in side.tests] for side in sides]
    first = recorded[0][0]
    names = [name for name in first if all(name in of_run for side in recorded for of_run in side)]
    changes = []
    for name in names:
        values = [np.array([of_run[name][0] for of_run in side]) for side in recorded]
        facts = [of_run[name][1] for side in recorded for of_run in side]
        changes.append(_change(name, values, facts, samples, predictions, registry, min(count, MOST_DRAWS)))
    return changes


def recorded_metrics(results: Path, run: str, evaluation: str) -> dict[str, tuple[float, PluginMetric]]:
    """What a run's record has of the metrics of plugins that are defined for it."""
    entry = RunDirectory(run_path(results, run)).load().evaluations[evaluation]
    known = {name: (entry.metrics.get(name), facts) for name, facts in (entry.plugin_metrics or {}).items()}
    return {name: (value, facts) for name, (value, facts) in known.items() if value is not None}


def _change(
    name: str,
    recorded: Sequence[NDArray[np.float64]],
    facts: Sequence[PluginMetric],
    samples: Samples,
    predictions: Sequence[Sequence[Predictions]],
    registry: Registry,
    count: int,
) -> Change:
    plain = Change(name, float(recorded[0].mean()), float(recorded[1].mean()), *_NAN)
    design = samples.design()
    computed_by = {(about.distribution, about.version, about.source) for about in facts}
    if len(computed_by) > 1:
        return replace(plain, lacks="several releases of its plugin have computed it")
    if facts[0].interval == "none":
        return replace(plain, lacks="its plugin names no way to find an interval")
    if why := design.lacks("accuracy"):
        return replace(plain, lacks=why)
    component, why = as_it_was(name, facts[0], registry)
    if component is None:
        return replace(plain, lacks=why)
    given = [[given_to_metrics(one, samples.class_names) for one in side] for side in predictions]
    if missing := next(filter(None, (lacking_words(component, one) for side in given for one in side)), ""):
        return replace(plain, lacks=missing)
    try:
        drawn = _drawn(component, given, design, count)
    except MetricFailed as error:
        return replace(plain, lacks=error.message)
    return _tested(plain, drawn, recorded, design)


def _drawn(component: Component, given: Sequence[Sequence[Given]], design: Design, count: int) -> NDArray[np.float64]:
    """Differences A − B of the means over seeds, for samples that are drawn anew: within each true class, or whole
    clusters, as many as there are. NaN where the metric is not defined."""
    differences = []
    for rows, copies in draws(design, count):
        means = [np.mean([measured(component, drawn_again(one, rows, copies)) for one in side]) for side in given]
        differences.append(means[0] - means[1])
    return np.array(differences)


def _tested(
    plain: Change, drawn: NDArray[np.float64], recorded: Sequence[NDArray[np.float64]], design: Design
) -> Change:
    """A change with interval and p from the draws. They are spread as in `ferbench.statistics.bootstrap`: by Student's
    quantile over the normal one, and since as many are drawn as there are; and by what the seeds say of themselves."""
    from scipy.special import stdtrit

    defined = drawn[~np.isnan(drawn)]
    if len(defined) < DEFINED * len(drawn):
        return replace(plain, lacks=SELDOM)
    centre = plain.difference
    free = freedom(design)
    wider = stdtrit(free, 0.975) / stdtrit(np.inf, 0.975) * math.sqrt(design.units / free)
    spread = centre + (defined - centre) * wider
    if min(len(values) for values in recorded) >= ENOUGH_SEEDS:
        rng = np.random.default_rng(1)
        for values in recorded:
            error = math.sqrt(float(values.var(ddof=1)) / len(values))
            spread = spread + rng.standard_t(len(values) - 1, len(spread)) * error
    low, high = np.quantile(spread, [0.025, 0.975])
    tail = min(int((spread <= 0).sum()), int((spread >= 0).sum()))
    return replace(plain, low=float(low), high=float(high), p=min(1.0, 2 * (tail + 1) / (len(spread) + 1)))
