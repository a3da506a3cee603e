"""Predictions as the scores that a record holds, whoever made them: a model's evaluation, an ensemble, other software.

What a record holds is scikit-learn's work, but for what it has no function for (alpha, AURC) and where
`docs/reference/metrics.md` says why our convention is another (``top2_accuracy``, ``ece``). Importing it takes longer
than many a validation, so that what is wanted after every epoch is numpy's; ``tests/metrics`` holds both together.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferbench.metrics.affect import DIMENSIONS, affect_scores
from ferbench.metrics.agreement import cohen_kappa, krippendorff_alpha, matthews_correlation
from ferbench.metrics.calibration import brier_score, calibration_metrics
from ferbench.metrics.classification import ClassificationScores, confusion_matrix, score
from ferbench.metrics.probabilities import SMALLEST, log_loss, predicted_classes, top_k_accuracy


def class_metrics(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], scores: ClassificationScores
) -> dict[str, float]:
    """The scalar metrics of the classes that are cheap enough for every epoch.

    Args:
        truth: int64[n] class ids.
        probabilities: float[n, K].
        scores: of the most probable classes.
    """
    return {
        **scores.summary(),
        "top2_accuracy": top_k_accuracy(truth, probabilities),
        "log_loss": log_loss(truth, probabilities),
        "kappa": cohen_kappa(scores.confusion),
        "alpha": krippendorff_alpha(scores.confusion),
        "mcc": matthews_correlation(scores.confusion),
    }


def decisions_record(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    class_names: tuple[str, ...],
    *,
    over: Sequence[int] | None = None,
) -> dict[str, Any]:
    """What predicted classes alone allow, as `scores_record` gives it: no losses, areas or calibration.

    Args:
        truth: int64[n] class ids.
        predicted: int64[n] class ids.
        class_names: K names.
        over: class ids that macro averages are taken over; None: all K.
    """
    scores = score(confusion_matrix(truth, predicted, len(class_names)))
    kappa, mcc = math.nan, 0.0
    if scores.n:
        from sklearn import metrics

        classes = range(len(class_names))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is undefined, which is documented
            by_class = metrics.precision_recall_fscore_support(truth, predicted, labels=classes, zero_division=0)
            kappa = float(metrics.cohen_kappa_score(truth, predicted, labels=classes))
            mcc = float(metrics.matthews_corrcoef(truth, predicted))
        scores = ClassificationScores(scores.confusion, *by_class)
    return {
        "n": scores.n,
        "metrics": {
            **scores.summary(over),
            "kappa": kappa,
            "alpha": krippendorff_alpha(scores.confusion),
            "mcc": mcc,
        },
        "per_class": scores.per_class(class_names),
        "confusion": scores.confusion.tolist(),
        "class_names": list(class_names),
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
    record = decisions_record(truth, predicted_classes(probabilities), class_names, over=over)
    areas = [_areas(truth == k, probabilities[:, k]) for k in range(len(class_names))]
    for name, (roc, precision_recall) in zip(class_names, areas, strict=True):
        record["per_class"][name] |= {"roc_auc": roc, "pr_auc": precision_recall}
    record["metrics"] = {
        **(losses or {}),
        **record["metrics"],
        "top2_accuracy": top_k_accuracy(truth, probabilities),
        **_errors(truth, probabilities),
        **calibration_metrics(truth, probabilities),
        "roc_auc": _mean_of_defined([roc for roc, _ in areas]),
        "pr_auc": _mean_of_defined([precision_recall for _, precision_recall in areas]),
        **({} if affect_truth is None or affect is None else affect_scores(affect_truth, affect)),
    }
    return record


def value_of(
    metric: str,
    truth: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    class_names: tuple[str, ...],
    *,
    over: Sequence[int] | None = None,
    affect: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
) -> float:
    """One metric as `scores_record` has it, or a score of a class as ``recall:happy``; NaN where it is not defined.

    Args:
        metric: its name; none of the run's losses.
        truth: int64[n] class ids.
        probabilities: float[n, K].
        class_names: K names.
        over: class ids that macro averages are taken over; None: all K.
        affect: float[n, 2] each, annotated valence and arousal and predicted; None where there are none.
    """
    which, _, name = metric.partition(":")
    if which in ("roc_auc", "pr_auc"):
        return _mean_of_defined([_area(which, truth == k, probabilities[:, k]) for k in range(len(class_names))])
    if metric in ("ece", "ece_mass", "entropy", "aurc"):
        return calibration_metrics(truth, probabilities)[metric]
    if metric == "brier":
        return brier_score(truth, probabilities)
    if which.startswith(DIMENSIONS):
        return math.nan if affect is None else affect_scores(*affect)[metric]
    scores = score(confusion_matrix(truth, predicted_classes(probabilities), len(class_names)))
    if name:
        return float(getattr(scores, which)[class_names.index(name)])
    return (class_metrics(truth, probabilities, scores) | scores.summary(over))[metric]


def _errors(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> dict[str, float]:
    """``log_loss`` and ``brier``; NaN for no samples."""
    if len(truth) == 0:
        return {"log_loss": math.nan, "brier": math.nan}
    from sklearn import metrics

    # In double precision, of which scikit-learn would take the resolution as the smallest probability.
    wide, classes = probabilities.astype(np.float64), range(probabilities.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows that sum to 1 as exactly as float32 can
        return {
            "log_loss": float(metrics.log_loss(truth, wide.clip(SMALLEST, 1 - SMALLEST), labels=classes)),
            "brier": float(metrics.brier_score_loss(truth, wide.clip(0, 1), labels=classes, scale_by_half=False)),
        }


def _areas(positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> tuple[float, float]:
    """Area under the ROC curve and average precision of a class against the others; NaN where one has no samples."""
    return _area("roc_auc", positive, scores), _area("pr_auc", positive, scores)


def _area(which: str, positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    if not positive.any() or (which == "roc_auc" and positive.all()):
        return math.nan
    from sklearn import metrics

    # The curves that `roc_auc_score` and `average_precision_score` sum up, which would first look for several classes.
    if which == "roc_auc":
        return float(metrics.auc(*metrics.roc_curve(positive, scores)[:2]))
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    return float(max(0.0, -np.sum(np.diff(recall) * precision[:-1])))


def _mean_of_defined(values: Sequence[float]) -> float:
    """Mean over the classes for which a value is defined; NaN where it is for none."""
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan
