"""How far people agree on a picture: what one annotator would score, judged by the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of pictures with votes.

    Attributes:
        each: float64[n], the chance that one of a picture's annotators names what most of the others name; NaN where
            fewer than two voted for a class.
        strict: float64[n], the same where a vote for what is no class counts as a miss; NaN where nobody voted.
    """

    each: NDArray[np.float64]
    strict: NDArray[np.float64]


def agreement(votes: NDArray[np.floating], others: NDArray[np.floating]) -> Agreement:
    """Every annotator against the majority of the other annotators of the same picture, among the classes.

    A vote for one of t classes that most of the others tie for counts as 1/t. Annotators whose vote is for no class are
    left out, or miss.

    Args:
        votes: float[n, K], how many voted for each class; NaN where nobody was asked.
        others: float[n], how many voted for something that is no class, such as 'unknown'.
    """
    counts = np.nan_to_num(np.asarray(votes, dtype=np.float64))
    right = np.zeros_like(counts)
    for k in range(counts.shape[1]):
        rest = counts.copy()
        rest[:, k] -= 1  # the annotator who is judged
        most = rest.max(axis=1)
        tied = (rest == most[:, None]).sum(axis=1)
        right[:, k] = np.where((counts[:, k] > 0) & (most > 0) & (rest[:, k] == most), 1 / tied, 0)
    agreed, voted = (right * counts).sum(axis=1), counts.sum(axis=1)
    asked = voted + np.nan_to_num(np.asarray(others, dtype=np.float64))
    nothing = np.full(len(counts), np.nan)
    return Agreement(
        np.divide(agreed, voted, out=nothing.copy(), where=voted >= 2),
        np.divide(agreed, asked, out=nothing, where=asked >= 1),
    )
