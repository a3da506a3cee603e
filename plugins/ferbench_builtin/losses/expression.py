"""What the losses over expression classes share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ferbench.data.targets import Targets


def distributions(targets: Targets, classes: int, smoothing: float = 0.0) -> Tensor:
    """Target distributions float32[N, K]: ``soft`` where there are any, else the labels, smoothed."""
    soft = F.one_hot(targets.labels, classes).float() if targets.soft is None else targets.soft.float()
    return soft * (1 - smoothing) + smoothing / classes if smoothing else soft


def mean_over_samples(each: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of weight times loss, float[N]; divided by N, not by the sum of the weights, so that micro-batches and
    accumulated batches add up."""
    return each.mean() if weight is None else (weight.to(each.dtype) * each).mean()


def as_buffer(weights: object) -> Tensor:
    """Class weights as the float32 tensor that a loss module keeps."""
    return torch.as_tensor(weights, dtype=torch.float32)
