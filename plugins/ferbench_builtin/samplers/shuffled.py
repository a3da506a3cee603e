"""The plain sampler: every training sample once an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench import Scores, Task


class Shuffled:
    """Every training sample once an epoch, in an order that depends on the seed and the epoch alone.

    Args:
        labels: int64[n], class ids of the training samples; only their number matters here.
        task: the learning problem (unused).
        seed: the run's seed, zero or above; given by the harness.
    """

    def __init__(self, labels: NDArray[np.int64], task: Task, *, seed: int) -> None:
        self._size = len(labels)
        self._seed = seed

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """The order of an epoch: int64[n], a permutation of 0 … n - 1."""
        # Sorting raw Philox words rather than Generator.permutation: NumPy promises that the words of a bit
        # generator stay the same from release to release, but not that its Generator's methods do (NEP 19).
        words = np.random.Philox(np.random.SeedSequence((self._seed, epoch))).random_raw(self._size)
        return np.argsort(words, kind="stable").astype(np.int64, copy=False)

    def update(self, scores: Scores) -> None:
        """Scores change nothing here."""

    def state_dict(self) -> dict[str, Any]:
        """Empty: the order needs nothing but the seed and the epoch."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes the empty state that :meth:`state_dict` gives."""
