"""Samples drawn with fixed weights of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from ferbench import Inert, Scores, Task, Tunable
from ferbench_builtin.class_weights import ClassWeight, by_name
from ferbench_builtin.samplers.drawing import Classes


class Weighted:
    """As many samples as there are, drawn with replacement; a sample's chance is proportional to its class's weight.

    The weight of a class with n samples is n^power, times its emphasis. So the class as a whole is drawn in
    proportion to n^(1 + power): power 0 leaves the natural frequencies, −1 makes the classes equally frequent in
    expectation.

    Args:
        labels: int64[n], class ids of the training samples.
        task: names the classes.
        seed: the run's seed, zero or above; given by the harness.
        power: of the class's size; default: −0.5, the inverse square root, or 0 where there is an emphasis.
        emphasis: factors by class name, such as {disgust = 3.0, fear = 2.0}; other classes have 1.

    Raises:
        UserError: ``emphasis`` names a class that there is not.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        task: Task,
        *,
        seed: int,
        power: Annotated[float, Interval(ge=-10, le=10), Tunable(-1.0, 0.0)] | None = None,
        emphasis: Annotated[dict[str, ClassWeight], Inert()] = {},  # noqa: B006 - never changed; an option's default
    ) -> None:
        self._classes = Classes(labels, task.num_classes)
        self._names = task.class_names
        self._seed = seed
        chosen = power if power is not None else (0.0 if emphasis else -0.5)
        frequency = (self._classes.counts / max(len(labels), 1)).clip(min=1e-12) ** chosen
        self._weights = by_name(task, emphasis, "sampler.emphasis") * frequency

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """The draws of an epoch: int64[n]."""
        return self._classes.draw(self._weights, self._seed, epoch)

    def describe(self) -> dict[str, Any]:
        """The classes' weights by name, scaled so that the smallest is 1."""
        scaled = self._weights / self._weights[self._classes.counts > 0].min()
        return {
            "weights": {
                name: round(float(w), 6)
                for name, w, n in zip(self._names, scaled, self._classes.counts, strict=True)
                if n
            }
        }

    def update(self, scores: Scores) -> None:
        """Scores change nothing here."""

    def state_dict(self) -> dict[str, Any]:
        """Empty: the weights are fixed."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes the empty state that :meth:`state_dict` gives."""
