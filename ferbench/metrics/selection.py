"""The metrics by which an epoch can be selected."""

from __future__ import annotations

#: By name, and whether a higher value is better; all are computed after every epoch.
HIGHER_IS_BETTER = {
    "macro_f1": True,
    "weighted_f1": True,
    "accuracy": True,
    "balanced_accuracy": True,
    "macro_precision": True,
    "macro_recall": True,
    "worst_class_f1": True,
    "top2_accuracy": True,
    "kappa": True,
    "alpha": True,
    "mcc": True,
    "loss": False,
    "log_loss": False,
    "valence_rmse": False,
    "valence_ccc": True,
    "arousal_rmse": False,
    "arousal_ccc": True,
}

#: Those that need valence/arousal labels and a model that predicts them.
AFFECT_METRICS = ("valence_rmse", "valence_ccc", "arousal_rmse", "arousal_ccc")
