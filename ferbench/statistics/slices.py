"""Metrics by slices of the samples: by person, sex, age band, source, light, or whatever a column says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.statistics.estimates import Interval, interval
from ferbench.statistics.sampling import Design, measure

#: What is measured of each slice. Macro-F1 is over the classes that the slice has samples of: a class that it cannot
#: show is no failure.
METRICS = {"accuracy": "accuracy", "macro_f1": "present_f1", "balanced_accuracy": "balanced_accuracy"}


@dataclass(frozen=True)
class Slice:
    """The samples with one value of a column.

    Attributes:
        value: of the column.
        n: samples.
        means: by metric, over the seeds.
        intervals: 95 %, by metric; None for two seeds, and for too few samples.
        lacks: why there are too few, by metric.
    """

    value: str
    n: int
    means: dict[str, float]
    intervals: dict[str, Interval | None]
    lacks: dict[str, str]


@dataclass(frozen=True)
class Slices:
    """All slices of a column.

    Attributes:
        column: its name.
        slices: in the order of their values.
        left_out: samples without a value.
    """

    column: str
    slices: tuple[Slice, ...]
    left_out: int

    @property
    def lacking(self) -> dict[str, list[str]]:
        """Slices that have too few samples for an interval of some metric, by why."""
        lacking: dict[str, list[str]] = {}
        for part in self.slices:
            for why in dict.fromkeys(part.lacks.values()):
                lacking.setdefault(why, []).append(part.value)
        return lacking

    def worst(self, metric: str = "accuracy") -> Slice:
        return min(self.slices, key=lambda part: part.means[metric])

    def gap(self, metric: str = "accuracy") -> float:
        """The best slice's mean less the worst one's."""
        means = [part.means[metric] for part in self.slices]
        return max(means) - min(means)


def slices(
    column: str,
    values: NDArray[np.str_],
    predicted: NDArray[np.integer],
    design_of: Callable[[NDArray[np.bool_]], Design],
) -> Slices:
    """Metrics of each value of a column.

    Args:
        column: its name.
        values: text[n]; empty where not known.
        predicted: class ids [S, n], a row for each seed.
        design_of: how the samples of a mask bool[n] would be drawn again.
    """
    parts = []
    for value in np.unique(values[values != ""]):
        rows = values == value
        design = design_of(rows)
        measured = {name: measure(metric, design, predicted[:, rows]) for name, metric in METRICS.items()}
        means = {metric: score.mean for metric, score in measured.items()}
        ends = {metric: interval(score, design) for metric, score in measured.items()}
        lacks = {metric: score.lacks for metric, score in measured.items() if score.lacks}
        parts.append(Slice(str(value), int(rows.sum()), means, ends, lacks))
    return Slices(column, tuple(parts), int((values == "").sum()))
