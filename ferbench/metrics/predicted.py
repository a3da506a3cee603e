"""What a metric of a plugin is computed from."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

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
        taken = object.__new__(Predictions)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value = np.array(value[rows])  # which a bare slice would not copy
                value.flags.writeable = False
            object.__setattr__(taken, field.name, value)
        return taken


def drawn_again(given: Predictions, rows: NDArray[np.int64], copies: NDArray[np.int64] | None) -> Predictions:
    """Predictions for samples that are drawn anew. Of a person who is drawn twice there are two.

    Args:
        given: of the samples.
        rows: places of those that are drawn.
        copies: int64[m], the copy of its cluster that each is of; None: samples are drawn one by one.
    """
    taken = given.take(rows)
    if copies is None or taken.subjects is None:
        return taken
    apart = np.char.add(np.char.add(taken.subjects, "#"), copies.astype(str))
    return replace(taken, subjects=np.where(taken.subjects == "", "", apart))
