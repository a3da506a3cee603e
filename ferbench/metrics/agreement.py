"""Agreement of predictions with the truth beyond chance, from a confusion matrix int64[K, K].

All treat truth and prediction as two raters of the same samples. They need the matrix alone, so that a validation
after every epoch costs nothing; ``tests/metrics`` holds them against scikit-learn and the ``krippendorff`` package.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def cohen_kappa(confusion: NDArray[np.int64]) -> float:
    """Cohen's kappa: (p_o − p_e) / (1 − p_e), where p_e is chance agreement with each rater's own class shares.

    Cohen, "A coefficient of agreement for nominal scales" (1960). NaN where both raters know one class only (p_e = 1)
    and for no samples.
    """
    counts = confusion.astype(np.float64)
    n = float(counts.sum())
    if n == 0:
        return math.nan
    expected = float(counts.sum(axis=1) @ counts.sum(axis=0)) / n**2
    return (float(np.trace(counts)) / n - expected) / (1 - expected) if expected < 1 else math.nan


def krippendorff_alpha(confusion: NDArray[np.int64]) -> float:
    """Krippendorff's alpha for nominal data and two raters: 1 − D_o / D_e.

    Disagreement by chance, D_e, is that of values drawn without replacement from both raters' values together.
    Krippendorff, "Computing Krippendorff's alpha-reliability" (2011). NaN where all values are the same class and for
    no samples.
    """
    coincidences = (confusion + confusion.T).astype(np.float64)
    by_class = coincidences.sum(axis=0)
    values = float(by_class.sum())
    if values == 0:
        return math.nan
    observed = 1 - float(np.trace(coincidences)) / values
    expected = 1 - float((by_class * (by_class - 1)).sum()) / (values * (values - 1))
    return 1 - observed / expected if expected > 0 else math.nan


def matthews_correlation(confusion: NDArray[np.int64]) -> float:
    """Matthews' correlation of truth and prediction, for K classes R_K (Gorodkin, 2004): from -1 to 1.

    0 where it is undefined, as scikit-learn has it: for no samples, and where either knows one class only.
    """
    counts = confusion.astype(np.float64)
    true, predicted, n = counts.sum(axis=1), counts.sum(axis=0), float(counts.sum())
    spread = (n**2 - float(true @ true)) * (n**2 - float(predicted @ predicted))
    return (float(np.trace(counts)) * n - float(true @ predicted)) / math.sqrt(spread) if spread > 0 else 0.0
