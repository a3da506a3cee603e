"""What shows that a network has not learnt, in sentences, and what usually causes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ferbench.records.epoch import Epoch
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.records.run import Run

_ONE_CLASS = "every sample is predicted as"
_NAMED = 4  # classes
_FEWEST = 5  # samples of a class whose recall of 0 says something
_ENOUGH = 10  # samples a class, on average, before a score that guessing may give says something
_LEARNT = 0.9  # training accuracy from which a loss that does not fall is none to fear
_ERRORS = 2.0  # standard errors within which a score is that of guessing


def only_class(recalls: Mapping[str, float], precisions: Mapping[str, float], accuracy: float) -> str | None:
    """The one class that every sample is predicted as: its precision is then its share of the samples, and so is the
    accuracy, since each of its samples is right and no other is.

    Args:
        recalls: by class name, of classes that have samples.
        precisions: by class name.
        accuracy: over all samples.
    """
    right = [name for name, recall in recalls.items() if recall > 0]
    if len(recalls) < 2 or len(right) != 1 or recalls[right[0]] < 1:
        return None
    return right[0] if math.isclose(precisions.get(right[0], 0.0), accuracy) else None


def unrecognised(recalls: Mapping[str, float], support: Mapping[str, int]) -> list[str]:
    """The classes of which no sample is predicted right, of those with enough samples to say so.

    Args:
        recalls: by class name.
        support: samples by class name.
    """
    return [name for name, recall in recalls.items() if recall == 0 and support.get(name, 0) >= _FEWEST]


def no_better_than_guessing(balanced_accuracy: float, support: Sequence[float]) -> bool:
    """Whether a balanced accuracy is at most two standard errors above that of guessing, 1 / K, on samples that are
    enough to tell.

    Args:
        balanced_accuracy: mean recall over the K classes that have samples.
        support: samples of each of these classes.
    """
    classes = len(support)
    if sum(support) < _ENOUGH * classes:  # too few to tell anything apart
        return False
    chance = 1 / classes
    # Guessing gives each class a binomial recall; balanced accuracy is their mean.
    error = math.sqrt(sum(chance * (1 - chance) / n for n in support)) / classes
    return balanced_accuracy <= chance + _ERRORS * error


def of_predictions(entry: EvaluationEntry) -> list[str]:
    """What predictions show: that they are one class for everything, or never right about some."""
    support = {name: scores.support for name, scores in entry.per_class.items() if scores.support}
    recalls = {name: entry.per_class[name].recall or 0.0 for name in support}
    precisions = {name: entry.per_class[name].precision or 0.0 for name in support}
    if entry.n < _FEWEST:
        return []
    if (name := only_class(recalls, precisions, entry.metrics.get("accuracy") or 0.0)) is not None:
        return [f"{_ONE_CLASS} '{name}': nothing else has been learnt"]
    if not (missed := unrecognised(recalls, support)):
        return []
    shown = [f"'{name}' ({support[name]:,} samples)" for name in missed[:_NAMED]]
    more = f" and {len(missed) - _NAMED} more classes" if len(missed) > _NAMED else ""
    return [f"no sample is recognised of {', '.join(shown)}{more}"]


def of_training(record: Run, epochs: Sequence[Epoch]) -> list[str]:
    """What the epochs of a training show: a loss that never fell, or validation that is no better than guessing."""
    lines = []
    losses = [epoch.train.metrics.get("loss") for epoch in epochs]
    known = [loss for loss in losses if loss is not None]
    accuracy = (epochs[-1].train.metrics.get("accuracy") or 0.0) if epochs else 0.0
    if len(known) > 1 and min(known[1:]) >= known[0] and accuracy < _LEARNT:
        lines.append(f"the training loss never fell below that of the first epoch ({known[0]:.4f})")
    support = [n for n in record.data.counts.get("validation", {}).values() if n]
    reached = [epoch.validation.metrics.get("balanced_accuracy") for epoch in epochs]
    best = max((value for value in reached if value is not None), default=None)
    if best is not None and len(support) > 1 and no_better_than_guessing(best, support):
        lines.append(
            f"no epoch is told apart from guessing on validation: balanced accuracy {best:.4f} at best, "
            f"{1 / len(support):.4f} by guessing, n = {sum(support):,}"
        )
    return lines


def causes(record: Run) -> str:
    """What usually makes a network so, with the values that this run has."""
    training = record.training
    if training is None or record.kind != "trained" or not (training.epochs or training.fitted):
        return ""
    several = ["labels that do not belong to their images"]
    if training.epochs:
        rate = record.settings.get("optimizer.lr")
        used = f" (optimizer.lr = {rate:g})" if isinstance(rate, int | float) else ""
        several.insert(0, f"a learning rate{used} that is too high or too low")
        several.append(f"too few epochs ({training.epochs})")
    size = record.model
    if size is not None and size.frozen:
        several.append(f"frozen layers ({size.frozen:,} of {size.parameters or 0:,} parameters)")
    return f"usual causes: {', '.join(several[:-1])} or {several[-1]}" if len(several) > 1 else ""


def symptoms(record: Run, epochs: Sequence[Epoch], entry: EvaluationEntry | None) -> list[str]:
    """What shows in a run's training, and where that or its predictions show something, what usually causes it.

    Args:
        record: of the run.
        epochs: of its training.
        entry: of the evaluation that it is judged by, whose own lines stand with its scores (`of_predictions`).
    """
    lines = of_training(record, epochs)
    one_class = entry is not None and any(line.startswith(_ONE_CLASS) for line in of_predictions(entry))
    why = causes(record) if lines or one_class else ""
    return [*lines, why] if why else lines
