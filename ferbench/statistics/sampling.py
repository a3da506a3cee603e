"""How samples vary: which of them are drawn together, and the variances that follow from that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ferbench.statistics.measured import class_of, gradient, values

#: Degrees of freedom are rounded down to one of these, which makes tests a little too careful.
STEPS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 25, 30, 40, 60, 100, 200, 1000], dtype=np.float64)

#: With fewer there is neither a test nor an interval: a variance of so few is hardly known, and often 0 by chance. How
#: often tests and intervals would be wrong below and above these sizes is in benchmarks/statistics.
LEAST_SAMPLES = 10
LEAST_CLUSTERS = 10
#: Of each class that the test set has, for metrics that count classes alike.
LEAST_OF_CLASS = 5

_LIKE_CLASSES = ("macro_f1", "balanced_accuracy", "present_f1")
#: Less than this share of the largest contribution is an error of rounding.
_NOISE = 1e-12


@dataclass(frozen=True)
class Design:
    """What another test set would have in common with this one.

    Without clusters: the count of each class (sampling is stratified by the true class; classes of a single sample are
    one stratum together). With clusters: nothing, whole clusters are drawn, since samples of one person or clip err
    together.

    Attributes:
        truth: int64[n] class ids.
        classes: K.
        clusters: int64[n], the cluster of each sample, numbered from 0; None: every sample stands alone.
        unit: what a cluster is, in a word.
        scored: macro-F1 is over the first so many classes; None: all K.
        strata: int64[n], what is drawn from on its own, by numbers below K.
    """

    truth: NDArray[np.int64]
    classes: int
    clusters: NDArray[np.int64] | None = None
    unit: str = "cluster"
    scored: int | None = None
    strata: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    _scale: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        strata = _joined(np.bincount(self.truth, minlength=self.classes))[self.truth]
        support = np.bincount(strata, minlength=self.classes).astype(np.float64)
        scale = np.sqrt(np.divide(support, support - 1, out=np.zeros_like(support), where=support > 1))
        object.__setattr__(self, "strata", strata)
        object.__setattr__(self, "_scale", scale[strata])

    @property
    def n(self) -> int:
        return len(self.truth)

    @property
    def units(self) -> int:
        """What is drawn: samples, or clusters."""
        return self.n if self.clusters is None else int(self.clusters.max()) + 1

    def lacks(self, metric: str) -> str:
        """Why there are too few samples for a test or an interval of a metric; empty where there are enough."""
        if self.clusters is not None and self.units < LEAST_CLUSTERS:
            return f"the samples are of {_counted(self.units, self.unit)}, and {LEAST_CLUSTERS} are needed"
        if self.n < LEAST_SAMPLES:
            be = "is" if self.n == 1 else "are"
            return f"there {be} {_counted(self.n, 'sample')}, and {LEAST_SAMPLES} are needed"
        support = np.bincount(self.truth, minlength=self.classes)
        if metric in _LIKE_CLASSES:
            which, least = "the smallest class", int(support[support > 0].min())
        elif metric.startswith("f1:"):
            which, least = "the class", int(support[class_of(metric)])
        else:
            return ""
        enough = least >= LEAST_OF_CLASS
        return "" if enough else f"{which} has {_counted(least, 'sample')}, and {LEAST_OF_CLASS} are needed"

    def freedom(self, deviations: NDArray[np.float64]) -> float:
        """Degrees of freedom of the variance that deviations [units] add up to.

        A rare class can carry most of a macro average's variance, which is then known no better than its few samples
        allow: Satterthwaite's formula over the strata (Biometrics Bulletin 1946).
        """
        if self.clusters is not None:
            return max(1, self.units - 1)
        parts = _totals(self.strata, deviations**2, self.classes)
        return float(self.combined_freedom(parts))

    def combined_freedom(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Degrees of freedom of the sum of the strata's variances [K, ...], rounded down to a few steps."""
        support = np.bincount(self.strata, minlength=self.classes)
        own = np.maximum(1, support - 1).reshape(-1, *[1] * (parts.ndim - 1))
        total, squares = parts.sum(axis=0) ** 2, (parts**2 / own).sum(axis=0)
        freedom = np.divide(total, squares, out=np.full(total.shape, float(max(1, self.n - 1))), where=squares > 0)
        return stepped(freedom)

    def deviations(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Contributions [..., n] of samples as deviations [..., units], whose squares sum to the variance."""
        if self.clusters is not None:
            sums = _totals(self.clusters, parts, self.units)
            centred = sums - sums.mean(axis=-1, keepdims=True)
            return centred * np.sqrt(self.units / max(1, self.units - 1))
        support = np.bincount(self.strata, minlength=self.classes)
        means = _totals(self.strata, parts, self.classes) / np.maximum(support, 1)
        centred = parts - means[..., self.strata]
        # What does not vary has to come out as 0, or an interval for what never varies is one of no width.
        noise = _NOISE * np.abs(parts).max(axis=-1, keepdims=True, initial=0.0)
        return np.where(np.abs(centred) <= noise, 0.0, centred) * self._scale


def stepped(freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Degrees of freedom rounded down to one of `STEPS`, at least 1."""
    return STEPS[np.maximum(0, np.searchsorted(STEPS, freedom * (1 + 1e-9), side="right") - 1)]


def _joined(support: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[K]: the stratum of each class. Those of one sample, which do not vary, are joined; where there is one such
    class, with the next larger one (Cochran, Sampling Techniques, 1977, 5A.12)."""
    strata = np.arange(len(support))
    order = np.flatnonzero(support)
    order = order[np.argsort(support[order], kind="stable")]
    alone = int((support[order] == 1).sum())
    if alone:
        strata[order[: max(2, alone)]] = order[0]
    return strata


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _totals(groups: NDArray[np.int64], parts: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Sums [..., count] of [..., n] by group."""
    rows = parts.reshape(-1, parts.shape[-1])
    sums = [np.bincount(groups, row, minlength=count).astype(np.float64) for row in rows]
    return np.stack(sums).reshape(*parts.shape[:-1], count)


def confusions(design: Design, predicted: NDArray[np.integer]) -> NDArray[np.int64]:
    """int64[S, K, K] of predicted class ids [S, n]."""
    k = design.classes
    flat = [np.bincount(design.truth * k + row, minlength=k * k).reshape(k, k) for row in predicted.astype(np.int64)]
    return np.stack(flat)


@dataclass(frozen=True)
class Measured:
    """One metric of one configuration: the models that it made with several seeds, on the same samples.

    Attributes:
        values: float64[S], of each seed.
        deviations: float64[units] of the mean over the seeds; see `Design.deviations`.
        interaction: variance that the samples alone give the difference between two seeds, halved; NaN for one seed.
        lacks: why there is neither a test nor an interval, as `Design.lacks` has it; empty where there is.
        outcomes: what the seeds say of each sample as far as the metric sees it, small integers [S, n]; None where
            nothing is compared.
        flip: by how much the answer to one sample can change the metric, at most.
    """

    values: NDArray[np.float64]
    deviations: NDArray[np.float64]
    interaction: float
    lacks: str = ""
    outcomes: NDArray[np.integer] | None = None
    flip: float = 0.0

    @classmethod
    def of(
        cls,
        values: NDArray[np.float64],
        parts: NDArray[np.float64],
        design: Design,
        lacks: str = "",
        outcomes: NDArray[np.integer] | None = None,
        flip: float = 0.0,
    ) -> Measured:
        """From the values [S] of the seeds and the influence [S, n] of each sample on each."""
        deviations = design.deviations(parts)
        mean, seeds = deviations.mean(axis=0), len(values)
        interaction = float(((deviations - mean) ** 2).sum() / (seeds - 1)) if seeds > 1 else float("nan")
        return cls(values, mean, interaction, lacks, outcomes, flip)

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def seeds(self) -> int:
        return len(self.values)

    @property
    def sampling(self) -> float:
        """Variance of the mean over the seeds, from the samples."""
        return float(self.deviations @ self.deviations)

    @property
    def seeding(self) -> float:
        """Variance of the mean over the seeds, from the seeds beyond what the samples explain; 0 for one seed.

        The variance between the seeds' values is that of seeds plus the interaction of seeds and samples, which is
        part of `sampling` already: expected mean squares of a crossed design (Searle, Casella and McCulloch, Variance
        Components, 1992).
        """
        return max(0.0, self._component)

    @property
    def shortfall(self) -> float:
        """By how much the seeds vary less than the samples alone would make them, as a variance of the mean."""
        return max(0.0, -self._component)

    @property
    def _component(self) -> float:
        if self.seeds < 2:
            return 0.0
        return (float(self.values.var(ddof=1)) - self.interaction) / self.seeds


def measure(metric: str, design: Design, predicted: NDArray[np.integer]) -> Measured:
    """A metric of predicted class ids [S, n], a row for each seed."""
    matrices = confusions(design, predicted)
    slopes = [gradient(metric, matrix, design.scored) for matrix in matrices]
    rows = predicted.astype(np.int64)
    parts = np.stack([slope[design.truth, row] for slope, row in zip(slopes, rows, strict=True)])
    there = np.unique(design.truth)
    flip = max(float(np.ptp(slope[there], axis=1).max()) for slope in slopes)
    outcomes = _seen_by(metric, design, predicted)
    scores = values(metric, matrices, design.scored)
    return Measured.of(scores, parts, design, design.lacks(metric), outcomes, flip)


def _seen_by(metric: str, design: Design, predicted: NDArray[np.integer]) -> NDArray[np.integer]:
    """Predicted class ids [..., n] as far as a metric tells them apart: to accuracy one error is like another."""
    if metric == "accuracy":
        return (predicted == design.truth).astype(np.int8)
    return (predicted == class_of(metric)).astype(np.int8) if metric.startswith("f1:") else predicted


def unlike(several: Sequence[NDArray[np.integer]], design: Design) -> NDArray[np.int64]:
    """int64[R, R]: in how many units, samples or clusters, two configurations do not say the same.

    Args:
        several: outcomes [S, n] of R configurations, a row for each seed.
        design: of the samples.
    """
    common = math.lcm(*(len(outcomes) for outcomes in several))
    if common == 1:
        return _unlike(np.concatenate(several), design)
    # Shares of each answer among the seeds, as one number a sample: equal shares are equal numbers.
    codes = np.random.default_rng(0).integers(
        0, 2**64, 1 + max(int(outcomes.max(initial=0)) for outcomes in several), np.uint64
    )
    seen = np.stack(
        [(codes[outcomes] * np.uint64(common // len(outcomes))).sum(axis=0, dtype=np.uint64) for outcomes in several]
    )
    return _unlike(seen, design)


def _unlike(seen: NDArray[np.integer], design: Design) -> NDArray[np.int64]:
    """The same of one number [R, n] for each sample."""
    if design.clusters is not None:
        order = np.argsort(design.clusters, kind="stable")
        seen, starts = seen[:, order], np.flatnonzero(np.diff(design.clusters[order], prepend=-1))
    counts = np.zeros((len(seen), len(seen)), dtype=np.int64)
    for place in range(len(seen) - 1):
        apart = seen[place] != seen[place + 1 :]
        if design.clusters is not None:
            apart = np.logical_or.reduceat(apart, starts, axis=1)
        counts[place, place + 1 :] = counts[place + 1 :, place] = apart.sum(axis=1)
    return counts


def smallest_p(units: ArrayLike) -> NDArray[np.float64]:
    """The least p that a comparison can have in which two models say something unlike of so many units.

    If neither is better, which of the two outcomes of a unit is whose is a toss of a coin: of the 2^units ways that the
    coins can fall, at least two are as uneven as what was seen (Fisher's randomization test, 1935).
    """
    return np.exp2(np.minimum(0.0, 1.0 - np.asarray(units, dtype=np.float64)))
