"""Two runs or configurations on the same samples: what differs, by how much, and what may be concluded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.plugin.registry import Registry
from ferbench.ranking.aligned import Samples, read_row, with_facts
from ferbench.ranking.grouping import group
from ferbench.ranking.plugin_changes import plugin_changes
from ferbench.ranking.sides import Side
from ferbench.runs.predictions import Predictions
from ferbench.runs.summary import Summary
from ferbench.statistics import ENOUGH_SEEDS
from ferbench.statistics.bootstrap import DRAWS, Change, paired_bootstrap
from ferbench.statistics.estimates import Difference, difference
from ferbench.statistics.holm import holm
from ferbench.statistics.mcnemar import mcnemar_exact, mcnemar_mid_p
from ferbench.statistics.sampling import measure

ALPHA = 0.05


@dataclass(frozen=True)
class Discordance:
    """Who alone is right, for single runs.

    Attributes:
        both: samples that both get right.
        only_first: that only A gets right.
        only_second: that only B gets right.
        neither: that none gets right.
    """

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def exact(self) -> float:
        return float(mcnemar_exact(self.only_first, self.only_second))

    @property
    def mid_p(self) -> float:
        return float(mcnemar_mid_p(self.only_first, self.only_second))


@dataclass(frozen=True)
class Comparison:
    """Everything that is known of two sides.

    Attributes:
        sides: A and B.
        samples: that both were measured on.
        predictions: of each side's runs.
        changes: accuracy, macro-F1, balanced accuracy and ``f1:CLASS`` of each class, whose p is adjusted by Holm's
            correction over the classes; then the metrics of plugins that all runs have. Of accuracy without clusters,
            between single runs, p is McNemar's mid-p.
        discordance: None unless both sides are single runs.
        over_seeds: seeds are a source of variance, and the claim is about the configurations.
        family: how many configurations have results on these samples, A and B among them; 0: not known.
    """

    sides: tuple[Side, Side]
    samples: Samples
    predictions: tuple[tuple[Predictions, ...], tuple[Predictions, ...]]
    changes: tuple[Change, ...]
    discordance: Discordance | None
    over_seeds: bool
    family: int = 0

    def right(self, side: int) -> NDArray[np.float64]:
        """float64[n]: the share of a side's runs that get each sample right."""
        return np.mean([given.predicted == self.samples.truth for given in self.predictions[side]], axis=0)

    def only(self, side: int) -> NDArray[np.int64]:
        """Samples that most runs of a side get right and most of the other get wrong, in the order of their ids."""
        own, other = self.right(side), self.right(1 - side)
        rows = np.flatnonzero((own > 0.5) & (other < 0.5))
        return rows[np.argsort(self.samples.ids[rows], kind="stable")]

    @property
    def estimand(self) -> str:
        """What the claim is about."""
        if self.over_seeds:
            seeds = " and ".join(str(len(side.runs)) for side in self.sides)
            return f"the two configurations, over seeds ({seeds}) and samples"
        if all(len(side.runs) == 1 for side in self.sides):
            return "these two trained models, over samples: other seeds may differ"
        return f"these trained models, over samples: fewer than {ENOUGH_SEEDS} seeds on a side say nothing of others"

    @property
    def conclusion(self) -> str:
        """What may be concluded, in a sentence."""
        accuracy, macro = (next(c for c in self.changes if c.metric == key) for key in ("accuracy", "macro_f1"))
        a, b = (side.title for side in self.sides)
        if accuracy.lacks:
            return (
                f"Whether {a} or {b} is more accurate cannot be tested ({_points(accuracy.difference)} points): "
                f"{accuracy.lacks}."
            )
        ahead = accuracy.difference >= 0
        first, second = (a, b) if ahead else (b, a)
        ends = (accuracy.low, accuracy.high) if ahead else (-accuracy.high, -accuracy.low)
        gap_words = (
            f"{_points(abs(accuracy.difference))} points of accuracy, 95 % interval {_points(ends[0])} to "
            f"{_points(ends[1])}, p {_p(accuracy.p)}"
        )
        if accuracy.p < ALPHA:
            start = f"{first} is more accurate than {second} ({gap_words})"
        else:
            start = f"{first} and {second} cannot be told apart in accuracy ({gap_words})"
        gap = f"({_points(abs(macro.difference))} points, p {_p(macro.p)})"
        if macro.lacks:
            end = f"and macro-F1 is not tested: {macro.lacks}"
        elif macro.p >= ALPHA:
            end = f"but macro-F1 tells no difference {gap}" if accuracy.p < ALPHA else f"nor in macro-F1 {gap}"
        else:
            better = a if macro.difference > 0 else b
            joint = "and" if accuracy.p < ALPHA and better == first else "but"
            end = f"{joint} {better} has the better macro-F1 {gap}"
        return f"{start}, {end}; this holds for {self.estimand}."


def compare(
    results: Path,
    first: Side,
    second: Side,
    *,
    draws: int = DRAWS,
    runs: Sequence[Summary] = (),
    registry: Callable[[], Registry] | None = None,
) -> Comparison:
    """Compare two sides that `ferbench.ranking.sides.on_one_test_set` brought together.

    Args:
        results: the results directory.
        first: A.
        second: B.
        draws: of the bootstrap.
        runs: all of them: how many configurations there are on these samples, and, where neither side's predictions
            came with what is known of the samples, who knows it.
        registry: loads the plugins, where runs have metrics of some; None: these are left out.

    Raises:
        UserError: predictions are missing, damaged, or of unlike samples, truths or classes.
    """
    samples: Samples | None = None
    predictions: list[tuple[Predictions, ...]] = []
    for side in (first, second):
        own, samples = read_row(results, side.tests, samples)
        predictions.append(tuple(own))
    assert samples is not None
    known = next((of.tests for of in group(runs)[0] if any(first.tests[0] in tests for tests in of.tests)), [])
    samples = with_facts(results, chain.from_iterable(known), samples)
    a, b = (np.stack([given.predicted for given in side]) for side in predictions)
    single = len(a) == len(b) == 1
    discordance = discord(samples.truth, a[0], b[0]) if single else None
    changes = _changes(samples, a, b, discordance, draws)
    if registry is not None and any(run.plugin_metrics for run in (*first.runs, *second.runs)):
        sides_read = (predictions[0], predictions[1])
        changes += plugin_changes(results, (first, second), samples, sides_read, registry(), draws)
    over_seeds = min(len(a), len(b)) >= ENOUGH_SEEDS
    sides, several = (first, second), (predictions[0], predictions[1])
    return Comparison(sides, samples, several, tuple(changes), discordance, over_seeds, len(known))


def discord(truth: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> Discordance:
    """Counts of who is right, from class ids [n]."""
    a, b = first == truth, second == truth
    return Discordance(int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum()), int((~a & ~b).sum()))


def _changes(
    samples: Samples, a: NDArray[np.int64], b: NDArray[np.int64], discordance: Discordance | None, draws: int
) -> list[Change]:
    classes = [f"f1:{k}" for k in range(len(samples.scored))]
    overall = ["accuracy", "macro_f1", "balanced_accuracy"]
    changes = paired_bootstrap(samples.design(), a, b, [*overall, *classes], draws=draws)
    of_classes = changes[len(overall) :]
    if discordance is not None and samples.clusters is None and not changes[0].lacks:
        changes[0] = replace(changes[0], p=discordance.mid_p)
    adjusted = holm([change.p for change in of_classes]).tolist()
    named = zip(of_classes, samples.scored, adjusted, strict=True)
    return [
        *changes[: len(overall)],
        *(replace(change, metric=f"f1:{name}", adjusted=p) for change, name, p in named),
    ]


@dataclass(frozen=True)
class SliceChange:
    """The difference in accuracy within one value of a column.

    Attributes:
        value: of the column.
        n: samples.
        first: accuracy of A.
        second: accuracy of B.
        gap: the difference with its interval and p.
        adjusted: p after Holm's correction over the slices.
        lacks: why there are too few samples for a test, in words.
    """

    value: str
    n: int
    first: float
    second: float
    gap: Difference
    adjusted: float
    lacks: str = ""


def slice_changes(comparison: Comparison, column: NDArray[np.str_], name: str = "") -> list[SliceChange]:
    """Differences in accuracy by the values of a column, text[n] in the order of the samples; empty ones left out.

    Args:
        comparison: of two sides.
        column: its values.
        name: of the column.
    """
    a, b = (np.stack([given.predicted for given in side]) for side in comparison.predictions)
    changes = []
    for value in np.unique(column[column != ""]):
        mask = column == value
        design = comparison.samples.design(mask, within=name)
        first, second = (measure("accuracy", design, predicted[:, mask]) for predicted in (a, b))
        gap = difference(first, second, design)
        changes.append(SliceChange(str(value), int(mask.sum()), first.mean, second.mean, gap, 1.0, first.lacks))
    adjusted = holm([change.gap.p for change in changes]).tolist()
    return [replace(change, adjusted=p) for change, p in zip(changes, adjusted, strict=True)]


def sample_rows(comparison: Comparison, side: int, rows: Sequence[int]) -> list[dict[str, Any]]:
    """What both sides say of samples: id, truth, what most runs predict, and how many of them are right."""
    names, samples = comparison.samples.class_names, comparison.samples
    votes = [_majority(predictions, len(names)) for predictions in comparison.predictions]
    right = [comparison.right(0), comparison.right(1)]
    return [
        {
            "right": ("A", "B")[side],
            "id": str(samples.ids[row]),
            "true": names[samples.truth[row]],
            "first": names[votes[0][0][row]],
            "second": names[votes[1][0][row]],
            "first_probability": float(votes[0][1][row, samples.truth[row]]),
            "second_probability": float(votes[1][1][row, samples.truth[row]]),
            "first_right": float(right[0][row]),
            "second_right": float(right[1][row]),
        }
        for row in rows
    ]


def _majority(predictions: Sequence[Predictions], classes: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The class that most runs predict (of equally many the first), and the mean probabilities."""
    votes = np.stack([given.predicted for given in predictions])
    counts = np.stack([(votes == k).sum(axis=0) for k in range(classes)], axis=1)
    return counts.argmax(axis=1), np.mean([given.probabilities for given in predictions], axis=0, dtype=np.float64)


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"
