"""What metrics are called in tables, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as tables show it.

    Attributes:
        label: what people read.
        higher_is_better: None where neither is.
        fraction: it lies in [0, 1] (or [-1, 1]) and differences are read as points.
    """

    label: str
    higher_is_better: bool | None = True
    fraction: bool = True


METRICS = {
    "accuracy": Metric("accuracy"),
    "macro_f1": Metric("macro-F1"),
    "weighted_f1": Metric("weighted F1"),
    "balanced_accuracy": Metric("balanced accuracy"),
    "worst_class_f1": Metric("worst class F1"),
    "macro_precision": Metric("macro precision"),
    "macro_recall": Metric("macro recall"),
    "weighted_precision": Metric("weighted precision"),
    "top2_accuracy": Metric("top-2 accuracy"),
    "kappa": Metric("Cohen's κ"),
    "alpha": Metric("Krippendorff's α"),
    "roc_auc": Metric("ROC-AUC"),
    "pr_auc": Metric("PR-AUC"),
    "loss": Metric("loss", higher_is_better=False, fraction=False),
    "log_loss": Metric("log loss", higher_is_better=False, fraction=False),
    "brier": Metric("Brier score", higher_is_better=False, fraction=False),
    "ece": Metric("ECE", higher_is_better=False),
}

#: Metrics of valence and arousal, named ``valence_rmse`` and so on.
AFFECT_METRICS = {
    "rmse": Metric("RMSE", higher_is_better=False, fraction=False),
    "mae": Metric("MAE", higher_is_better=False, fraction=False),
    "r2": Metric("R²", fraction=False),
    "pearson": Metric("Pearson r"),
    "ccc": Metric("CCC"),
    "sagr": Metric("SAGR"),
}


def metric(name: str) -> Metric:
    """How a metric is shown; one that nobody has described goes by its name, and neither way is better."""
    if name in METRICS:
        return METRICS[name]
    dimension, _, rest = name.partition("_")
    if dimension in ("valence", "arousal") and rest in AFFECT_METRICS:
        known = AFFECT_METRICS[rest]
        return Metric(f"{dimension} {known.label}", known.higher_is_better, known.fraction)
    return Metric(name.replace("_", " "), higher_is_better=None, fraction=False)
