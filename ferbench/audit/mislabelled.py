"""Samples whose label trained models confidently disagree with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Suspect:
    """A sample that may be mislabelled.

    Attributes:
        id: of the sample.
        label: class id that it has.
        predicted: class id that the model is confident of.
        probability: of ``predicted``.
        of_label: probability of ``label``.
    """

    id: str
    label: int
    predicted: int
    probability: float
    of_label: float


@dataclass(frozen=True)
class Doubts:
    """What a run doubts of a dataset's labels.

    Attributes:
        run: as it was named, or several joined with commas.
        suspects: each with the names of its label and of the predicted class, the least probable label first.
        judged: samples that the run was not trained on.
        right: those of them whose label it predicts.
    """

    run: str
    suspects: tuple[tuple[Suspect, str, str], ...]
    judged: int
    right: int


def suspects(ids: NDArray[np.str_], truth: NDArray[np.int64], probabilities: NDArray[np.float32]) -> list[Suspect]:
    """The samples that confident learning counts as mislabelled, those with the least probable label first.

    A model is confident of a class when its probability is at least the mean probability of that class over the samples
    that have that label. The order is that of self-confidence, the probability of the label, which finds wrong labels
    earlier than the margin to the predicted class where models are weak. Both are of Northcutt, Jiang and Chuang,
    "Confident Learning", 2021. Only predictions for samples that the model was not trained on mean anything.

    Args:
        ids: str[n].
        truth: int64[n] class ids.
        probabilities: float32[n, K].
    """
    classes = probabilities.shape[1]
    own = np.array([probabilities[truth == k, k].mean() if (truth == k).any() else np.inf for k in range(classes)])
    confident = np.where(probabilities >= own, probabilities, -1.0)
    predicted = confident.argmax(axis=1)
    rows = np.arange(len(truth))
    doubted = np.flatnonzero((confident[rows, predicted] >= 0) & (predicted != truth))
    return [
        Suspect(
            str(ids[row]),
            int(truth[row]),
            int(predicted[row]),
            float(probabilities[row, predicted[row]]),
            float(probabilities[row, truth[row]]),
        )
        for row in doubted[np.argsort(probabilities[doubted, truth[doubted]], kind="stable")]
    ]
