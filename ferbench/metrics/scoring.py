"""Predictions as the scores that a record holds, whoever made them: a model's evaluation, or an ensemble of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics import probabilities as of_probabilities
from ferbench.metrics.affect import affect_scores
from ferbench.metrics.agreement import cohen_kappa, krippendorff_alpha
from ferbench.metrics.calibration import calibration_metrics
from ferbench.metrics.classification import ClassificationScores, confusion_matrix, score


def class_metrics(
    truth: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    scores: ClassificationScores,
    over: Sequence[int] | None = None,
) -> dict[str, float]:
    """The scalar metrics of the classes that are cheap enough for every epoch.

    Args:
        truth: int64[n] class ids.
        probabilities: float[n, K].
        scores: of the most probable classes.
        over: class ids that macro averages are taken over; None: all K.
    """
    return {
        **scores.summary(over),
        "top2_accuracy": of_probabilities.top_k_accuracy(truth, probabilities),
        "log_loss": of_probabilities.log_loss(truth, probabilities),
        "kappa": cohen_kappa(scores.confusion),
        "alpha": krippendorff_alpha(scores.confusion),
    }


def scores_record(
    truth: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    class_names: tuple[str, ...],
    *,
    affect_truth: NDArray[np.floating] | None = None,
    affect: NDArray[np.floating] | None = None,
    losses: Mapping[str, float] | None = None,
    over: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Scores as plain values for ``metrics.json``: ``n``, ``metrics``, ``per_class``, ``confusion``, ``class_names``.

    Args:
        truth: int64[n] class ids.
        probabilities: float[n, K]; the most probable class is the prediction, of equal ones the first.
        class_names: K names.
        affect_truth: float[n, 2] annotated valence and arousal, NaN where missing; None where there are none.
        affect: float[n, 2] predicted; None for a model without that head.
        losses: the run's loss and its components by name, put before the other metrics.
        over: class ids that macro averages are taken over; None: all K.
    """
    scores = score(confusion_matrix(truth, of_probabilities.predicted_classes(probabilities), len(class_names)))
    roc, precision_recall = of_probabilities.one_vs_rest(truth, probabilities)
    per_class = scores.per_class(class_names)
    for k, name in enumerate(class_names):
        per_class[name] |= {"roc_auc": float(roc[k]), "pr_auc": float(precision_recall[k])}
    both = affect_truth is not None and affect is not None
    return {
        "n": scores.n,
        "metrics": {
            **(losses or {}),
            **class_metrics(truth, probabilities, scores, over),
            **calibration_metrics(truth, probabilities),
            "roc_auc": of_probabilities.mean_of_defined(roc),
            "pr_auc": of_probabilities.mean_of_defined(precision_recall),
            **(affect_scores(affect_truth, affect) if both else {}),  # type: ignore[arg-type]
        },
        "per_class": per_class,
        "confusion": scores.confusion.tolist(),
        "class_names": list(class_names),
    }
