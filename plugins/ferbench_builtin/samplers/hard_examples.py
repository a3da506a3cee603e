"""More of the samples that had the largest loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from ferbench import Scores, Task, Tunable
from ferbench_builtin.samplers.drawing import uniform, words
from ferbench_builtin.samplers.known_losses import KnownLosses


class HardExamples:
    """Online batch selection of Loshchilov and Hutter (2016, https://arxiv.org/abs/1511.06343).

    Of N samples the one with the i-th largest latest known loss is drawn with a chance proportional to
    (1 / exp(ln(s) / N))^i, so that the hardest is drawn about s times as often as the easiest; as many draws as
    samples, with replacement. The selection pressure s goes from ``pressure`` in the second epoch to
    ``final_pressure`` in the last, by the same factor from epoch to epoch. The first epoch, in which no loss is known,
    has every sample once.

    Losses are those of the epoch before, of the images as the model learnt from them; a sample that was not drawn keeps
    the one that it had. Ranks are made once an epoch. One that was never drawn counts as the hardest.

    Args:
        labels: int64[n], class ids of the training samples; only their number matters here.
        task: the learning problem (unused).
        seed: the run's seed, zero or above; given by the harness.
        epochs: of the training; given by the harness.
        pressure: s of the second epoch; 1 draws all alike.
        final_pressure: s of the last epoch.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        task: Task,
        *,
        seed: int,
        epochs: int,
        pressure: Annotated[float, Interval(ge=1, le=1e9), Tunable(2.0, 1000.0, log=True)] = 100.0,
        final_pressure: Annotated[float, Interval(ge=1, le=1e9)] = 1.0,
    ) -> None:
        self._known = KnownLosses(len(labels))
        self._seed = seed
        self._epochs = epochs
        self._pressure = pressure
        self._final = final_pressure

    def pressure(self, epoch: int) -> float:
        """s of an epoch from the second on."""
        way = (epoch - 2) / (self._epochs - 2) if self._epochs > 2 else 0.0
        return float(self._pressure * (self._final / self._pressure) ** min(max(way, 0.0), 1.0))

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """The draws of an epoch: int64[n]."""
        n = len(self._known.values)
        ties = words(self._seed, epoch, n, stream=1)
        if self._known.none:
            return np.argsort(ties, kind="stable").astype(np.int64, copy=False)
        losses = np.where(np.isnan(self._known.values), np.inf, self._known.values)
        hardest_first = np.lexsort((ties, -losses)).astype(np.int64, copy=False)
        chances = np.cumsum(np.exp(-np.log(self.pressure(epoch)) / n * np.arange(1, n + 1)))
        place = uniform(self._seed, epoch, n) * chances[-1]
        return hardest_first[np.minimum(np.searchsorted(chances, place, side="right"), n - 1)]

    def update(self, scores: Scores) -> None:
        """Take note of an epoch's losses."""
        self._known.hear(scores)

    def describe(self) -> dict[str, Any]:
        """The pressure of the epoch that comes next, and the losses that it ranks by; empty for the first."""
        if self._known.none:
            return {}
        known = self._known.values[~np.isnan(self._known.values)]
        low, middle, high = np.quantile(known.astype(np.float64), (0, 0.5, 1)).round(6).tolist()
        return {
            "pressure": round(self.pressure(self._known.epoch + 1), 6),
            "losses": {"easiest": low, "median": middle, "hardest": high},
        }

    def state_dict(self) -> dict[str, Any]:
        """The latest known losses."""
        return self._known.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._known.load_state_dict(state)
