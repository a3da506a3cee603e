"""Predictions of a model for a split, and their scores."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.batches import Batches
from ferbench.data.targets import Outputs
from ferbench.data.views import PLAIN, View
from ferbench.metrics.affect import affect_scores
from ferbench.metrics.classification import ClassificationScores, confusion_matrix, score
from ferbench.metrics.scoring import class_metrics, scores_record
from ferbench.metrics.selection import AFFECT_METRICS
from ferbench.training.step import Loss, evaluate_loss, forward, is_out_of_memory


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's answers for one split, in the split's order.

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
) -> Evaluation:
    """Run a model over a split in evaluation mode.

    Over several views of an image probabilities are averaged, and valence and arousal too. The loss is then that of
    the averaged probabilities: it is given their logarithms as logits.

    Args:
        model: is put back into the mode that it was in.
        batches: the split.
        classes: K.
        loss: of the run; None: only predictions are wanted.
        batch_size: samples at a time; halved when memory runs out.
        views: how to look at each image.
        before_batch: called before each batch; may raise to end it there.
    """
    was_training = model.training
    model.eval()
    try:
        while True:
            try:
                return _evaluate(model, batches, classes, loss, batch_size, views, before_batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or batch_size <= 1:
                    raise
            batch_size = (batch_size + 1) // 2
            gc.collect()
            if batches.device.type == "cuda":
                torch.cuda.empty_cache()
    finally:
        model.train(was_training)


def _evaluate(
    model: nn.Module,
    batches: Batches,
    classes: int,
    loss: Loss | None,
    batch_size: int,
    views: Sequence[View],
    before_batch: Callable[[], None],
) -> Evaluation:
    total = torch.zeros((), dtype=torch.float64 if batches.device.type != "mps" else torch.float32)
    total = total.to(batches.device)
    components: dict[str, Tensor] = {}
    probabilities, affect = [], []
    with torch.inference_mode():
        for start in range(0, len(batches), batch_size):
            before_batch()
            positions = np.arange(start, min(start + batch_size, len(batches)), dtype=np.int64)
            targets = batches.targets(positions)
            outputs = _averaged([forward(model, batches.images(positions, view)) for view in views])
            if loss is not None:
                value = evaluate_loss(loss, outputs, targets)
                total += value.total * len(targets)
                for name, component in value.components.items():
                    components[name] = components.get(name, 0) + component * len(targets)
            probabilities.append(torch.softmax(outputs.logits.float(), dim=1))
            if outputs.affect is not None:
                affect.append(outputs.affect.float())
    n = len(batches)
    predicted = torch.cat(probabilities).cpu().numpy()
    chosen = predicted.argmax(axis=1)
    return Evaluation(
        loss=None if loss is None else float(total) / n,
        components={name: float(value) / n for name, value in components.items()},
        truth=batches.truth.labels,
        probabilities=predicted,
        affect_truth=batches.truth.affect,
        affect=torch.cat(affect).cpu().numpy() if affect else None,
        scores=score(confusion_matrix(batches.truth.labels, chosen, classes)),
    )


def _averaged(answers: Sequence[Outputs]) -> Outputs:
    """One answer from those for several views."""
    if len(answers) == 1:
        return answers[0]
    mean = torch.stack([torch.softmax(answer.logits.float(), dim=1) for answer in answers]).mean(dim=0)
    affect = [answer.affect.float() for answer in answers if answer.affect is not None]
    return Outputs(
        mean.clamp_min(torch.finfo(mean.dtype).tiny).log(), torch.stack(affect).mean(dim=0) if affect else None
    )


def metrics_record(evaluation: Evaluation, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Scores of an evaluation as plain values for ``metrics.json``: those of every epoch and what takes longer."""
    return scores_record(
        evaluation.truth,
        evaluation.probabilities,
        class_names,
        affect_truth=evaluation.affect_truth,
        affect=evaluation.affect,
        losses=evaluation.losses(),
    )
