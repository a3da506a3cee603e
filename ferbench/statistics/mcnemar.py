"""McNemar's test: do two models err on unlike numbers of the same samples?

Only samples count that one model gets right and the other wrong. Under the hypothesis of equal accuracies each of them
falls to either side with probability ½ (McNemar, Psychometrika 1947).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def mcnemar_exact(only_first: ArrayLike, only_second: ArrayLike) -> NDArray[np.float64]:
    """Two-sided p of the exact (binomial) test; never too small, and often too large.

    Args:
        only_first: samples that only the first model gets right, a number or an array.
        only_second: those that only the second gets right, of the same shape.
    """
    tail, _ = _smaller_tail(only_first, only_second)
    return np.minimum(1.0, 2 * tail)


def mcnemar_mid_p(only_first: ArrayLike, only_second: ArrayLike) -> NDArray[np.float64]:
    """Two-sided mid-p: the observed split counts half. Nearer to the stated level than the exact test.

    Recommended for paired proportions by Fagerland, Lydersen and Laake (BMC Medical Research Methodology 2013).
    Arguments as for `mcnemar_exact`.
    """
    tail, point = _smaller_tail(only_first, only_second)
    return np.minimum(1.0, 2 * tail - point)


def _smaller_tail(only_first: ArrayLike, only_second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P(X ≤ min) and P(X = min) for X binomial over the discordant samples."""
    from scipy.special import bdtr

    first, second = np.asarray(only_first, dtype=np.float64), np.asarray(only_second, dtype=np.float64)
    fewer, both = np.minimum(first, second), first + second
    tail = bdtr(fewer, both.astype(np.int64), 0.5)
    below = np.where(fewer > 0, bdtr(np.maximum(fewer - 1, 0), both.astype(np.int64), 0.5), 0.0)
    return tail, tail - below
