"""What a study makes better: validation metrics, or what a run costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from ferbench.errors import UserError
from ferbench.metrics.measures import is_selectable, measure, selectable
from ferbench.records.epoch import Epoch
from ferbench.records.run import Run
from ferbench.wording import did_you_mean

#: What a run costs, by where its record has it (`ferbench.records.run.Run`); less is better.
COSTS = {"seconds": "training.seconds", "parameters": "model.parameters", "flops": "model.flops"}


@dataclass(frozen=True)
class Objective:
    """One number that trials are judged by.

    Attributes:
        name: a validation metric as ``training.select`` names it, or a cost: ``seconds`` of training and validation,
            ``parameters``, ``flops`` of one image.
    """

    name: str

    @property
    def higher_is_better(self) -> bool:
        return self.name not in COSTS and measure(self.name).higher_is_better

    @property
    def is_metric(self) -> bool:
        """Whether it is measured on validation; a cost is measured on nothing."""
        return self.name not in COSTS

    @property
    def shown(self) -> str:
        """What columns call it."""
        return f"validation {self.name}" if self.is_metric else self.name

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """As Optuna calls it."""
        return "maximize" if self.higher_is_better else "minimize"

    @property
    def by_epoch(self) -> bool:
        """Whether every epoch of the history has it, so that a pruner can be fed with it."""
        return self.name in selectable() or self.name.startswith("f1:")

    def score(self, value: float) -> float:
        """The value, turned so that higher is better."""
        return value if self.higher_is_better else -value

    def of_epoch(self, epoch: Epoch) -> float | None:
        """Its value in a line of the history; None when it has none there."""
        metric, _, class_name = self.name.partition(":")
        scores = epoch.validation.f1 if class_name and metric == "f1" else epoch.validation.metrics
        return _finite(scores.get(class_name or self.name))

    def of_run(self, run: Run) -> float | None:
        """Its value for a run that is done, on validation; None when it has none."""
        if self.name in COSTS:
            return _finite(attrgetter(COSTS[self.name])(run))
        entry = next(e for e in run.evaluations.values() if e.split == "validation" and e.data is None)
        metric, _, class_name = self.name.partition(":")
        return _finite(getattr(entry.per_class[class_name], metric) if class_name else entry.metrics.get(self.name))


def is_objective(name: str) -> bool:
    """Whether there is an objective of that name, as far as plugins are loaded."""
    return name in COSTS or is_selectable(name)


def read_objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """Objectives by name.

    Raises:
        UserError: there is no such metric, or one is named twice.
    """
    if len(set(names)) < len(names):
        raise UserError(f"an objective is named twice: {', '.join(names)}", "name each once")
    known = (*selectable(), *COSTS)
    for name in names:
        if not is_objective(name):
            raise UserError(
                f"there is no objective '{name}'",
                f"{did_you_mean(name, known)}objectives: {', '.join(known)}, f1:CLASS, recall:CLASS",
            )
    return tuple(Objective(name) for name in names)


def pareto_front(objectives: Sequence[Objective], values: Sequence[Sequence[float]]) -> list[int]:
    """Positions of the values that none of the others dominates, best in the first objective first; of values that are
    equal in everything only the first. With one objective that is the single best."""
    scores = [tuple(o.score(v) for o, v in zip(objectives, mine, strict=True)) for mine in values]

    def is_dominated(mine: tuple[float, ...]) -> bool:
        return any(other != mine and all(a >= b for a, b in zip(other, mine, strict=True)) for other in scores)

    front = [i for i, mine in enumerate(scores) if mine not in scores[:i] and not is_dominated(mine)]
    return sorted(front, key=lambda i: -scores[i][0])


def ranked(objectives: Sequence[Objective], values: Sequence[Sequence[float]]) -> list[int]:
    """Positions from best to worst: by the one objective, or for several those of the Pareto front alone."""
    if len(objectives) > 1:
        return pareto_front(objectives, values)
    return sorted(range(len(values)), key=lambda i: -objectives[0].score(values[i][0]))


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
