"""Every class equally often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench import Scores, Task
from ferbench_builtin.samplers.drawing import Classes, words


class Balanced:
    """As many samples as there are, each class equally often (to one sample), in a new order every epoch.

    Within a class no sample is drawn once more than another until all have had their turn: a large class gives a
    random part of its samples, a small one repeats all of them.

    Args:
        labels: int64[n], class ids of the training samples.
        task: the learning problem.
        seed: the run's seed, zero or above; given by the harness.
    """

    def __init__(self, labels: NDArray[np.int64], task: Task, *, seed: int) -> None:
        self._classes = Classes(labels, task.num_classes)
        self._seed = seed

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """The order of an epoch: int64[n], with repetitions."""
        n = len(self._classes)
        present = np.flatnonzero(self._classes.counts)
        # Which classes have one sample more than others changes from epoch to epoch.
        present = present[np.argsort(words(self._seed, epoch, len(present)), kind="stable")]
        drawn = []
        for turn, k in enumerate(present.tolist()):
            wanted = n // len(present) + (turn < n % len(present))
            members = self._classes.members(k)
            rounds = -(-wanted // len(members))
            keys = words(self._seed, epoch, rounds * len(members), stream=2 + k).reshape(rounds, len(members))
            drawn.append(members[np.argsort(keys, axis=1, kind="stable")].ravel()[:wanted])
        together = np.concatenate(drawn)
        return together[np.argsort(words(self._seed, epoch, n, stream=1), kind="stable")]

    def update(self, scores: Scores) -> None:
        """Scores change nothing here."""

    def state_dict(self) -> dict[str, Any]:
        """Empty: the order needs nothing but the seed and the epoch."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes the empty state that :meth:`state_dict` gives."""
