"""What the losses over expression classes share."""

from __future__ import annotations

import torch
from torch import Tensor

from ferbench import LossValue


def smoothed(truth: Tensor, smoothing: float) -> Tensor:
    """Distributions float[N, K] of which a share is spread evenly over the K classes."""
    return truth * (1 - smoothing) + smoothing / truth.shape[1] if smoothing else truth


def mean_over_samples(each: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of weight times loss, float[N]; divided by N, not by the sum of the weights, so that micro-batches and
    accumulated batches add up."""
    return each.mean() if weight is None else (weight.to(each.dtype) * each).mean()


def over_samples(each: Tensor, weight: Tensor | None) -> LossValue:
    """What a loss of the expression alone gives, of what each sample costs before it is weighted, float[N]."""
    total = mean_over_samples(each, weight)
    return LossValue(total, {"expression": total.detach()}, per_sample=each.detach())


def as_buffer(weights: object) -> Tensor:
    """Class weights as the float32 tensor that a loss module keeps."""
    return torch.as_tensor(weights, dtype=torch.float32)
