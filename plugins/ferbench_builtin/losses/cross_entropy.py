"""Cross-entropy between the predicted and the true class distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from ferbench import Task, Tunable
from ferbench_builtin.losses.options import Smoothing

if TYPE_CHECKING:
    from ferbench import LossValue, Outputs, Targets


def cross_entropy(
    task: Task,
    *,
    label_smoothing: Annotated[Smoothing, Tunable(0.0, 0.3)] = 0.0,
) -> Callable[[Outputs, Targets], LossValue]:
    """Cross-entropy, in nats, with label smoothing as in Szegedy et al. 2016 (https://arxiv.org/abs/1512.00567).

    Targets are ``soft`` distributions where there are any and ``labels`` otherwise. The total is the mean
    over the N samples of weight times cross-entropy; it is divided by N, not by the sum of the weights, so
    that micro-batches add up to the batch.

    Args:
        task: the learning problem (unused: the loss is the same for all).
        label_smoothing: share of each target that is spread evenly over the K classes, soft targets included.

    Returns:
        A callable from ``Outputs`` with logits float[N, K] and ``Targets`` to a ``LossValue`` whose one
        component is "expression".
    """
    import torch.nn.functional as F

    from ferbench import LossValue

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        logits = outputs.logits.float()  # half precision would lose the small probabilities
        truth = targets.labels if targets.soft is None else targets.soft.to(logits.dtype)
        if targets.weight is None:
            total = F.cross_entropy(logits, truth, label_smoothing=label_smoothing)
        else:
            each = F.cross_entropy(logits, truth, reduction="none", label_smoothing=label_smoothing)
            total = (targets.weight.to(each.dtype) * each).mean()
        return LossValue(total, {"expression": total.detach()})

    return loss
