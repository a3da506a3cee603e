"""Draws of samples that depend on a seed and an epoch alone.

Raw words of a bit generator rather than the methods of ``numpy.random.Generator``: NumPy promises that words stay the
same from release to release, but not that those methods do (NEP 19).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def words(seed: int, epoch: int, n: int, stream: int = 0) -> NDArray[np.uint64]:
    """uint64[n] random words of a seed, an epoch and a stream."""
    return np.random.Philox(np.random.SeedSequence((seed, epoch, stream))).random_raw(n)


def uniform(seed: int, epoch: int, n: int, stream: int = 0) -> NDArray[np.float64]:
    """float64[n] in [0, 1), of 53 random bits each."""
    return (words(seed, epoch, n, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53


class Classes:
    """The training samples by class.

    Args:
        labels: int64[n], class ids.
        classes: K.

    Attributes:
        counts: int64[K], samples per class.
    """

    def __init__(self, labels: NDArray[np.int64], classes: int) -> None:
        self.counts = np.bincount(labels, minlength=classes)
        self._ordered = np.argsort(labels, kind="stable").astype(np.int64, copy=False)
        self._starts = np.cumsum(self.counts) - self.counts

    def __len__(self) -> int:
        return len(self._ordered)

    def members(self, k: int) -> NDArray[np.int64]:
        """int64[n_k], the samples of a class."""
        return self._ordered[self._starts[k] : self._starts[k] + self.counts[k]]

    def draw(self, weights: NDArray[np.float64], seed: int, epoch: int) -> NDArray[np.int64]:
        """As many samples as there are, with replacement, each with a chance proportional to its class's weight.

        Args:
            weights: float64[K], of one sample of each class.
            seed: of the run.
            epoch: of the run.

        Returns:
            int64[n].
        """
        n = len(self)
        chances = np.cumsum(self.counts * weights)
        last = int(np.flatnonzero(self.counts * weights)[-1])
        place = uniform(seed, epoch, n) * chances[-1]
        chosen = np.minimum(np.searchsorted(chances, place, side="right"), last)
        within = (uniform(seed, epoch, n, stream=1) * self.counts[chosen]).astype(np.int64)
        return self._ordered[self._starts[chosen] + within]
