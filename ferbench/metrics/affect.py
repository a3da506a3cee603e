"""How well valence and arousal, both in [-1, 1], are predicted.

Samples without a label (NaN) are left out. What is not defined is NaN: everything without samples, R² of a constant
truth, correlation with a constant. Variances and covariances divide by n.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Columns of every affect array.
DIMENSIONS = ("valence", "arousal")


def dimension_scores(truth: NDArray[np.floating], predicted: NDArray[np.floating]) -> dict[str, float]:
    """Scores of one dimension.

    Args:
        truth: float[n], NaN where a sample has no label.
        predicted: float[n].

    Returns:
        ``n`` (labelled samples); ``rmse`` and ``mae``; ``r2`` (coefficient of determination); ``pearson``; ``ccc``,
        Lin's concordance 2 cov / (var + var' + (mean − mean')²) (Biometrics, 1989); ``sagr``, the share of samples
        whose predicted sign is the true one (Nicolaou, Gunes and Pantic, 2011), where the sign of 0 is 0 and agrees
        with 0 alone.
    """
    labelled = ~np.isnan(truth)
    y, p = truth[labelled].astype(np.float64), predicted[labelled].astype(np.float64)
    n = len(y)
    if n == 0:
        return {"n": 0, **dict.fromkeys(("rmse", "mae", "r2", "pearson", "ccc", "sagr"), math.nan)}
    error = p - y
    square = float((error**2).mean())
    # A constant's variance may come out as a rounding error, which no ratio should be built on.
    spread = 0.0 if np.ptp(y) == 0 else float(y.var())
    spread_predicted = 0.0 if np.ptp(p) == 0 else float(p.var())
    together = float(((y - y.mean()) * (p - p.mean())).mean()) if spread and spread_predicted else 0.0
    apart = spread + spread_predicted + float(y.mean() - p.mean()) ** 2
    product = math.sqrt(spread) * math.sqrt(spread_predicted)
    return {
        "n": n,
        "rmse": math.sqrt(square),
        "mae": float(np.abs(error).mean()),
        "r2": 1 - square / spread if spread else math.nan,
        "pearson": together / product if product else math.nan,
        "ccc": 2 * together / apart if apart else math.nan,
        "sagr": float((np.sign(y) == np.sign(p)).mean()),
    }


def affect_scores(truth: NDArray[np.floating], predicted: NDArray[np.floating]) -> dict[str, float]:
    """``valence_rmse``, ``arousal_ccc`` and so on, from float[n, 2] each (valence, arousal)."""
    return {
        f"{dimension}_{name}": value
        for column, dimension in enumerate(DIMENSIONS)
        for name, value in dimension_scores(truth[:, column], predicted[:, column]).items()
    }
