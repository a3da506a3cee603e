"""What choosing the epoch on the test set would have bought: the optimism of the best epoch on test, from validation.

Validation samples are halved at random, again and again. One half plays the test set: the score that it has in the
epoch that is the best on it, less the score that it has in the epoch that is the best on the other half, is what a
choice on a test set of that size buys over a choice on a validation set of that size. Both halves are samples of the
population that validation is a sample of, and neither knows of the other, so that the mean over halvings is unbiased
for that. The test set itself is never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Random halvings; each counts twice, as either half plays the test set.
HALVINGS = 200

#: What an epoch is chosen by and judged by, both times the same.
SELECTED_BY = ("accuracy", "macro_f1", "balanced_accuracy")


@dataclass(frozen=True)
class Gain:
    """How much higher the score of an epoch is that was chosen on the samples that it is reported on.

    Attributes:
        mean: over halvings.
        deviation: standard deviation over halvings: how far a single paper is from the mean.
        low: of 95 % of the halvings, the lowest.
        high: the highest.
    """

    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class Selection:
    """What choosing on test would have bought.

    Attributes:
        gains: by metric of `SELECTED_BY`.
        halvings: how many random halvings.
    """

    gains: dict[str, Gain]
    halvings: int


def bought(
    predicted: NDArray[np.uint8],
    truth: NDArray[np.int64],
    classes: int,
    clusters: NDArray[np.int64] | None = None,
    halvings: int = HALVINGS,
    seed: int = 0,
) -> Selection | None:
    """What choosing the epoch on a test set like a half of validation would have bought.

    Args:
        predicted: class ids [E, n] after each epoch.
        truth: class ids [n].
        classes: K.
        clusters: int64[n] of samples that stay together in one half, numbered from 0; None: each stands alone.
        halvings: how many.
        seed: of the draws.

    Returns:
        None for fewer than two epochs, or fewer than two clusters.
    """
    samples, epochs = len(truth), len(predicted)
    units = samples if clusters is None else int(clusters.max(initial=-1)) + 1
    if epochs < 2 or units < 2:
        return None
    draws = np.random.default_rng(seed)
    chosen = np.stack([draws.permutation(units) < units // 2 for _ in range(halvings)])
    first = chosen if clusters is None else chosen[:, clusters]
    scores = _scores(predicted, truth, classes, np.ascontiguousarray(first.T, dtype=np.float32))
    gains = {}
    for name, tested in scores.items():
        selected = np.roll(tested, halvings, axis=1).argmax(axis=0)  # by the other half; of equal epochs the first
        gain = tested.max(axis=0) - tested[selected, np.arange(2 * halvings)]
        low, high = np.quantile(gain, [0.025, 0.975])
        gains[name] = Gain(float(gain.mean()), float(gain.std(ddof=1)), float(low), float(high))
    return Selection(gains, halvings)


def _scores(
    predicted: NDArray[np.uint8], truth: NDArray[np.int64], classes: int, first: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Scores [E, 2H] of each epoch on each half, whose samples are 1 in a column of ``first`` [n, H], and then on the
    rest of them."""

    def counted(keys: NDArray[np.int64], kinds: int) -> NDArray[np.float64]:
        """How many samples of each kind there are in each half, [kinds, 2H]."""
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        counts = np.zeros((kinds, first.shape[1]))
        # Counts up to 2^24 are exact in float32, in whatever order they are summed.
        counts[ordered[starts]] = np.add.reduceat(first[order], starts, axis=0)
        return np.concatenate([counts, np.bincount(keys, minlength=kinds)[:, None] - counts], axis=1)

    support = counted(truth, classes)
    there = support > 0
    made: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SELECTED_BY}
    for epoch in predicted:
        kinds = counted(2 * epoch.astype(np.int64) + (epoch == truth), 2 * classes)
        hits, taken = kinds[1::2], kinds[::2] + kinds[1::2]
        either = taken + support
        f1 = np.divide(2 * hits, either, out=np.zeros_like(hits), where=either > 0)
        recall = np.divide(hits, support, out=np.zeros_like(hits), where=there)
        made["accuracy"].append(hits.sum(axis=0) / np.maximum(1, support.sum(axis=0)))
        made["macro_f1"].append(f1.mean(axis=0))
        made["balanced_accuracy"].append(recall.sum(axis=0) / np.maximum(1, there.sum(axis=0)))
    return {name: np.stack(scores) for name, scores in made.items()}
