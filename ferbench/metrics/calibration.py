"""Whether probabilities mean what they say, and what they are worth for turning doubtful samples away.

All take class ids int64[n] and class probabilities float[n, K]. A sample's confidence is its highest probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.probabilities import predicted_classes

BINS = 15
_SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Reliability:
    """Samples by confidence.

    Attributes:
        edges: float64[B + 1], lowest first; a bin holds what is above its lower edge up to its upper one, both compared
            in the precision of the probabilities.
        place: int64[n] the bin of each sample.
        counts: int64[B].
        confidence: float64[B] mean confidence; NaN of an empty bin.
        accuracy: float64[B] share that is right; NaN of an empty bin.
    """

    edges: NDArray[np.float64]
    place: NDArray[np.int64]
    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean |accuracy − confidence| over bins by their samples; NaN for no samples."""
        n = int(self.counts.sum())
        if n == 0:
            return math.nan
        filled = self.counts > 0
        gaps = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float((gaps * self.counts[filled]).sum() / n)


def reliability(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], *, bins: int = BINS, equal_mass: bool = False
) -> Reliability:
    """Confidence against accuracy in bins.

    Args:
        truth: int64[n].
        probabilities: float[n, K].
        bins: how many.
        equal_mass: bins of equally many samples (up to one; those of equal confidence are kept in the order given)
            instead of equal width. Guo et al. (ICML 2017) use equal width, Nguyen and O'Connor (EMNLP 2015) equal mass.
    """
    n = len(truth)
    top = predicted_classes(probabilities)
    confidence = probabilities[np.arange(n), top].astype(np.float64)
    right = (top == truth).astype(np.float64)
    if equal_mass:
        order = np.argsort(confidence, kind="stable")
        place = np.empty(n, dtype=np.int64)
        place[order] = np.arange(n) * bins // max(n, 1)
        highest = [confidence[order[place[order] == number]].max(initial=0.0) for number in range(bins)]
        edges = np.concatenate([[confidence.min(initial=1.0)], np.maximum.accumulate(highest)])
    else:
        edges = np.arange(bins + 1) / bins
        # In the probabilities' own precision: the float32 of a printed 0.60 is above the float64 edge 0.6.
        ends = edges.astype(probabilities.dtype)
        place = np.clip(np.searchsorted(ends, probabilities[np.arange(n), top], side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins).astype(np.int64)
    filled = np.where(counts > 0, counts, np.nan)
    means = [np.bincount(place, values, minlength=bins) / filled for values in (confidence, right)]
    return Reliability(edges, place, counts, means[0], means[1])


def brier_score(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Mean of Σ_k (p_k − [k is true])², from 0 to 2; NaN for no samples. Brier (Monthly Weather Review, 1950)."""
    if len(truth) == 0:
        return math.nan
    apart = probabilities.astype(np.float64)
    apart[np.arange(len(truth)), truth] -= 1
    return float((apart**2).sum(axis=1).mean())


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Predictive entropy float64[n] in nats: 0 when sure, ln K when every class is as likely."""
    p = probabilities.astype(np.float64)
    return -(p * np.log(np.maximum(p, _SMALLEST))).sum(axis=1)


def risk_coverage(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of samples answered and share of errors among them, float64[n] each, the most confident answered first.

    Geifman and El-Yaniv (NeurIPS 2017). Of equal confidence, errors and hits are spread evenly.
    """
    n = len(truth)
    confidence = probabilities.max(axis=1).astype(np.float64) if n else np.zeros(0)
    wrong = (predicted_classes(probabilities) != truth).astype(np.float64)
    order = np.argsort(-confidence, kind="stable")
    _, group, sizes = np.unique(confidence[order], return_inverse=True, return_counts=True)
    even = (np.bincount(group, wrong[order], minlength=len(sizes)) / np.maximum(sizes, 1))[group]
    answered = np.arange(1, n + 1)
    return answered / max(n, 1), np.cumsum(even) / answered


def area_under_risk(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Mean risk over all coverages (AURC): lower is better, 0 without an error; NaN for no samples."""
    _, risk = risk_coverage(truth, probabilities)
    return float(risk.mean()) if len(risk) else math.nan


def scaled(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Probabilities float64[n, K] with their logits divided by a temperature; the most probable class stays."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fitted_temperature(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """The temperature between 0.05 and 20 with the lowest negative log-likelihood; NaN for no samples.

    Guo et al. (ICML 2017). Fit it on validation, never on test. The loss is convex in 1 / temperature, so that a
    golden-section search finds its minimum.
    """
    if len(truth) == 0:
        return math.nan
    logits = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST))
    own = logits[np.arange(len(truth)), truth]
    top = logits.max(axis=1)

    def loss(sharpness: float) -> float:
        total = np.log(np.exp((logits - top[:, None]) * sharpness).sum(axis=1))
        return float((total - (own - top) * sharpness).mean())

    ratio = (math.sqrt(5) - 1) / 2
    low, high = 1 / 20, 20.0
    inner = [high - ratio * (high - low), low + ratio * (high - low)]
    values = [loss(sharpness) for sharpness in inner]
    while high - low > 1e-7 * high:
        if values[0] <= values[1]:
            high, inner[1], values[1] = inner[1], inner[0], values[0]
            inner[0] = high - ratio * (high - low)
            values[0] = loss(inner[0])
        else:
            low, inner[0], values[0] = inner[0], inner[1], values[1]
            inner[1] = low + ratio * (high - low)
            values[1] = loss(inner[1])
    return 2 / (low + high)


def calibration_metrics(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> dict[str, float]:
    """``ece``, ``ece_mass`` (bins of equally many samples), ``entropy`` (the mean) and ``aurc``."""
    return {
        "ece": reliability(truth, probabilities).error,
        "ece_mass": reliability(truth, probabilities, equal_mass=True).error,
        "entropy": float(entropy(probabilities).mean()) if len(truth) else math.nan,
        "aurc": area_under_risk(truth, probabilities),
    }
