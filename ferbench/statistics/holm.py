"""Holm's correction for several tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p: ArrayLike, tests: int = 0) -> NDArray[np.float64]:
    """Adjusted p-values float[m], in the order given: the chance of any false rejection among all m stays below alpha.

    Holds whatever the dependence between the tests. Holm (Scandinavian Journal of Statistics, 1979). NaN stays NaN and
    is counted as no test.

    Args:
        p: float[m] of the single tests.
        tests: how many there were, where that is more than m: the others count as if their p were 1, which makes the
            p-values that are there no smaller than they would be if all were known.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    factors = max(tests, len(order)) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * factors))
    return adjusted
