"""How a model does for the person that it does worst for."""

from __future__ import annotations

import numpy as np

from ferbench import Predictions

#: Of a person with fewer samples the accuracy says little, and the lowest of many would be that of a single sample.
LEAST_SAMPLES = 5


def worst_subject_accuracy(predictions: Predictions) -> float:
    """The lowest accuracy over the people with at least five samples; NaN where there is none.

    The worst group of Sagawa, Koh, Hashimoto and Liang, "Distributionally robust neural networks" (ICLR 2020), a group
    being who is shown.

    Args:
        predictions: of samples of which some are of known people.
    """
    subjects = predictions.subjects
    assert subjects is not None
    known = subjects != ""
    right = (predictions.predicted == predictions.labels)[known]
    _, who, counts = np.unique(subjects[known], return_inverse=True, return_counts=True)
    often = counts >= LEAST_SAMPLES
    if not often.any():
        return float("nan")
    return float((np.bincount(who, right, len(counts)) / counts)[often].min())
