"""The losses that keep tensors, as modules; the options are those of the functions that build them."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ferbench import LossValue, Outputs, Targets, Task
from ferbench_builtin.class_weights import Scheme, loss_weights
from ferbench_builtin.losses.expression import as_buffer, mean_over_samples, smoothed


class Focal(nn.Module):
    """See :func:`ferbench_builtin.losses.focal.focal`."""

    alpha: Tensor

    def __init__(
        self,
        task: Task,
        *,
        gamma: float,
        scheme: Scheme | None,
        beta: float,
        weights: Mapping[str, float],
        label_smoothing: float,
    ) -> None:
        super().__init__()
        self.gamma = gamma
        self.label_smoothing = label_smoothing
        self.register_buffer("alpha", as_buffer(loss_weights(task, scheme, beta, weights, "loss.weights")))

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        log_p = F.log_softmax(outputs.logits.float(), dim=1)
        truth = smoothed(targets.distributions(log_p.shape[1]), self.label_smoothing)
        # 1 − p by expm1: where p is almost 1, the difference would lose its digits and the power its gradient.
        unsure = (-log_p.expm1()).clamp_min(1e-12) ** self.gamma
        each = -(self.alpha * truth * unsure * log_p).sum(dim=1)
        total = mean_over_samples(each, targets.weight)
        return LossValue(total, {"expression": total.detach()}, per_sample=each.detach())


class WeightedCrossEntropy(nn.Module):
    """See :func:`ferbench_builtin.losses.weighted_cross_entropy.weighted_cross_entropy`."""

    class_weights: Tensor

    def __init__(
        self,
        task: Task,
        *,
        scheme: Scheme | None,
        beta: float,
        weights: Mapping[str, float],
        label_smoothing: float,
    ) -> None:
        super().__init__()
        chosen: Scheme | None = scheme if scheme is not None or weights else "inverse"
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", as_buffer(loss_weights(task, chosen, beta, weights, "loss.weights")))

    def forward(self, outputs: Outputs, targets: Targets) -> LossValue:
        each = F.cross_entropy(
            outputs.logits.float(),
            targets.labels if targets.soft is None else targets.soft.float(),
            weight=self.class_weights,
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        total = mean_over_samples(each, targets.weight)
        return LossValue(total, {"expression": total.detach()}, per_sample=each.detach())
