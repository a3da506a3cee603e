"""From variances of several sources to intervals and p-values.

The half-width at level 1 − p is √(Σ t(p, freedom)² · variance) over the sources: each variance is stretched by what
its own degrees of freedom ask for. With one source this is Student's interval, with many degrees of freedom the normal.
Satterthwaite's single effective freedom falls to 90 % coverage where two or three seeds vary much, since a small
estimate takes its own small freedom out of sight; this sum stays between 94 and 97 % (benchmarks/statistics). It is
the shape of Graybill and Wang's bounds for sums of variances (Journal of the American Statistical Association 1980).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Two-sided levels between which p-values are interpolated, the smallest last.
_LEVELS = np.concatenate([np.linspace(1.0, 0.01, 400), np.logspace(-2, -60, 1200)[1:]])


@dataclass(frozen=True)
class Source:
    """One source of variance.

    Attributes:
        variance: of an estimate, a number or an array.
        freedom: degrees of freedom that it was estimated with.
    """

    variance: ArrayLike
    freedom: float


def half_width(sources: Sequence[Source], level: float = 0.95) -> NDArray[np.float64]:
    """Half of a two-sided interval's width, shaped as the variances are."""
    from scipy.special import stdtrit

    return np.sqrt(sum(stdtrit(s.freedom, 0.5 + level / 2) ** 2 * np.asarray(s.variance, np.float64) for s in sources))


def p_value(estimate: ArrayLike, sources: Sequence[Source]) -> NDArray[np.float64]:
    """Two-sided p of an estimate against 0: where the interval just reaches 0. Not below 1e-60.

    Of an estimate of 0 it is 1, and of another one without any variance the smallest.
    """
    square = np.square(np.asarray(estimate, dtype=np.float64))
    squares = [_squared_quantiles(s.freedom) for s in sources]
    variances = [np.broadcast_to(np.asarray(s.variance, np.float64), square.shape) for s in sources]

    def reach(place: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.sum([table[place] * variance for table, variance in zip(squares, variances, strict=True)], axis=0)

    low = np.zeros(square.shape, dtype=np.int64)
    high = np.full(square.shape, len(_LEVELS) - 1, dtype=np.int64)
    for _ in range(int(np.ceil(np.log2(len(_LEVELS)))) + 1):
        middle = (low + high + 1) // 2
        within = reach(middle) <= square
        low, high = np.where(within, middle, low), np.where(within, high, np.maximum(low, middle - 1))
    above = np.minimum(low + 1, len(_LEVELS) - 1)
    here, there, wanted = np.sqrt(reach(low)), np.sqrt(reach(above)), np.sqrt(square)
    share = np.divide(wanted - here, there - here, out=np.zeros(square.shape), where=there > here)
    logs = np.log(_LEVELS)
    p = np.exp(logs[low] + np.clip(share, 0, 1) * (logs[above] - logs[low]))
    return np.where(square == 0, 1.0, p)


@lru_cache(256)
def _squared_quantiles(freedom: float) -> NDArray[np.float64]:
    """Squares of Student's two-sided quantiles at `_LEVELS`: many pairs share a few degrees of freedom."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, _LEVELS / 2)) ** 2  # the lower tail keeps its digits


def even_on(scale: Literal["correlation", "positive"], value: float, half: float) -> tuple[float, float]:
    """The ends of an interval that is even on another scale, whose half-width there follows from that of the value.

    Correlations: Fisher's z (Biometrika 1915), as Lin has it for concordance. What is positive: its logarithm.
    """
    if scale == "correlation":
        if not -1 < value < 1:
            return value, value
        z, wide = np.arctanh(value), half / (1 - value**2)
        return float(np.tanh(z - wide)), float(np.tanh(z + wide))
    if value <= 0:
        return 0.0, half
    return float(value * np.exp(-half / value)), float(value * np.exp(half / value))


def wilson(value: float, variance: float, quantile: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share with any variance, through its effective sample size.

    Never leaves [0, 1], unlike value ± half-width, and is Wilson's own interval (Journal of the American Statistical
    Association 1927) for the binomial variance. Effective sizes: Korn and Graubard (Survey Methodology 1998).

    Args:
        value: in [0, 1].
        variance: of the value; where it is 0, as for a value of 1, n samples are counted.
        quantile: two-sided, such as 1.96.
        n: samples.
    """
    size = value * (1 - value) / variance if variance > 0 and 0 < value < 1 else float(n)
    square = quantile**2 / size
    middle = (value + square / 2) / (1 + square)
    half = np.sqrt(square * value * (1 - value) + square**2 / 4) / (1 + square)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
