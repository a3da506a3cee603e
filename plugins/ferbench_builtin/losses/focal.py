"""Focal loss."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn

from ferbench import Inert, LossValue, Outputs, Targets, Task, Tunable
from ferbench_builtin.class_weights import Scheme, loss_weights
from ferbench_builtin.losses.expression import as_buffer, mean_over_samples, smoothed


class Focal(nn.Module):
    """Focal loss of Lin et al. 2017 (https://arxiv.org/abs/1708.02002) over a softmax: the mean over the N samples of
    −Σ_k α_k y_k (1 − p_k)^γ ln p_k, in nats. What the model is sure of counts less.

    At γ = 0 it is cross-entropy, or its weighted form where there are α.

    Args:
        task: class names and training counts.
        gamma: γ, how much sure answers are discounted.
        scheme: α by frequency, as in ``weighted-cross-entropy``; default: none.
        beta: β of ``effective-number``.
        weights: α by class name; the classes that are not named have 1. The mean of α over the training samples is 1.
        label_smoothing: share of each target that is spread evenly over the K classes.

    Raises:
        UserError: ``weights`` names a class that there is not.
    """

    alpha: Tensor

    def __init__(
        self,
        task: Task,
        *,
        gamma: Annotated[float, Ge(0), Tunable(0.5, 5.0)] = 2.0,
        scheme: Scheme | None = None,
        beta: Annotated[float, Interval(gt=0, lt=1), Tunable(0.9, 0.9999)] = 0.999,
        weights: Annotated[dict[str, Annotated[float, Gt(0)]], Inert()] = {},  # noqa: B006 - never changed; an option's default
        label_smoothing: Annotated[float, Interval(ge=0, lt=1), Tunable(0.0, 0.3)] = 0.0,
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
        total = mean_over_samples(-(self.alpha * truth * unsure * log_p).sum(dim=1), targets.weight)
        return LossValue(total, {"expression": total.detach()})
