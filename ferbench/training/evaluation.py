"""Predictions of a model for a split, and their scores."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.batches import Batches
from ferbench.data.targets import Outputs
from ferbench.data.views import PLAIN, View
from ferbench.errors import UserError, is_out_of_memory
from ferbench.metrics.affect import affect_scores
from ferbench.metrics.classification import ClassificationScores, confusion_matrix, score
from ferbench.metrics.measures import AFFECT_METRICS
from ferbench.metrics.probabilities import predicted_classes
from ferbench.metrics.scoring import class_metrics
from ferbench.plugin.culprit import in_use
from ferbench.training.ranks import ALONE, Ranks
from ferbench.training.step import Loss, evaluate_loss, forward

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class SplitResult:
    """A model's predictions for one split, in the split's order, and their scores.

    Attributes:
        loss: mean loss over the samples; None when it was not asked for.
        components: mean loss components by name.
        truth: int64[n] class ids.
        probabilities: float32[n, K].
        affect_truth: float32[n, 2] annotated valence and arousal, NaN where missing; None where there are none.
        affect: float32[n, 2] predicted, or None.
        scores: confusion matrix and per-class scores.
    """

    loss: float | None
    components: dict[str, float]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    affect_truth: NDArray[np.float32] | None
    affect: NDArray[np.float32] | None
    scores: ClassificationScores

    def processed(self, processing: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> SplitResult:
        """The same with other probabilities, and their scores; the loss stays that of the model's own."""
        probabilities = processing(self.probabilities)
        scores = score(confusion_matrix(self.truth, predicted_classes(probabilities), probabilities.shape[1]))
        return replace(self, probabilities=probabilities, scores=scores)

    def summary(self) -> dict[str, float]:
        """The scalar metrics that are computed after every epoch, the loss and its components among them."""
        affect = self.affect_scores()
        return {
            **self.losses(),
            **class_metrics(self.truth, self.probabilities, self.scores),
            **{name: affect[name] for name in AFFECT_METRICS if affect},
        }

    def losses(self) -> dict[str, float]:
        """The loss and its components by name; empty when they were not asked for."""
        return {} if self.loss is None else {"loss": self.loss, **self.components}

    def affect_scores(self) -> dict[str, float]:
        """Scores of valence and arousal; empty where they are not annotated or not predicted."""
        if self.affect_truth is None or self.affect is None:
            return {}
        return affect_scores(self.affect_truth, self.affect)


def predicted(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> SplitResult:
    """Predictions float32[n, K] that no model made, of true class ids int64[n]: without losses and affect."""
    scores = score(confusion_matrix(truth, predicted_classes(probabilities), probabilities.shape[1]))
    return SplitResult(None, {}, truth, probabilities, None, None, scores)


def evaluation_batch(batch_size: int, device: torch.device) -> int:
    """Samples at a time in evaluation: small training batches need not make it slow, large ones not use more memory."""
    return max(batch_size, 128 if device.type == "cpu" else 512)


def evaluate(
    model: nn.Module,
    batches: Batches,
    classes: int,
    loss: Loss | None,
    batch_size: int,
    views: Sequence[View] = (PLAIN,),
    before_batch: Callable[[], None] = lambda: None,
    ranks: Ranks = ALONE,
    needs: Sequence[str] = (),
) -> SplitResult:
    """Run a model over a split, it and a loss that is a module in evaluation mode.

    Over several views of an image probabilities are averaged, and valence and arousal too. The loss is then that of
    the averaged probabilities: it is given their logarithms as logits, the mean of the features, and what else it needs
    of the first view.

    Several ranks take whole batches in turn, the same ones that a single process would make: no sample is seen twice,
    and what comes out is the same, on every rank.

    Args:
        model: is put back into the mode that it was in, and so is the loss.
        batches: the split.
        classes: K.
        loss: of the run; None: only predictions are wanted.
        batch_size: samples at a time; halved when memory runs out.
        views: how to look at each image.
        before_batch: called before each batch; may raise to end it there.
        ranks: that share the run.
        needs: what the loss reads of the outputs beside logits and affect.
    """
    needs = () if loss is None else needs
    whole_batch = batch_size
    for part in (model, loss):  # what is evaluated is what the first rank keeps
        if isinstance(part, nn.Module):
            ranks.copy_weights(part)
    with evaluating(model, loss):

        def run(size: int) -> Any:
            return _of_rank(model, batches, classes, loss, (whole_batch, size), views, before_batch, ranks, needs)

        own = in_memory(run, batch_size, batches.device)
    return _together(own, batches, classes, ranks)


def in_memory(run: Callable[[int], Made], batch_size: int, device: torch.device) -> Made:
    """What ``run`` makes, given a batch size that is halved for as long as memory runs out on the device."""
    while True:
        try:
            return run(batch_size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or batch_size <= 1:
                raise
        batch_size = (batch_size + 1) // 2
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def evaluating(*parts: object) -> Iterator[None]:
    """Evaluation mode of those that are modules, such as a model and its loss; afterwards each module in them has the
    flag that it had, since parts of a model may differ."""
    whole = [part for part in parts if isinstance(part, nn.Module)]
    flags = {module: module.training for part in whole for module in part.modules()}
    for part in whole:
        part.eval()
    try:
        yield
    finally:
        for module, flag in flags.items():
            module.training = flag


@dataclass(slots=True)
class _Sums:
    """What one rank has computed, in its place among what all of them compute.

    Attributes:
        seen: int32[n], how often.
        probabilities: float32[n, K].
        affect: float32[n, 2]; None for a model without that head, or a rank without samples.
        total: float64[B], summed losses by batch; None when they were not asked for.
        components: float[B] by name, summed components of the loss by batch.
    """

    seen: Tensor
    probabilities: Tensor
    affect: Tensor | None
    total: Tensor | None
    components: dict[str, Tensor]


def _of_rank(
    model: nn.Module,
    batches: Batches,
    classes: int,
    loss: Loss | None,
    sizes: tuple[int, int],
    views: Sequence[View],
    before_batch: Callable[[], None],
    ranks: Ranks,
    needs: Sequence[str],
) -> _Sums:
    whole_batch, batch_size = sizes
    n, device = len(batches), batches.device
    count = -(-n // whole_batch)
    wide = torch.float64 if device.type != "mps" else torch.float32
    own = _Sums(
        torch.zeros(n, dtype=torch.int32, device=device),
        torch.zeros(n, classes, device=device),
        None,
        None if loss is None else torch.zeros(count, dtype=wide, device=device),
        {},
    )
    with torch.inference_mode():
        for number in range(ranks.index, count, ranks.count):
            end = min((number + 1) * whole_batch, n)
            for start in range(number * whole_batch, end, batch_size):
                before_batch()
                positions = np.arange(start, min(start + batch_size, end), dtype=np.int64)
                rows = slice(start, start + len(positions))
                targets = batches.targets(positions)
                outputs = averaged([forward(model, batches.images(positions, view), needs) for view in views])
                own.seen[rows] += 1
                own.probabilities[rows] = torch.softmax(outputs.logits.float(), dim=1)
                if outputs.affect is not None:
                    if own.affect is None:
                        own.affect = torch.zeros(n, outputs.affect.shape[1], device=device)
                    own.affect[rows] = outputs.affect.float()
                if loss is not None and own.total is not None:  # last, since it may write into what it is given
                    # What it keeps of it must be of use in the next epoch too, which inference tensors are not.
                    with torch.inference_mode(False), torch.no_grad():
                        value = evaluate_loss(loss, outputs.each(Tensor.clone), targets)
                    own.total[number] += value.total * len(positions)
                    for name, component in value.components.items():
                        sums = own.components.setdefault(name, torch.zeros_like(own.total, dtype=component.dtype))
                        sums[number] += component * len(positions)
    return own


def _together(own: _Sums, batches: Batches, classes: int, ranks: Ranks) -> SplitResult:
    """What all ranks have computed. The first one always has a batch, and knows what there is to exchange."""
    n = len(batches)
    parts = {"seen": own.seen, "probabilities": own.probabilities, "affect": own.affect, " ": own.total}
    given = {name: part for name, part in parts.items() if part is not None}
    with torch.inference_mode():
        added = ranks.sums(given | {f" {name}": sums for name, sums in own.components.items()})
    unknown = sorted(name for name in own.components if f" {name}" not in added)
    if unknown:
        raise UserError(
            f"{in_use('loss')} returns a component '{unknown[0]}' for some batches alone, which several devices "
            "cannot put together",
            "let it return every component for every batch, 0 where there is nothing to count",
        )
    everything = {name: values.cpu().numpy() for name, values in added.items()}
    if (everything["seen"] != 1).any():
        raise RuntimeError("a sample was evaluated more than once, or not at all")
    losses = {name[1:]: in_order(sums) / n for name, sums in everything.items() if name.startswith(" ")}
    predicted = everything["probabilities"]
    return SplitResult(
        loss=losses.pop("", None),
        components=losses,
        truth=batches.truth.labels,
        probabilities=predicted,
        affect_truth=batches.truth.affect,
        affect=everything.get("affect"),
        scores=score(confusion_matrix(batches.truth.labels, predicted_classes(predicted), classes)),
    )


def in_order(values: NDArray[np.floating[Any]]) -> float:
    """The sum of some numbers, added one after the other in their own precision, wherever each was computed."""
    return float(functools.reduce(lambda total, value: total + value, values))


def averaged(outputs: Sequence[Outputs]) -> Outputs:
    """Outputs for several views as one: the mean of the probabilities, as logits, of valence and arousal and of the
    features; what is in ``extra`` is the first view's, since nobody knows whether its mean says anything."""
    if len(outputs) == 1:
        return outputs[0]
    mean = torch.stack([torch.softmax(each.logits.float(), dim=1) for each in outputs]).mean(dim=0)
    affect = [each.affect.float() for each in outputs if each.affect is not None]
    features = [each.features.float() for each in outputs if each.features is not None]
    return replace(
        outputs[0],
        logits=mean.clamp_min(torch.finfo(mean.dtype).tiny).log(),
        affect=torch.stack(affect).mean(dim=0) if affect else None,
        features=torch.stack(features).mean(dim=0) if features else None,
    )
