"""The easiest samples first, and more of them from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from ferbench import Scores, Task, Tunable
from ferbench_builtin.samplers.drawing import words
from ferbench_builtin.samplers.known_losses import KnownLosses


class SelfPaced:
    """Self-paced learning of Kumar, Packer and Koller (NIPS 2010): an epoch has the samples whose loss is below a
    threshold, each once, and the threshold rises until all are let in.

    The threshold is told by the share of samples below it, so that how long each epoch will be is known before the
    first: ``start`` in the second epoch, ``growth`` times as many from epoch to epoch, all in the end. The first epoch
    has every sample once, since no loss is known.

    Losses are those of the epoch before, of the images as the model learnt from them; a sample that was not drawn keeps
    the one that it had. Of equal ones, chance decides.

    Args:
        labels: int64[n], class ids of the training samples; only their number matters here.
        task: the learning problem (unused).
        seed: the run's seed, zero or above; given by the harness.
        start: share of the samples in the second epoch; the paper's begins with half of them.
        growth: factor of that share from epoch to epoch; the paper's threshold rises by 1.3.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        task: Task,
        *,
        seed: int,
        start: Annotated[float, Interval(gt=0, le=1), Tunable(0.2, 0.9)] = 0.5,
        growth: Annotated[float, Interval(gt=1, le=1e6), Tunable(1.05, 2.0)] = 1.3,
    ) -> None:
        self._known = KnownLosses(len(labels))
        self._seed = seed
        self._start = start
        self._growth = growth

    def lengths(self, epochs: int) -> list[int]:
        """How many samples each epoch has."""
        return [self._length(epoch) for epoch in range(1, epochs + 1)]

    def _length(self, epoch: int) -> int:
        n = len(self._known.values)
        if epoch == 1 or math.log(self._start) + (epoch - 2) * math.log(self._growth) >= 0:
            return n
        return max(1, math.ceil(self._start * self._growth ** (epoch - 2) * n))

    def _easiest(self, epoch: int) -> NDArray[np.int64]:
        """The samples of an epoch, the easiest first: int64[m]."""
        losses = np.where(np.isnan(self._known.values), np.inf, self._known.values)
        ties = words(self._seed, epoch, len(losses), stream=1)
        return np.lexsort((ties, losses)).astype(np.int64, copy=False)[: self._length(epoch)]

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """The order of an epoch: int64[m], no sample twice."""
        let_in = self._easiest(epoch)
        return let_in[np.argsort(words(self._seed, epoch, len(let_in)), kind="stable")]

    def update(self, scores: Scores) -> None:
        """Take note of an epoch's losses."""
        self._known.hear(scores)

    def describe(self) -> dict[str, Any]:
        """Share of the samples in the epoch that comes next, and the largest loss among them, where it is known."""
        n, epoch = len(self._known.values), self._known.epoch + 1
        about: dict[str, Any] = {"share": round(self._length(epoch) / n, 6)}
        threshold = float(self._known.values[self._easiest(epoch)[-1]])
        return about | ({"threshold": round(threshold, 6)} if math.isfinite(threshold) else {})

    def state_dict(self) -> dict[str, Any]:
        """The latest known losses."""
        return self._known.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._known.load_state_dict(state)
