"""Metrics of plugins after every epoch, on validation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ferbench.data.votes import class_shares
from ferbench.display import warn
from ferbench.experiment.plan import Plan
from ferbench.metrics.predicted import Predictions
from ferbench.plugin.component import Component
from ferbench.plugin.measuring import MetricFailed, measured
from ferbench.runs.plugin_metrics import lacking_words, wide
from ferbench.training.evaluation import SplitResult


@dataclass
class EpochMetrics:
    """Computes them, and says once of each that fails that it does; the training goes on.

    Attributes:
        metrics: that are asked for.
        base: the validation samples, with made-up predictions of them.
        failed: names of those that have failed.
    """

    metrics: tuple[Component, ...]
    base: Predictions
    failed: set[str] = field(default_factory=set)

    @classmethod
    def of_plan(cls, plan: Plan) -> EpochMetrics | None:
        """Those that a plan asks for; None where it asks for none."""
        metrics = tuple(metric.component for metric in plan.resolved.metrics)
        if not metrics:
            return None
        rows, pack, split = plan.split.validation, plan.pack, plan.split
        draws = np.random.default_rng(0)
        made_up = draws.dirichlet(np.ones(len(split.class_names)), len(rows))
        affect = None if pack.affect is None else np.asarray(pack.affect[rows], dtype=np.float64)
        base = Predictions(
            ids=np.asarray(pack.ids[rows]),
            labels=split.labels[rows],
            probabilities=made_up,
            class_names=split.class_names,
            votes=wide(class_shares(pack, rows, split.class_names)),
            affect_truth=affect,
            affect=draws.uniform(-1, 1, (len(rows), 2)) if plan.resolved.predicts_affect else None,
            subjects=pack.facts(rows).get("subject"),
        )
        return cls(metrics, base)

    def try_out(self) -> None:
        """Ask each for its number of the made-up predictions, so that what fails always is refused before the training.

        Raises:
            MetricFailed: one of them fails.
        """
        for metric in self._applicable(self.base):
            measured(metric, self.base)

    def of(self, result: SplitResult) -> dict[str, float]:
        """Their values by name, NaN where one is not defined or fails."""
        affect = None if self.base.affect_truth is None else wide(result.affect)
        given = replace(self.base, probabilities=result.probabilities.astype(np.float64), affect=affect)
        values = dict.fromkeys((metric.name for metric in self.metrics), math.nan)
        for metric in self._applicable(given):
            try:
                values[metric.name] = measured(metric, given)
            except MetricFailed as error:
                if metric.name not in self.failed:
                    warn(f"{error.message}, so that epochs lack it → {error.remedy}")
                self.failed.add(metric.name)
        return values

    def _applicable(self, given: Predictions) -> list[Component]:
        return [metric for metric in self.metrics if not lacking_words(metric, given)]
