"""Losses computed sample by sample in Python's own numbers, for tests to compare with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ferbench import LossValue, Outputs, Targets, Task

COUNTS = (160, 81, 16)
TASK = Task(("angry", "happy", "sad"), channels=1, height=8, width=8, train_counts=COUNTS)
LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0], [0.0, 0.3, 0.1], [-3.0, 6.0, 1.0], [0.2, 0.1, 4.0]])
LABELS = torch.tensor([0, 1, 2, 2, 0])
VOTES = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]])
WEIGHT = torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0])

#: Labels, annotators' votes, and labels of samples with weights.
TARGETS = {
    "labels": Targets(LABELS),
    "votes": Targets(LABELS, VOTES),
    "weights": Targets(LABELS, weight=WEIGHT),
    "both": Targets(LABELS, VOTES, weight=WEIGHT),
}


def softmax(row: Sequence[float]) -> list[float]:
    total = sum(map(math.exp, row))
    return [math.exp(logit) / total for logit in row]


def mean(targets: Targets, cost: Callable[[list[float], list[float]], float], logits: Tensor = LOGITS) -> float:
    """The mean over the samples of weight times cost, of each sample's logits and distribution."""
    truths = targets.distributions(logits.shape[1]).double().tolist()
    weights = [1.0] * len(truths) if targets.weight is None else targets.weight.double().tolist()
    rows = zip(weights, logits.double().tolist(), truths, strict=True)
    return sum(weight * cost(row, truth) for weight, row, truth in rows) / len(truths)


def value(loss: Callable[[Outputs, Targets], LossValue], targets: Targets, logits: Tensor = LOGITS) -> LossValue:
    return loss(Outputs(logits, extra={"cosine": torch.tanh(logits / 4)}), targets)
