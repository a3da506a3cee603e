"""How samples vary: which of them are drawn together, and the variances that follow from that."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ferbench.statistics.measured import gradient, values

#: Degrees of freedom are rounded down to one of these, which makes tests a little too careful.
STEPS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 25, 30, 40, 60, 100, 200, 1000], dtype=np.float64)


@dataclass(frozen=True)
class Design:
    """What another test set would have in common with this one.

    Without clusters: the count of each class (sampling is stratified by the true class). With clusters: nothing, whole
    clusters are drawn, since samples of one person or clip err together.

    Attributes:
        truth: int64[n] class ids.
        classes: K.
        clusters: int64[n], the cluster of each sample, numbered from 0; None: every sample stands alone.
    """

    truth: NDArray[np.int64]
    classes: int
    clusters: NDArray[np.int64] | None = None
    _scale: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        support = np.bincount(self.truth, minlength=self.classes).astype(np.float64)
        scale = np.sqrt(np.divide(support, support - 1, out=np.zeros_like(support), where=support > 1))
        object.__setattr__(self, "_scale", scale[self.truth])

    @property
    def n(self) -> int:
        return len(self.truth)

    @property
    def units(self) -> int:
        """What is drawn: samples, or clusters."""
        return self.n if self.clusters is None else int(self.clusters.max()) + 1

    def freedom(self, deviations: NDArray[np.float64]) -> float:
        """Degrees of freedom of the variance that deviations [units] add up to.

        A rare class can carry most of a macro average's variance, which is then known no better than its few samples
        allow: Satterthwaite's formula over the strata (Biometrics Bulletin 1946).
        """
        if self.clusters is not None:
            return max(1, self.units - 1)
        parts = _totals(self.truth, deviations**2, self.classes)
        return float(self.combined_freedom(parts))

    def combined_freedom(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Degrees of freedom of the sum of the strata's variances [K, ...], rounded down to a few steps."""
        support = np.bincount(self.truth, minlength=self.classes)
        own = np.maximum(1, support - 1).reshape(-1, *[1] * (parts.ndim - 1))
        total, squares = parts.sum(axis=0) ** 2, (parts**2 / own).sum(axis=0)
        found = np.divide(total, squares, out=np.full(total.shape, float(max(1, self.n - 1))), where=squares > 0)
        return STEPS[np.maximum(0, np.searchsorted(STEPS, found * (1 + 1e-9), side="right") - 1)]

    def deviations(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Contributions [..., n] of samples as deviations [..., units], whose squares sum to the variance."""
        if self.clusters is not None:
            sums = _totals(self.clusters, parts, self.units)
            centred = sums - sums.mean(axis=-1, keepdims=True)
            return centred * np.sqrt(self.units / max(1, self.units - 1))
        support = np.bincount(self.truth, minlength=self.classes)
        means = _totals(self.truth, parts, self.classes) / np.maximum(support, 1)
        return (parts - means[..., self.truth]) * self._scale


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
    """

    values: NDArray[np.float64]
    deviations: NDArray[np.float64]
    interaction: float

    @classmethod
    def of(cls, values: NDArray[np.float64], parts: NDArray[np.float64], design: Design) -> Measured:
        """From the values [S] of the seeds and the influence [S, n] of each sample on each."""
        deviations = design.deviations(parts)
        mean, seeds = deviations.mean(axis=0), len(values)
        interaction = float(((deviations - mean) ** 2).sum() / (seeds - 1)) if seeds > 1 else float("nan")
        return cls(values, mean, interaction)

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
    parts = np.stack(
        [
            gradient(metric, one)[design.truth, row]
            for one, row in zip(matrices, predicted.astype(np.int64), strict=True)
        ]
    )
    return Measured.of(values(metric, matrices), parts, design)
