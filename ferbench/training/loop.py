"""The training loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.batches import Augmentation, Batches, Mix
from ferbench.data.targets import Targets
from ferbench.training.epoch import Diverged, EpochSums, look, scores_of, summarise
from ferbench.training.evaluation import evaluate, evaluation_batch
from ferbench.training.normalization import estimate_statistics
from ferbench.training.precision import Precision
from ferbench.training.scores import Scores
from ferbench.training.selection import BestEpoch
from ferbench.training.step import Loss, Stepper
from ferbench.training.stopping import EarlyStopping

if TYPE_CHECKING:
    from timm.utils import ModelEmaV3


class Sampler(Protocol):
    """Draws the samples of each epoch; draws depend on (seed, epoch, state) alone.

    A sampler may also have ``describe() -> dict``: plain values that say how it draws the epoch that begins, which the
    epoch's record keeps under "sampler".
    """

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

    def stopped(self, epoch: int, reason: str) -> None:
        """Training ends with this epoch, before the last that was asked for."""


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
        batch_size: samples per batch.
        seed: of the augmentation's draws.
        best: the selection.
        norm_batches: training batches to estimate batch-norm statistics from before each validation; 0: none.
        accumulate: batches per update.
        clip_norm: longest gradient; None: no limit.
        precision: of the steps.
        mix: what mixes the samples of a batch; None: nothing does.
        average: of the weights over the steps; what is validated and kept then is the average.
        stopping: when to stop early; None: never.
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
    accumulate: int = 1
    clip_norm: float | None = None
    precision: Precision = field(default_factory=Precision)
    mix: Mix | None = None
    average: ModelEmaV3 | None = None
    stopping: EarlyStopping | None = None

    @property
    def validated(self) -> nn.Module:
        """The model whose weights are validated and kept."""
        return self.model if self.average is None else self.average.module


@dataclass
class TrainingOutcome:
    """What a finished training reports.

    Attributes:
        seconds: of training and validation together.
        images: training images that went through the model.
        train_seconds: of training alone.
        micro_batch: samples at once after memory ran out; None when whole batches fitted.
        epochs: that were trained.
        stopped: why it ended: ``epochs`` (all done) or ``patience``.
    """

    seconds: float = 0.0
    images: int = 0
    train_seconds: float = 0.0
    micro_batch: int | None = None
    epochs: int = 0
    stopped: str = "epochs"


def fit(training: Training, observer: Observer, keep: Callable[[int, nn.Module], None]) -> TrainingOutcome:
    """Train for all epochs, validating after each, or until it no longer helps.

    Args:
        training: what to train, with what, on what.
        observer: hears every batch and epoch.
        keep: called with the epoch and the model when its weights are the best so far; saves them.

    Raises:
        Diverged: the loss of a batch or of validation is NaN or infinite.
    """
    stepper = Stepper(
        training.model,
        training.loss,
        training.optimizer,
        training.train.device,
        training.precision,
        training.clip_norm,
    )
    outcome = TrainingOutcome()
    scores: Scores | None = None
    step = 0
    for epoch in range(1, training.epochs + 1):
        started = time.perf_counter()
        order = _checked(training.sampler.indices(epoch), len(training.train))
        drawn = _described(training.sampler)
        sums = EpochSums(loss=torch.zeros((), device=training.train.device))
        training.model.train()
        batches = training.train.training(
            order, training.batch_size, training.augment, seed=training.seed, epoch=epoch, mix=training.mix
        )
        for group in _groups(batches, training.accumulate):
            rates = training.schedule(step, scores)
            for parameters, rate in zip(training.optimizer.param_groups, rates, strict=True):
                parameters["lr"] = rate
            result = stepper.step(group)
            step += 1
            if training.average is not None:
                training.average.update(training.model, step)
            sums.add(result, group)
            observer.batch_done(epoch, sums.images, len(order), look(sums, step, epoch))
        train_record, train_f1 = summarise(sums, training.class_names, epoch)
        trained = time.perf_counter()

        if training.norm_batches:
            estimate_statistics(training.validated, _plain_batches(training, order, stepper.micro_batch))
        evaluation = evaluate(
            training.validated,
            training.validation,
            len(training.class_names),
            training.loss,
            evaluation_batch(training.batch_size, training.validation.device),
        )
        if evaluation.loss is None or not math.isfinite(evaluation.loss):
            raise Diverged(f"the validation loss of epoch {epoch} is {evaluation.loss}")
        scores = scores_of(epoch, evaluation, training.class_names, train_f1)
        improved = training.best.improves(scores)
        if improved:
            keep(epoch, training.validated)
        training.sampler.update(scores)
        stops = epoch < training.epochs and training.stopping is not None and training.stopping.stops(scores)

        ended = time.perf_counter()
        outcome.images += sums.images
        outcome.train_seconds += trained - started
        outcome.seconds += ended - started
        outcome.micro_batch = stepper.micro_batch
        outcome.epochs = epoch
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
                **({} if drawn is None else {"sampler": drawn}),
            }
        )
        if stops:
            assert training.stopping is not None
            outcome.stopped = "patience"
            waited = f"{training.stopping.waited} epochs" if training.stopping.waited > 1 else "1 epoch"
            observer.stopped(epoch, f"validation {training.stopping.metric} has not gained for {waited}")
            break
    return outcome


def _groups(batches: Iterable[tuple[Tensor, Targets]], size: int) -> Iterator[list[tuple[Tensor, Targets]]]:
    """The batches of each update; the last may have fewer."""
    group = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _described(sampler: Sampler) -> dict[str, Any] | None:
    """What a sampler says of the epoch that it is about to draw."""
    describe = getattr(sampler, "describe", None)
    return None if describe is None else copy.deepcopy(describe())


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
