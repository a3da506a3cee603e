"""A study as a report shows it: plain values, whoever read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Objective:
    """One number that trials are judged by: a metric on validation, or a cost."""

    name: str
    higher_is_better: bool
    is_metric: bool = True

    def better(self, value: float, than: float) -> bool:
        return value > than if self.higher_is_better else value < than


@dataclass(frozen=True)
class Dimension:
    """A parameter.

    Attributes:
        key: as the study calls it.
        low: the smallest value; of a choice the first.
        high: the largest; of a choice the last.
        log: whether its scale is logarithmic.
        choices: as text; None for a range.
    """

    key: str
    low: float | str
    high: float | str
    log: bool = False
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TrialView:
    """A trial.

    Attributes:
        number: from 0.
        state: ``complete``, ``pruned``, ``failed``, ``running`` or ``waiting``.
        values: of the objectives; empty unless complete.
        params: by key.
        epochs: value of the objective by epoch, where a pruner was told.
        run: its run directory's name.
        seconds: that it took.
        reason: why it was pruned or failed.
        chosen_by: the algorithm that chose its parameters.
    """

    number: int
    state: str
    values: tuple[float, ...]
    params: Mapping[str, Any]
    epochs: Mapping[int, float]
    run: str = ""
    seconds: float | None = None
    reason: str = ""
    chosen_by: str = ""


@dataclass(frozen=True)
class TestedRun:
    """A run of a finalist that was tested: its seed, id, and test metrics by name (empty for a fold)."""

    seed: int
    run: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class FinalistView:
    """One of the best trials, repeated over the seeds."""

    rank: int
    trial: int
    values: tuple[float, ...]
    runs: tuple[TestedRun, ...]
    recipe: str = ""
    file: str = "best.toml"
    failed: tuple[tuple[int, str], ...] = ()
    """Seeds without a result, each with why."""


@dataclass(frozen=True)
class StudyView:
    """A study.

    Attributes:
        about: ``study.json``.
        objectives: at least one.
        dimensions: what was searched.
        trials: by number.
        front: numbers of the best trial, or of those on the Pareto front.
        importances: by objective and key; empty where there are too few trials.
        finalists: the trials that were repeated and tested.
    """

    about: Mapping[str, Any]
    objectives: tuple[Objective, ...]
    dimensions: tuple[Dimension, ...]
    trials: tuple[TrialView, ...]
    front: frozenset[int]
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    finalists: tuple[FinalistView, ...] = ()

    @property
    def complete(self) -> list[TrialView]:
        return [trial for trial in self.trials if trial.state == "complete"]

    def by_importance(self) -> list[Dimension]:
        """The dimensions that complete trials have, the most important for the first objective first."""
        shares = self.importances.get(self.objectives[0].name, {})
        there = {key for trial in self.complete for key in trial.params}
        return sorted((d for d in self.dimensions if d.key in there), key=lambda d: -shares.get(d.key, 0.0))
