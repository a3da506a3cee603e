"""The training loop."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.batches import Augmentation, Batches, Mix
from ferbench.data.order import Lengths, Order
from ferbench.data.shards import Shards
from ferbench.data.targets import Targets
from ferbench.experiment.sampling import draw
from ferbench.metrics.probabilities import predicted_classes
from ferbench.plugin.partners import ViewKind
from ferbench.records.epoch import Corrected, Epoch, EpochScores
from ferbench.runs.epoch_predictions import MOST_CLASSES
from ferbench.training.asking import described, pass_scores, rates_at
from ferbench.training.epoch import Diverged, EpochSums, look, scores_of, summarise
from ferbench.training.epoch_metrics import EpochMetrics
from ferbench.training.evaluation import evaluate, evaluation_batch
from ferbench.training.head import watching_head
from ferbench.training.loss_state import put_state, state_of
from ferbench.training.normalization import estimate_statistics
from ferbench.training.observer import Observer
from ferbench.training.per_sample import by_sample
from ferbench.training.position import Position, TrainingOutcome
from ferbench.training.precision import Precision
from ferbench.training.ranks import ALONE, Ranks
from ferbench.training.scores import Scores
from ferbench.training.step import Loss, Stepper, start_epoch
from ferbench.training.stopping import BestEpoch, EarlyStopping
from ferbench.training.teaching import Teacher
from ferbench.training.undeclared import without_samples

if TYPE_CHECKING:
    from timm.utils import ModelEmaV3


class Sampler(Protocol):
    """Draws the samples of each epoch; draws depend on (seed, epoch, state) alone.

    In place of ``indices`` a sampler may have ``batches(epoch)``, which gives int64[m] positions for each batch. It may
    have ``lengths(epochs) -> list[int]``: how many positions, or batches, each epoch has.

    A sampler may also have ``describe() -> dict``: plain values that say how it draws the epoch that begins, which the
    epoch's record keeps under "sampler".
    """

    def indices(self, epoch: int) -> NDArray[np.int64]:
        """int64[m] positions within the training split, epochs counted from 1."""

    def update(self, scores: Scores) -> None:
        """Take note of how the epoch went on validation."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


Schedule = Callable[[int, Scores | None], tuple[float, ...]]


class Saver:
    """Saves a training while it goes on; this one saves nothing."""

    def batch_done(self, training: Training) -> None:
        """An update is done, and ``training.at`` says exactly where. May raise to end the training here."""

    def validating(self, training: Training) -> None:
        """A batch of the validation is next; ``training.at`` stands at the end of the epoch's last update. May raise to
        end the training here: the epoch is then validated anew."""

    def epoch_done(self, training: Training, improved: bool) -> None:
        """An epoch is validated and ``training.at`` stands before the next; ``improved``: its weights are the best."""


@dataclass
class Training:
    """Everything the loop works with, built and on its device.

    Attributes:
        model: in training mode, channels last.
        loss: the loss plugin.
        optimizer: over the model's parameters, and the loss's where it has some.
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
        average: of the model's weights over the steps; what is validated and kept then is the average, with the
            loss as it is.
        teacher: gives ``Targets.teacher``; None: there is none.
        stopping: when to stop early; None: never.
        sizes: side of the training images by epoch, in pixels; None: what the model expects, always.
        ranks: that share the training; each has everything but its own part of the batches.
        needs: what the loss reads of the outputs beside logits and affect.
        views: of each training sample, which the model sees together.
        per_sample: whether the sampler hears of each of them.
        closure: whether the optimiser computes gradients itself, by a closure.
        lengths: how long the epochs are, as the schedule was built for; None: as the first.
        metrics: of plugins, that are computed on validation; None: there are none.
        at: where it is.
        learnt: state of the loss at the last update, while it is used in a validation; None: the one that it has.
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
    teacher: Teacher | None = None
    stopping: EarlyStopping | None = None
    sizes: tuple[int, ...] | None = None
    ranks: Ranks = ALONE
    needs: tuple[str, ...] = ()
    views: tuple[ViewKind, ...] = ("drawn",)
    per_sample: bool = False
    closure: bool = False
    lengths: Lengths | None = None
    metrics: EpochMetrics | None = None
    at: Position = field(default_factory=Position)
    learnt: Any = None

    @property
    def validated(self) -> nn.Module:
        """The model whose weights are validated and kept."""
        return self.model if self.average is None else self.average.module


def fit(training: Training, observer: Observer, saver: Saver | None = None) -> TrainingOutcome:
    """Train from ``training.at`` on for all epochs, validating after each, or until it no longer helps.

    Args:
        training: what to train, with what, on what.
        observer: called for every batch and epoch.
        saver: saves the training as it goes on, and the weights of the best epoch; None: nothing is saved.

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
        training.ranks,
        paired=training.mix is not None,
        needs=training.needs,
        per_sample=training.per_sample,
        closure=training.closure,
        teacher=training.teacher,
    )
    ranks = training.ranks
    saver = saver or Saver()
    at = training.at
    outcome = at.outcome
    stepper.micro_batch = stepper.micro_batch or outcome.micro_batch
    if training.lengths is not None and len(set(training.lengths.samples)) > 1:
        observer.planned(training.lengths.samples)
    while at.epoch <= training.epochs and outcome.stopped == "epochs":
        epoch = at.epoch
        started = time.perf_counter() - at.seconds
        with contextlib.nullcontext() if training.per_sample else without_samples(training.sampler):
            drawn_order = draw(training.sampler, epoch, len(training.train), training.batch_size, training.lengths)
            drawn = described(training.sampler)
        order = Order(*ranks.broadcast((drawn_order.positions, drawn_order.bounds)))
        training.lengths = training.lengths or Lengths((len(order),), (len(order.bounds),))
        scores_before = copy.deepcopy(at.scores)
        if at.sums is None:
            at.sums = EpochSums(loss=torch.zeros((), device=training.train.device))
        sums = at.sums
        training.model.train()
        if not at.batches:  # else `restore` has, before it gave the loss the state that it had after so many batches
            start_epoch(training.loss, epoch, training.epochs)
        size = None if training.sizes is None else training.sizes[epoch - 1]
        batches = training.train.training(
            order.positions,
            training.batch_size,
            training.augment,
            seed=training.seed,
            epoch=epoch,
            mix=training.mix,
            first=at.batches,
            size=size,
            shards=stepper.shards if stepper.shards.count > 1 else None,
            views=training.views,
            bounds=order.bounds,
        )
        for group in _groups(batches, training.accumulate):
            scheduled = training.lengths.scheduled(epoch, at.batches, training.accumulate)
            rates = rates_at(training.schedule, scheduled, scores_before, len(training.optimizer.param_groups))
            for parameters, rate in zip(training.optimizer.param_groups, rates, strict=True):
                parameters["lr"] = rate
            ranks.seed_step(training.seed, at.step)
            first = not at.step and not ranks.index
            with watching_head(training.model, training.optimizer) if first else contextlib.nullcontext():
                result = stepper.step(group)
            at.step += 1
            at.batches += len(group)
            if training.average is not None:
                training.average.update(training.model, at.step)
            if training.teacher is not None:
                training.teacher.follow(training.model, at.step)
            sums.add(result)
            for positions, labels in result.corrected:
                training.train.correct(positions, labels, epoch)
            outcome.micro_batch = stepper.micro_batch
            observer.batch_done(epoch, sums.images, len(order), look(sums, at.step, epoch))
            at.seconds = time.perf_counter() - started
            saver.batch_done(training)
        train = summarise(sums, training.class_names, epoch)
        trained = time.perf_counter()

        if training.norm_batches:
            shards = Shards(stepper.shards.count, stepper.shards.index)
            fitting = training.batch_size if stepper.micro_batch is None else stepper.micro_batch * shards.count
            parts = shards.all(min(fitting, training.batch_size, len(order)))
            with ranks.sharing([len(part) for part in parts]):
                plain = _plain_batches(training, order.positions, parts, shards.index, saver)
                estimate_statistics(training.validated, plain)
        training.learnt = state_of(training.loss)
        evaluation = evaluate(
            training.validated,
            training.validation,
            len(training.class_names),
            training.loss,
            evaluation_batch(training.batch_size, training.validation.device),
            before_batch=functools.partial(saver.validating, training),
            ranks=ranks,
            needs=training.needs,
        )
        # What a loss takes note of in a validation is no part of the training.
        put_state(training.loss, training.learnt)
        training.learnt = None
        if evaluation.loss is None or not math.isfinite(evaluation.loss):
            raise Diverged(f"the validation loss of epoch {epoch} is {evaluation.loss}")
        further = {} if training.metrics is None else training.metrics.of(evaluation)
        scores = scores_of(epoch, evaluation, training.class_names, train, further)
        if len(training.class_names) <= MOST_CLASSES and len(at.predicted) == epoch - 1:
            at.predicted.append(predicted_classes(evaluation.probabilities).astype(np.uint8).tobytes())
        improved = training.best.improves(scores)
        pass_scores(training.sampler, scores, by_sample(sums, len(training.train)) if training.per_sample else None)
        if epoch < training.epochs and training.stopping is not None and training.stopping.stops(scores):
            outcome.stopped = "patience"

        ended = time.perf_counter()
        outcome.images += sums.images
        outcome.train_seconds += trained - started
        outcome.seconds += ended - started
        outcome.epochs = epoch
        at.record = Epoch(
            epoch=epoch,
            train=train,
            validation=EpochScores.model_validate({**scores.metrics, "f1": dict(scores.f1)}),
            learning_rates=[float(group["lr"]) for group in training.optimizer.param_groups],
            best=bool(improved),
            seconds=round(ended - started, 4),
            images_per_second=round(sums.images / (trained - started), 2),
            micro_batch=stepper.micro_batch,
        )
        if drawn is not None:
            at.record.sampler = drawn
        if size is not None:
            at.record.image_size = size
        if (corrections := training.train.corrections) is not None:
            at.record.corrected = Corrected(samples=len(corrections), changes=corrections.changes)
            corrections.changes = 0
        at.epoch, at.batches, at.seconds, at.sums, at.scores = epoch + 1, 0, 0.0, None, scores
        saver.epoch_done(training, improved)
        observer.epoch_ended(at.record)
        if outcome.stopped == "patience":
            assert training.stopping is not None
            waited = f"{training.stopping.waited} epochs" if training.stopping.waited > 1 else "1 epoch"
            observer.stopped(epoch, f"validation {training.stopping.metric} has not gained for {waited}")
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


def _plain_batches(
    training: Training, order: NDArray[np.int64], parts: Sequence[NDArray[np.int64]], index: int, saver: Saver
) -> Iterator[Tensor]:
    """One of the parts of the first ``norm_batches`` whole batches of an epoch, not augmented."""
    own, size = parts[index], sum(map(len, parts))
    for start in range(0, len(order) - size + 1, size)[: training.norm_batches]:
        saver.validating(training)
        yield training.train.images(order[start + (own if len(own) else np.zeros(1, dtype=np.int64))])
