"""What one epoch of training adds up to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ferbench.metrics.classification import confusion_matrix, score
from ferbench.records.epoch import EpochScores
from ferbench.training.evaluation import SplitResult
from ferbench.training.scores import Scores
from ferbench.training.step import StepResult

#: Steps between looks at the loss on an accelerator, where each look waits for the device.
STEPS_BETWEEN_CHECKS = 20


class Diverged(Exception):
    """The loss is no longer a finite number."""


@dataclass
class EpochSums:
    """Running sums of one epoch, kept on the device until it ends.

    Attributes:
        loss: of all samples so far.
        images: how many.
        components: of the loss, by name, likewise.
        predicted: classes int64[N] of each update.
        labels: of the same samples.
        positions: of the same samples in the training split; empty where no sampler asks.
        losses: float32[N], of each; likewise.
    """

    loss: Tensor
    images: int = 0
    components: dict[str, Tensor] = field(default_factory=dict)
    predicted: list[Tensor] = field(default_factory=list)
    labels: list[Tensor] = field(default_factory=list)
    positions: list[Tensor] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)

    def add(self, result: StepResult) -> None:
        """Take an update in."""
        n = len(result.labels)
        self.images += n
        self.loss += result.loss * n
        for name, value in result.components.items():
            self.components[name] = self.components.get(name, 0) + value * n
        self.predicted.append(result.predicted)
        self.labels.append(result.labels)
        if result.positions is not None and result.losses is not None:
            self.positions.append(result.positions)
            self.losses.append(result.losses)

    def to_state(self) -> dict[str, Any]:
        """Plain values and tensors."""
        each = {"predicted": self.predicted, "labels": self.labels}
        if self.losses:
            each |= {"positions": self.positions, "losses": self.losses}
        return {
            "loss": self.loss,
            "images": self.images,
            "components": dict(self.components),
            **{name: torch.cat(parts) for name, parts in each.items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> EpochSums:
        """What `to_state` was called on."""
        names = ("predicted", "labels", "positions", "losses")
        return cls(**{**state, **{name: [state[name]] for name in names if name in state}})


def look(sums: EpochSums, step: int, epoch: int) -> float | None:
    """Mean loss of the epoch so far, when it can be had without stalling an accelerator at every step.

    Raises:
        Diverged: it is NaN or infinite.
    """
    if sums.loss.device.type != "cpu" and step % STEPS_BETWEEN_CHECKS:
        return None
    mean = float(sums.loss) / sums.images
    if not math.isfinite(mean):
        raise Diverged(f"the training loss became {mean} in epoch {epoch}, after {sums.images} images of it")
    return mean


def summarise(sums: EpochSums, class_names: tuple[str, ...], epoch: int) -> EpochScores:
    """Training metrics of an epoch over the augmented batches as they went by.

    Raises:
        Diverged: the mean loss is NaN or infinite.
    """
    mean = float(sums.loss) / sums.images
    if not math.isfinite(mean):
        raise Diverged(f"the training loss of epoch {epoch} is {mean}")
    labels = torch.cat(sums.labels).cpu().numpy()
    predicted = torch.cat(sums.predicted).cpu().numpy()
    scored = score(confusion_matrix(labels, predicted, len(class_names)))
    f1 = {name: float(value) for name, value in zip(class_names, scored.f1, strict=True)}
    summary = scored.summary()
    metrics = {
        "loss": mean,
        **{name: float(value) / sums.images for name, value in sums.components.items()},
        "accuracy": summary["accuracy"],
        "macro_f1": summary["macro_f1"],
    }
    return EpochScores.model_validate({**metrics, "f1": f1})


def scores_of(
    epoch: int,
    evaluation: SplitResult,
    class_names: tuple[str, ...],
    train: EpochScores,
    further: Mapping[str, float] = MappingProxyType({}),
) -> Scores:
    """What samplers, schedules and the selection are given of an epoch.

    Args:
        epoch: that ended.
        evaluation: of validation.
        class_names: K names.
        train: scores of its training batches.
        further: metrics of plugins on validation.
    """
    scored = evaluation.scores
    return Scores(
        epoch=epoch,
        metrics={**evaluation.summary(), **further},
        f1={name: float(value) for name, value in zip(class_names, scored.f1, strict=True)},
        recall={name: float(value) for name, value in zip(class_names, scored.recall, strict=True)},
        train_f1={name: math.nan if value is None else value for name, value in train.f1.items()},
        support={name: int(value) for name, value in zip(class_names, scored.support, strict=True)},
    )
