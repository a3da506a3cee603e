"""Metrics of plugins, computed from the predictions of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ferbench.display import warn
from ferbench.errors import UserError
from ferbench.metrics.predicted import Predictions as Given
from ferbench.plugin.component import Component
from ferbench.plugin.measuring import MetricFailed, lacking, measured
from ferbench.plugin.registry import Registry
from ferbench.plugin.specs import MetricSpec
from ferbench.records.evaluation import Evaluation, EvaluationEntry, PluginMetric
from ferbench.runs.predictions import Predictions


def given_to_metrics(predictions: Predictions, class_names: Sequence[str]) -> Given:
    """Predictions as metrics are given them."""
    return Given(
        ids=predictions.ids,
        labels=predictions.truth,
        probabilities=predictions.probabilities.astype(np.float64),
        class_names=tuple(class_names),
        votes=wide(predictions.votes),
        affect_truth=wide(predictions.affect_truth),
        affect=wide(predictions.affect),
        subjects=predictions.columns.get("subject"),
    )


def wide(values: NDArray[np.floating] | None) -> NDArray[np.float64] | None:
    """The same numbers in double precision."""
    return None if values is None else values.astype(np.float64)


def needs_votes(metrics: Sequence[Component]) -> bool:
    """Whether any of these metrics needs the votes of annotators, which predictions have then."""
    return any("votes" in metric.spec.needs for metric in metrics if isinstance(metric.spec, MetricSpec))


def computed(metrics: Sequence[Component], given: Given) -> tuple[dict[str, float], dict[str, PluginMetric]]:
    """The values of metrics, NaN where there is none, and what a record says of them. What fails is said on stderr.

    Args:
        metrics: that are asked for.
        given: what they are computed from; of no samples none is defined.
    """
    values, facts = {}, {}
    for metric in metrics:
        value, fault = math.nan, lacking_words(metric, given)
        if len(given) and not fault:
            try:
                value = measured(metric, given)
            except MetricFailed as error:
                warn(f"{error.message}, so that it is missing → {error.remedy}")
                fault = error.message
        values[metric.name], facts[metric.name] = value, described(metric, fault)
    return values, facts


def lacking_words(metric: Component, given: Given) -> str:
    """What is said of a metric that needs what samples do not have; empty where they do."""
    assert isinstance(metric.spec, MetricSpec)
    missing = lacking(metric.spec, given)
    return f"it needs {missing}, which the samples do not have" if missing else ""


def described(metric: Component, fault: str = "") -> PluginMetric:
    """What a record says of a metric.

    Args:
        metric: the component.
        fault: why it has no value; empty where it has one.
    """
    spec = metric.spec
    assert isinstance(spec, MetricSpec)
    about = PluginMetric(
        distribution=metric.distribution,
        version=metric.version,
        source=metric.source_hash(),
        higher_is_better=spec.higher_is_better,
        low=None if spec.low is None else float(spec.low),
        high=None if spec.high is None else float(spec.high),
        interval=spec.interval,
    )
    if fault:
        about.fault = fault
    return about


def recomputed(
    stored: Mapping[str, PluginMetric],
    values: Mapping[str, float | None],
    given: Given,
    registry: Registry | None,
) -> tuple[list[str], list[str]]:
    """What an evaluation says of metrics of plugins, held against the predictions.

    Args:
        stored: what it says of each metric.
        values: its metrics by name.
        given: the predictions.
        registry: where the plugins are looked up; None: nowhere.

    Returns:
        What does not follow from the predictions, and what could not be computed again, in a few words each.
    """
    unlike, unknown = [], []
    for name, facts in stored.items():
        held = values.get(name)
        if facts.fault is not None:
            unlike += [] if held is None else [f"{name} has a value, and a reason why it has none"]
            continue
        metric, why = as_it_was(name, facts, registry)
        if metric is None or (why := why or lacking_words(metric, given)):
            unknown.append(f"{name} could not be computed again: {why}")
            continue
        try:
            value = measured(metric, given)
        except MetricFailed as error:
            unknown.append(f"{name} could not be computed again: {error.message}")
            continue
        if not (math.isnan(value) if held is None else math.isclose(value, held, rel_tol=1e-6, abs_tol=1e-7)):
            unlike.append(f"{name} is {value:.6g}, not {held}")
    return unlike, unknown


def as_it_was(name: str, facts: PluginMetric, registry: Registry | None) -> tuple[Component | None, str]:
    """The metric of the plugin that a record names, of the same source; where there is none, why."""
    try:
        found = None if registry is None else registry.find("metric", f"{facts.distribution}:{name}")
    except UserError:
        found = None
    if found is None:
        return None, f"its plugin {facts.distribution} is not here"
    if found.source_hash() != facts.source:
        return None, f"its plugin {facts.distribution} is another than {facts.version} was then"
    return found, ""


def add_shared(
    several: Sequence[EvaluationEntry],
    evaluation: Evaluation,
    predictions: Predictions,
    registry: Callable[[], Registry] | None,
) -> None:
    """Compute metrics of plugins for an evaluation that is made of others: those that all of these have.

    Args:
        several: the evaluations that it is made of.
        evaluation: gains the metrics.
        predictions: its own.
        registry: loads the plugins; None: there are none.
    """
    lists = [entry.plugin_metrics or {} for entry in several]
    shared = {name: facts for name, facts in lists[0].items() if all(name in one for one in lists)}
    if not shared:
        return
    given, facts = given_to_metrics(predictions, evaluation.class_names), {}
    for name, about in shared.items():
        metric, why = as_it_was(name, about, None if registry is None else registry())
        if metric is None:
            facts[name] = about.model_copy(update={"fault": why})
            evaluation.metrics[name] = None
        else:
            values, described = computed([metric], given)
            evaluation.metrics[name] = values[name] if math.isfinite(values[name]) else None
            facts |= described
    evaluation.plugin_metrics = facts
