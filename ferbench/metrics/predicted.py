"""What a metric of a plugin is computed from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of a set of samples, and what is known of them. The arrays are read-only.

    Attributes:
        ids: str[n] sample ids.
        labels: int64[n] true class ids.
        probabilities: float64[n, K], a row for each sample.
        class_names: K names in the order of class ids.
        votes: float64[n, K] annotators' votes as shares that sum to 1, NaN in the rows of samples without; None where
            there are none.
        affect_truth: float64[n, 2] annotated valence and arousal, NaN where missing; None where there are none.
        affect: float64[n, 2] predicted valence and arousal; None for a model that does not predict them.
        subjects: str[n], who is shown, empty where not known; None where nobody is.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    class_names: tuple[str, ...]
    votes: NDArray[np.float64] | None = None
    affect_truth: NDArray[np.float64] | None = None
    affect: NDArray[np.float64] | None = None
    subjects: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                wide = np.float64 if value.dtype.kind == "f" else np.int64 if value.dtype.kind in "iu" else value.dtype
                own = np.array(value, dtype=wide)  # a copy, so that whoever gave it may go on with theirs
                own.flags.writeable = False
                object.__setattr__(self, field.name, own)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """int64[n] most probable class ids; of equal probabilities the first."""
        return self.probabilities.argmax(axis=1)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Predictions:
        """The predictions for some samples, by place or by mask; a place may be there several times."""
        several: dict[str, Any] = {
            field.name: None if (value := getattr(self, field.name)) is None else value[rows]
            for field in fields(self)
            if field.name != "class_names"
        }
        return Predictions(class_names=self.class_names, **several)
