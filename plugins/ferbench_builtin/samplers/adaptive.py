"""Samplers that draw more of the classes that the model is worst at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from ferbench import Scores, Task, Tunable
from ferbench_builtin.samplers.drawing import Classes

Source = Literal["validation", "train"]


def f1_of(scores: Scores, source: Source, names: tuple[str, ...]) -> NDArray[np.float64]:
    """F1 by class, float64[K], of the validation split or of the training batches as they went by; never of test.

    NaN for a class without validation samples, of which validation says nothing.
    """
    if source == "train":
        return np.array([scores.train_f1[name] for name in names], dtype=np.float64)
    f1 = np.array([scores.f1[name] for name in names], dtype=np.float64)
    return np.where([scores.support.get(name, 1) > 0 for name in names], f1, np.nan)


class Adaptive:
    """Adaptive sampling of system S4: after each epoch the classes with the lowest F1 become the focus.

    All weights start at 1. After an epoch, the ``focus`` classes with the lowest F1 (of equals, the first) get their
    weight raised; a class without training samples never is in the focus, nor one without samples to measure its F1 on.
    A sample's chance is proportional to its class's weight, so weights multiply the natural frequencies; as many
    samples as there are, drawn with replacement.

    Args:
        labels: int64[n], class ids of the training samples.
        task: names the classes.
        seed: the run's seed, zero or above; given by the harness.
        focus: how many classes are in the focus.
        boost: factor of a class in the focus.
        source: F1 on ``validation``, or on the ``train`` batches as they went by.
        mode: ``reset`` puts the weights of all other classes back to 1; ``accumulate`` multiplies on top of what
            earlier epochs gave, up to ``limit``.
        limit: largest weight of a class.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        task: Task,
        *,
        seed: int,
        focus: Annotated[int, Interval(ge=1, le=1000), Tunable(1, 3)] = 2,
        boost: Annotated[float, Interval(ge=1, le=1e6), Tunable(1.5, 5.0)] = 3.0,
        source: Source = "validation",
        mode: Literal["reset", "accumulate"] = "reset",
        limit: Annotated[float, Interval(ge=1, le=1e6)] = 100.0,
    ) -> None:
        self._classes = Classes(labels, task.num_classes)
        self._names = task.class_names
        self._seed = seed
        self._focus_size = focus
        self._boost = boost
        self._source: Source = source
        self._mode = mode
        self._limit = limit
        self._weights = np.ones(task.num_classes)
        self._focus: list[str] = []

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """The draws of an epoch: int64[n]."""
        return self._classes.draw(self._weights, self._seed, epoch)

    def update(self, scores: Scores) -> None:
        """Choose the focus of the next epoch."""
        f1 = f1_of(scores, self._source, self._names)
        known = (self._classes.counts > 0) & ~np.isnan(f1)
        lowest = np.argsort(np.where(known, f1, np.inf), kind="stable")[: min(self._focus_size, int(known.sum()))]
        before = self._weights if self._mode == "accumulate" else np.ones_like(self._weights)
        self._weights = before.copy()
        self._weights[lowest] = np.minimum(before[lowest] * self._boost, self._limit)
        self._focus = [self._names[k] for k in lowest]

    def describe(self) -> dict[str, Any]:
        """Focus and weights of the epoch that comes next."""
        weights = {name: float(weight) for name, weight in zip(self._names, self._weights, strict=True)}
        return {"focus": list(self._focus), "weights": weights}

    def state_dict(self) -> dict[str, Any]:
        """Focus and weights, by class name."""
        return self.describe()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        weights = np.array([state["weights"][name] for name in self._names], dtype=np.float64)
        if not ((weights >= 1) & (weights <= self._limit)).all() or not set(state["focus"]) <= set(self._names):
            raise ValueError("weights or a focus that this sampler never has")
        self._weights, self._focus = weights, list(state["focus"])


class AdaptiveSmooth:
    """Weights that follow 1 − F1 smoothly, so that no class flips in and out of a focus.

    After each epoch d = 1 − F1 of each class is averaged over the epochs, e ← memory · e + (1 − memory) · d, with e = d
    after the first. A class's weight is (e / mean of e)^strength, kept between 1 / limit and limit; all are 1 in the
    first epoch, and that of a class without samples to measure its F1 on stays 1. Weights multiply the natural
    frequencies, as in ``adaptive``.

    Args:
        labels: int64[n], class ids of the training samples.
        task: names the classes.
        seed: the run's seed, zero or above; given by the harness.
        memory: share of the average that an epoch keeps.
        strength: power of the relative error; 0 leaves the natural frequencies.
        limit: largest weight, and the inverse of the smallest.
        source: F1 on ``validation``, or on the ``train`` batches as they went by.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        task: Task,
        *,
        seed: int,
        memory: Annotated[float, Interval(ge=0, lt=1), Tunable(0.0, 0.95)] = 0.7,
        strength: Annotated[float, Interval(ge=0, le=1000), Tunable(0.5, 3.0)] = 1.0,
        limit: Annotated[float, Interval(ge=1, le=1e6), Tunable(2.0, 10.0)] = 5.0,
        source: Source = "validation",
    ) -> None:
        self._classes = Classes(labels, task.num_classes)
        self._names = task.class_names
        self._seed = seed
        self._memory = memory
        self._strength = strength
        self._limit = limit
        self._source: Source = source
        self._error: NDArray[np.float64] | None = None

    @property
    def _weights(self) -> NDArray[np.float64]:
        weights = np.ones(len(self._names))
        if self._error is None:
            return weights
        known = ~np.isnan(self._error)
        counted = known & (self._classes.counts > 0)
        if self._error[counted].any():
            relative = (self._error[known] / self._error[counted].mean()) ** self._strength
            weights[known] = relative.clip(1 / self._limit, self._limit)
        return weights

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """The draws of an epoch: int64[n]."""
        return self._classes.draw(self._weights, self._seed, epoch)

    def update(self, scores: Scores) -> None:
        """Take note of an epoch's F1."""
        error = 1 - f1_of(scores, self._source, self._names)
        kept = error if self._error is None else self._error
        self._error = self._memory * kept + (1 - self._memory) * error

    def describe(self) -> dict[str, Any]:
        """Weights of the epoch that comes next, by class name."""
        return {"weights": {name: float(weight) for name, weight in zip(self._names, self._weights, strict=True)}}

    def state_dict(self) -> dict[str, Any]:
        """The averaged errors by class name, of those that are known; empty before the first epoch."""
        if self._error is None:
            return {}
        known = zip(self._names, self._error, strict=True)
        return {"error": {name: float(value) for name, value in known if not np.isnan(value)}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        error = state.get("error")
        if error is None:
            self._error = None
            return
        known = np.array([error.get(name, np.nan) for name in self._names], dtype=np.float64)
        if not set(error) <= set(self._names) or ((known < 0) | (known > 1 + 1e-9)).any():
            raise ValueError("errors that this sampler never has")
        self._error = known
