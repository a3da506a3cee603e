"""What metrics are called in tables and figures, and which way is better."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: What the built-in losses call their components.
PARTS = ("expression", "valence", "arousal")

PER_CLASS = {"precision": "precision", "recall": "recall", "f1": "F1"}

_LOWER_IS_BETTER = ("loss", "rmse", "mse", "mae", "log_loss", "nll", "brier", "ece", "mce", "error")


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric.

    Attributes:
        key: as records have it; ``f1:CLASS`` for a score of one class.
        label: what people read.
        higher_is_better: else lower is.
        headline: stands in tables for people without being asked for.
        about: what it is, in a sentence; empty where it is not known.
        low: the least value that it can have; None: there is no such.
        high: the greatest.
    """

    key: str
    label: str
    higher_is_better: bool = True
    headline: bool = False
    about: str = ""
    low: float | None = None
    high: float | None = None


def _affect(dimension: str) -> tuple[Measure, ...]:
    return (
        Measure(f"{dimension}_ccc", f"{dimension} CCC", headline=True, about=f"concordance correlation of {dimension}"),
        Measure(f"{dimension}_rmse", f"{dimension} RMSE", False, True, f"root mean squared error of {dimension}"),
        Measure(f"{dimension}_mae", f"{dimension} MAE", False, about=f"mean absolute error of {dimension}"),
        Measure(f"{dimension}_pearson", f"{dimension} r", about=f"Pearson's correlation of {dimension}"),
        Measure(f"{dimension}_r2", f"{dimension} R²", about=f"share of the variance of {dimension} that is explained"),
        Measure(f"{dimension}_sagr", f"{dimension} SAGR", about=f"share of samples with the right sign of {dimension}"),
    )


#: In the order in which tables show them.
KNOWN = {
    metric.key: metric
    for metric in (
        Measure("accuracy", "accuracy", headline=True, about="share of samples that are right"),
        Measure("macro_f1", "macro-F1", headline=True, about="mean F1 of the classes, each counting alike"),
        Measure("balanced_accuracy", "balanced accuracy", headline=True, about="mean recall of the classes"),
        Measure("worst_class_f1", "worst F1", headline=True, about="F1 of the class that has the lowest"),
        Measure("weighted_f1", "weighted F1", about="mean F1, each class counting by its samples"),
        Measure("macro_precision", "macro precision", about="mean precision of the classes"),
        Measure("macro_recall", "macro recall", about="mean recall of the classes"),
        Measure("weighted_precision", "weighted precision", about="mean precision, each class counting by its samples"),
        Measure("top2_accuracy", "top-2 accuracy", about="share of samples whose class is among the two most probable"),
        Measure("kappa", "kappa", headline=True, about="Cohen's kappa: agreement beyond chance"),
        Measure("alpha", "alpha", about="Krippendorff's alpha of truth and prediction"),
        Measure("mcc", "MCC", about="Matthews' correlation of truth and prediction, R_K for several classes"),
        Measure("roc_auc", "ROC-AUC", about="mean area under the ROC curve of each class against the others"),
        Measure("pr_auc", "PR-AUC", about="mean average precision of each class against the others"),
        Measure("log_loss", "log loss", False, about="mean negative logarithm of the true class's probability"),
        Measure("brier", "Brier score", False, about="mean squared error of the probabilities"),
        Measure("ece", "ECE", False, True, "expected calibration error over 15 bins of equal width"),
        Measure("ece_mass", "ECE, equal mass", False, about="expected calibration error over 15 equally full bins"),
        Measure("entropy", "entropy", False, about="mean predictive entropy, in nats"),
        Measure("aurc", "AURC", False, about="mean share of errors over all coverages, the surest answers first"),
        *_affect("valence"),
        *_affect("arousal"),
        Measure("loss", "loss", False, about="mean of the loss that the run was trained with"),
        *(Measure(part, f"{part} loss", False, about=f"the part of the loss that is over {part}") for part in PARTS),
    )
}

#: By what an epoch can be selected: computed after every epoch. Each with whether a higher value is better.
HIGHER_IS_BETTER = {
    key: KNOWN[key].higher_is_better
    for key in (
        *("macro_f1", "weighted_f1", "accuracy", "balanced_accuracy", "macro_precision", "macro_recall"),
        *("worst_class_f1", "top2_accuracy", "kappa", "alpha", "mcc", "loss", "log_loss"),
        *("valence_rmse", "valence_ccc", "arousal_rmse", "arousal_ccc"),
    )
}

#: Metrics of the plugins that are loaded; records know them by the names of their specs.
_OFFERED: dict[str, Measure] = {}
#: Metrics of plugins as records describe them, for machines that do not have the plugins.
_RECORDED: dict[str, Measure] = {}

#: Those that need valence/arousal labels and a model that predicts them.
AFFECT_METRICS = tuple(key for key in HIGHER_IS_BETTER if key.startswith(("valence_", "arousal_")))

#: What stands beside the components of a loss in histories, evaluations and tables of them, and so names none.
TAKEN = frozenset(
    (
        *(key for key in KNOWN if key not in PARTS),
        *(f"{dimension}_n" for dimension in ("valence", "arousal")),
        *(*PER_CLASS, "support", "n", "epoch", "epochs", "seconds", "train", "validation", "test"),
        *("learning_rates", "best", "images_per_second", "micro_batch", "image_size", "sampler"),
    )
)
_COMPONENT = re.compile(r"[^\W\d][\w/-]{0,63}")


def offer(measures: Iterable[Measure]) -> None:
    """Make known which metrics the loaded plugins have; those of plugins that were loaded before are forgotten."""
    _OFFERED.clear()
    _OFFERED.update({metric.key: metric for metric in measures})


def remember(metric: Measure) -> None:
    """Make known a metric that a record describes. A plugin that has it knows better."""
    _RECORDED.setdefault(metric.key, metric)


def offered() -> tuple[str, ...]:
    """Metrics of the loaded plugins."""
    return tuple(_OFFERED)


def is_selectable(key: str) -> bool:
    """Whether an epoch can be selected by a metric of that name; those of one class are called ``f1:CLASS``."""
    name, colon, class_name = key.partition(":")
    return key in HIGHER_IS_BETTER or key in _OFFERED or bool(colon and class_name and name in ("f1", "recall"))


def selectable() -> tuple[str, ...]:
    """Every metric that an epoch can be selected by; those of one class come on top."""
    return (*HIGHER_IS_BETTER, *_OFFERED)


def is_taken(name: str) -> bool:
    """Whether a metric of the harness has this name, however it is spelt."""
    return name.replace("-", "_") in TAKEN or name.replace("-", "_") in PARTS


def component_fault(name: object) -> str | None:
    """Why a loss cannot call a component that, to put behind the name; None: it can."""
    if not isinstance(name, str):
        return f"is named by {type(name).__name__}, not by a text"
    if name in TAKEN or name in _OFFERED:
        return "has the name of something else in the records"
    if not _COMPONENT.fullmatch(name):
        return "is not named by a letter and then letters, digits, _, - or /, 64 characters at most"
    return None


def _plain(label: str) -> str:
    return label.casefold().replace("-", " ")


#: A class called ``weighted`` must not pass for what averages are called.
_LABELS = {_plain(metric.label) for metric in KNOWN.values()}


def measure(key: str) -> Measure:
    """The metric of that key, of the harness or of a plugin. One that is not known goes by its key, and its direction
    is read from its ending."""
    for known in (KNOWN, _OFFERED, _RECORDED):
        if key in known:
            return known[key]
    which, colon, class_name = key.partition(":")
    if colon and which in PER_CLASS:
        what = PER_CLASS[which]
        label = f"{class_name} {what}"
        if _plain(label) in _LABELS:
            label = f"{what} of the class {class_name}"
        return Measure(key, label, about=f"{what} of the class {class_name}")
    return Measure(key, key, not any(key == end or key.endswith("_" + end) for end in _LOWER_IS_BETTER))
