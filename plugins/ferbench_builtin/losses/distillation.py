"""Distillation: what a teacher predicts, beside the labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable
from ferbench_builtin.losses.options import Share, Smoothing

if TYPE_CHECKING:
    from ferbench import LossValue, Outputs, Targets


def distillation(
    task: Task,
    *,
    temperature: Annotated[float, Interval(gt=0, le=1000), Tunable(1.0, 10.0)] = 4.0,
    alpha: Annotated[Share, Tunable(0.1, 1.0)] = 0.9,
    label_smoothing: Annotated[Smoothing, Tunable(0.0, 0.3)] = 0.0,
) -> Callable[[Outputs, Targets], LossValue]:
    """Distillation of Hinton, Vinyals and Dean 2015 (https://arxiv.org/abs/1503.02531): the mean over the N samples of
    α T² KL(p ‖ q) + (1 − α) CE, in nats, where p and q are the softmax of the teacher's and the student's logits
    divided by T, and CE is the cross-entropy of the student at T = 1 with labels or votes. T² keeps the size of the
    first gradient about the same whatever T is.

    Where there is no teacher, as in validation and test, it is CE alone.

    Args:
        task: the learning problem (unused: the loss is the same for all).
        temperature: T, how much both distributions are softened.
        alpha: α, share of the teacher. The paper gives the labels a considerably lower weight.
        label_smoothing: share of each label that is spread evenly over the K classes.

    Returns:
        A callable whose components are "expression", CE, and with a teacher "distillation", T² KL(p ‖ q).
    """
    import torch.nn.functional as F

    from ferbench import LossValue
    from ferbench_builtin.losses.expression import mean_over_samples, smoothed

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        logits = outputs.logits.float()  # half precision would lose the small probabilities
        truth = smoothed(targets.distributions(logits.shape[1]), label_smoothing)
        labels = mean_over_samples(-(truth * F.log_softmax(logits, dim=1)).sum(dim=1), targets.weight)
        if targets.teacher is None:
            return LossValue(labels, {"expression": labels.detach()})
        theirs = F.log_softmax(targets.teacher.logits.detach() / temperature, dim=1)
        own = F.log_softmax(logits / temperature, dim=1)
        each = (theirs.exp() * (theirs - own)).sum(dim=1)
        taught = temperature**2 * mean_over_samples(each, targets.weight)
        total = alpha * taught + (1 - alpha) * labels
        return LossValue(total, {"expression": labels.detach(), "distillation": taught.detach()})

    return loss
