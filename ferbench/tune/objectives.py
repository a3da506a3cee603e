"""What a study makes better: validation metrics, or what a run costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ferbench.errors import UserError
from ferbench.metrics.selection import HIGHER_IS_BETTER
from ferbench.plugin.faults import did_you_mean

#: What a run costs, by where its record has it; less is better.
COSTS = {
    "seconds": ("training", "seconds"),
    "parameters": ("model", "parameters"),
    "flops": ("model", "flops"),
}

#: Metrics of one class; the name goes behind a colon.
_OF_A_CLASS = ("f1", "recall")


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
        return self.name not in COSTS and HIGHER_IS_BETTER.get(self.name, True)

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """As Optuna calls it."""
        return "maximize" if self.higher_is_better else "minimize"

    @property
    def by_epoch(self) -> bool:
        """Whether every epoch of the history has it, so that a pruner can be fed with it."""
        return self.name in HIGHER_IS_BETTER or self.name.startswith("f1:")

    def of_epoch(self, epoch: Mapping[str, Any]) -> float | None:
        """Its value in a line of the history; None when it has none there."""
        name, _, class_name = self.name.partition(":")
        validation = epoch["validation"]
        return _number(validation["f1"].get(class_name) if class_name and name == "f1" else validation.get(self.name))

    def of_run(self, record: Mapping[str, Any]) -> float | None:
        """Its value for a run that is done, on validation; None when it has none."""
        if self.name in COSTS:
            section, key = COSTS[self.name]
            return _number(record[section].get(key))
        entry = next(
            one for one in record["evaluations"].values() if one["split"] == "validation" and "data" not in one
        )
        name, _, class_name = self.name.partition(":")
        return _number(entry["per_class"][class_name][name] if class_name else entry["metrics"].get(self.name))


def read_objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """Objectives by name.

    Raises:
        UserError: there is no such metric, or one is named twice.
    """
    if len(set(names)) < len(names):
        raise UserError(f"an objective is named twice: {', '.join(names)}", "name each once")
    known = (*HIGHER_IS_BETTER, *COSTS)
    for name in names:
        metric, colon, class_name = name.partition(":")
        if name not in known and not (colon and class_name and metric in _OF_A_CLASS):
            raise UserError(
                f"there is no objective '{name}'",
                f"{did_you_mean(name, known)}objectives: {', '.join(known)}, f1:CLASS, recall:CLASS",
            )
    return tuple(Objective(name) for name in names)


def better(objective: Objective, value: float, than: float) -> bool:
    """Whether a value is better than another."""
    return value > than if objective.higher_is_better else value < than


def dominates(objectives: Sequence[Objective], a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether ``a`` is at least as good as ``b`` in every objective and better in one."""
    pairs = list(zip(objectives, a, b, strict=True))
    return not any(better(o, y, x) for o, x, y in pairs) and any(better(o, x, y) for o, x, y in pairs)


def pareto_front(objectives: Sequence[Objective], values: Sequence[Sequence[float]]) -> list[int]:
    """Positions of the values that none of the others dominates, best in the first objective first; of values that are
    equal in everything only the first. With one objective that is the single best."""
    seen: set[tuple[float, ...]] = set()
    front = []
    for i, mine in enumerate(values):
        if tuple(mine) in seen or any(dominates(objectives, other, mine) for other in values):
            continue
        seen.add(tuple(mine))
        front.append(i)
    sign = -1.0 if objectives[0].higher_is_better else 1.0
    return sorted(front, key=lambda i: (sign * values[i][0], i))


def ranked(objectives: Sequence[Objective], values: Sequence[Sequence[float]]) -> list[int]:
    """Positions from best to worst: by the one objective, or for several those of the Pareto front alone."""
    if len(objectives) > 1:
        return pareto_front(objectives, values)
    sign = -1.0 if objectives[0].higher_is_better else 1.0
    return sorted(range(len(values)), key=lambda i: (sign * values[i][0], i))


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None
