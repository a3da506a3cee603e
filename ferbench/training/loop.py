"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.batches import Augmentation, Batches
from ferbench.metrics.classification import confusion_matrix, score
from ferbench.training.evaluation import Evaluation, evaluate, evaluation_batch
from ferbench.training.normalization import estimate_statistics
from ferbench.training.scores import Scores
from ferbench.training.selection import BestEpoch
from ferbench.training.step import Loss, Stepper

#: Steps between looks at the loss on an accelerator, where each look waits for the device.
STEPS_BETWEEN_CHECKS = 20


class Diverged(Exception):
    """The loss is no longer a finite number."""


class Sampler(Protocol):
    """Draws the samples of each epoch; draws depend on (seed, epoch, state) alone."""

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """int64[m] positions within the training split, epochs counted from 1."""

    def update(self, scores: Scores) -> None:
        """Hear how the epoch went on validation."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


Schedule = Callable[[int, Scores | None], tuple[float, ...]]


class Observer:
    """Hears how training goes; progress displays and trackers override what they care for."""

    def batch_done(self, epoch: int, images: int, total: int, loss: float | None) -> None:
        """``images`` of ``total`` have gone by in this epoch; ``loss`` when it is known without waiting."""

    def epoch_ended(self, record: dict[str, Any]) -> None:
        """An epoch's history record."""


@dataclass
class Training:
    """Everything the loop works with, built and on its device.

    Attributes:
        model: in training mode, channels last.
        loss: the loss plugin.
        optimizer: over the model's parameters.
        schedule: learning rates by step.
        sampler: order of the training samples.
        augment: the augmentation plugin.
        train: the training split.
        validation: the split to select on.
        class_names: K names.
        epochs: passes over the sampler's epoch.
        batch_size: samples per step.
        seed: of the augmentation's draws.
        best: the selection.
        norm_batches: training batches to estimate batch-norm statistics from before each validation; 0: none.
    """

    model: nn.Module
    loss: Loss
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    sampler: Sampler
    augment: Augmentation
    train: Batches
    validation: Batches
    class_names: tuple[str, ...]
    epochs: int
    batch_size: int
    seed: int
    best: BestEpoch
    norm_batches: int = 0


@dataclass
class TrainingOutcome:
    """What a finished training reports.

    Attributes:
        seconds: of training and validation together.
        images: training images that went through the model.
        train_seconds: of training alone.
        micro_batch: samples at once after memory ran out; None when whole batches fitted.
    """

    seconds: float = 0.0
    images: int = 0
    train_seconds: float = 0.0
    micro_batch: int | None = None


@dataclass
class _EpochSums:
    """Running sums of one epoch, kept on the device until it ends."""

    loss: Tensor
    images: int = 0
    components: dict[str, Tensor] = field(default_factory=dict)
    predicted: list[Tensor] = field(default_factory=list)
    labels: list[Tensor] = field(default_factory=list)


def fit(training: Training, observer: Observer, keep: Callable[[int], None]) -> TrainingOutcome:
    """Train for all epochs, validating after each.

    Args:
        training: what to train, with what, on what.
        observer: hears every batch and epoch.
        keep: called with the epoch when its weights are the best so far; saves them.

    Raises:
        Diverged: the loss of a batch or of validation is NaN or infinite.
    """
    stepper = Stepper(training.model, training.loss, training.optimizer, training.train.device)
    outcome = TrainingOutcome()
    scores: Scores | None = None
    step = 0
    for epoch in range(1, training.epochs + 1):
        started = time.perf_counter()
        order = _checked(training.sampler.indices(epoch), len(training.train))
        sums = _EpochSums(loss=torch.zeros((), device=training.train.device))
        training.model.train()
        batches = training.train.training(order, training.batch_size, training.augment, seed=training.seed, epoch=epoch)
        for images, targets in batches:
            rates = training.schedule(step, scores)
            for group, rate in zip(training.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            result = stepper.step(images, targets)
            step += 1
            sums.images += len(targets)
            sums.loss += result.loss * len(targets)
            for name, value in result.components.items():
                sums.components[name] = sums.components.get(name, 0) + value * len(targets)
            sums.predicted.append(result.predicted)
            sums.labels.append(targets.labels)
            observer.batch_done(epoch, sums.images, len(order), _look(sums, step, epoch))
        train_record, train_f1 = _summarise(sums, training.class_names, epoch)
        trained = time.perf_counter()

        if training.norm_batches:
            estimate_statistics(training.model, _plain_batches(training, order, stepper.micro_batch))
        evaluation = evaluate(
            training.model,
            training.validation,
            len(training.class_names),
            training.loss,
            evaluation_batch(training.batch_size, training.validation.device),
        )
        if not math.isfinite(evaluation.loss):
            raise Diverged(f"the validation loss of epoch {epoch} is {evaluation.loss}")
        scores = _scores(epoch, evaluation, training.class_names, train_f1)
        improved = training.best.improves(scores)
        if improved:
            keep(epoch)
        training.sampler.update(scores)

        ended = time.perf_counter()
        outcome.images += sums.images
        outcome.train_seconds += trained - started
        outcome.seconds += ended - started
        outcome.micro_batch = stepper.micro_batch
        observer.epoch_ended(
            {
                "epoch": epoch,
                "train": train_record,
                "validation": {**evaluation.summary(), "f1": dict(scores.f1)},
                "learning_rates": [float(group["lr"]) for group in training.optimizer.param_groups],
                "best": improved,
                "seconds": round(ended - started, 4),
                "images_per_second": round(sums.images / (trained - started), 2),
                "micro_batch": stepper.micro_batch,
            }
        )
    return outcome


def _plain_batches(training: Training, order: NDArray[np.int64], micro_batch: int | None) -> Iterator[Tensor]:
    """The first ``norm_batches`` whole batches of an epoch, not augmented."""
    size = min(micro_batch or training.batch_size, len(order))
    for start in range(0, len(order) - size + 1, size)[: training.norm_batches]:
        yield training.train.images(order[start : start + size])


def _checked(order: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    order = np.asarray(order, dtype=np.int64)
    if order.ndim != 1 or len(order) == 0 or order.min() < 0 or order.max() >= n:
        raise ValueError(f"the sampler must give positions in 0..{n - 1}, at least one, as int64[m]")
    return order


def _look(sums: _EpochSums, step: int, epoch: int) -> float | None:
    """Mean loss of the epoch so far, when it can be had without stalling an accelerator at every step."""
    if sums.loss.device.type != "cpu" and step % STEPS_BETWEEN_CHECKS:
        return None
    mean = float(sums.loss) / sums.images
    if not math.isfinite(mean):
        raise Diverged(f"the training loss became {mean} in epoch {epoch}, after {sums.images} images of it")
    return mean


def _summarise(sums: _EpochSums, class_names: tuple[str, ...], epoch: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Training metrics of an epoch over the augmented batches as they went by, and F1 by class."""
    mean = float(sums.loss) / sums.images
    if not math.isfinite(mean):
        raise Diverged(f"the training loss of epoch {epoch} is {mean}")
    labels = torch.cat(sums.labels).cpu().numpy()
    predicted = torch.cat(sums.predicted).cpu().numpy()
    scored = score(confusion_matrix(labels, predicted, len(class_names)))
    f1 = {name: float(value) for name, value in zip(class_names, scored.f1, strict=True)}
    summary = scored.summary()
    record = {
        "loss": mean,
        **{name: float(value) / sums.images for name, value in sums.components.items()},
        "accuracy": summary["accuracy"],
        "macro_f1": summary["macro_f1"],
        "f1": f1,
    }
    return record, f1


def _scores(epoch: int, evaluation: Evaluation, class_names: tuple[str, ...], train_f1: dict[str, float]) -> Scores:
    scored = evaluation.scores
    return Scores(
        epoch=epoch,
        metrics=evaluation.summary(),
        f1={name: float(value) for name, value in zip(class_names, scored.f1, strict=True)},
        recall={name: float(value) for name, value in zip(class_names, scored.recall, strict=True)},
        train_f1=train_f1,
    )
