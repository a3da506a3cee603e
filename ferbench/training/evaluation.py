"""Predictions of a model for a split, and their scores."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.data.batches import Batches
from ferbench.metrics.classification import ClassificationScores, confusion_matrix, score
from ferbench.training.step import Loss, evaluate_loss, forward, is_out_of_memory


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's answers for one split, in the split's order.

    Attributes:
        loss: mean loss over the samples, NaN when no loss was given.
        components: mean loss components by name.
        probabilities: float32[n, K].
        affect: float32[n, 2] or None.
        scores: confusion matrix and per-class scores.
    """

    loss: float
    components: dict[str, float]
    probabilities: NDArray[np.float32]
    affect: NDArray[np.float32] | None
    scores: ClassificationScores

    def summary(self) -> dict[str, float]:
        """Scalar metrics by name, the loss and its components among them."""
        return {"loss": self.loss, **self.components, **self.scores.summary()}


def evaluation_batch(batch_size: int, device: torch.device) -> int:
    """Samples at a time in evaluation: small training batches need not make it slow, large ones not use more memory."""
    return max(batch_size, 128 if device.type == "cpu" else 512)


def evaluate(model: nn.Module, batches: Batches, classes: int, loss: Loss, batch_size: int) -> Evaluation:
    """Run a model over a split in evaluation mode.

    Args:
        model: is put back into the mode that it was in.
        batches: the split.
        classes: K.
        loss: of the run.
        batch_size: samples at a time; halved when memory runs out.
    """
    was_training = model.training
    model.eval()
    try:
        while True:
            try:
                return _evaluate(model, batches, classes, loss, batch_size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or batch_size <= 1:
                    raise
            batch_size = (batch_size + 1) // 2
            gc.collect()
            if batches.device.type == "cuda":
                torch.cuda.empty_cache()
    finally:
        model.train(was_training)


def _evaluate(model: nn.Module, batches: Batches, classes: int, loss: Loss, batch_size: int) -> Evaluation:
    total = torch.zeros((), dtype=torch.float64 if batches.device.type != "mps" else torch.float32)
    total = total.to(batches.device)
    components: dict[str, Tensor] = {}
    probabilities, affect = [], []
    with torch.inference_mode():
        for images, targets in batches.evaluation(batch_size):
            outputs = forward(model, images)
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
        loss=float(total) / n,
        components={name: float(value) / n for name, value in components.items()},
        probabilities=predicted,
        affect=torch.cat(affect).cpu().numpy() if affect else None,
        scores=score(confusion_matrix(batches.truth.labels, chosen, classes)),
    )


def metrics_record(evaluation: Evaluation, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Scores of an evaluation as plain values for ``metrics.json``."""
    return {
        "n": evaluation.scores.n,
        "metrics": evaluation.summary(),
        "per_class": evaluation.scores.per_class(class_names),
        "confusion": evaluation.scores.confusion.tolist(),
        "class_names": list(class_names),
    }
