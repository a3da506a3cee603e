"""Cross-entropy that counts rare classes more."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from annotated_types import Gt, Interval
from torch import Tensor, nn

from ferbench import Inert, LossValue, Outputs, Targets, Task, Tunable
from ferbench_builtin.class_weights import Scheme, loss_weights
from ferbench_builtin.losses.expression import as_buffer, mean_over_samples


class WeightedCrossEntropy(nn.Module):
    """Cross-entropy with a weight per class, in nats: the mean over the N samples of −Σ_k w_k y_k ln p_k.

    The weights come from the training counts, from ``weights``, or from the product of both. Their mean over the
    training samples is 1. The total is divided by N, not by the sum of the batch's weights as PyTorch's is: so
    micro-batches and accumulated batches add up to the batch.

    Args:
        task: class names and training counts.
        scheme: weight of a class with n samples: ``inverse`` 1/n, ``inverse-sqrt`` 1/√n, ``effective-number``
            (1 − β) / (1 − βⁿ) of Cui et al. 2019 (https://arxiv.org/abs/1901.05555); default: ``inverse``, or
            frequencies do not matter where ``weights`` are given.
        beta: β of ``effective-number``.
        weights: by class name, such as {disgust = 3.0}; the classes that are not named have 1.
        label_smoothing: share of each target that is spread evenly over the K classes.

    Raises:
        UserError: ``weights`` names a class that there is not.
    """

    class_weights: Tensor

    def __init__(
        self,
        task: Task,
        *,
        scheme: Scheme | None = None,
        beta: Annotated[float, Interval(gt=0, lt=1), Tunable(0.9, 0.9999)] = 0.999,
        weights: Annotated[dict[str, Annotated[float, Gt(0)]], Inert()] = {},  # noqa: B006 - never changed; an option's default
        label_smoothing: Annotated[float, Interval(ge=0, lt=1), Tunable(0.0, 0.3)] = 0.0,
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
        return LossValue(total, {"expression": total.detach()})
