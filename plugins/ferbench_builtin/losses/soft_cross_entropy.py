"""Cross-entropy with label distributions, such as the votes of several annotators."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from ferbench import Task, Tunable
from ferbench_builtin.losses.options import Exponent, Smoothing

if TYPE_CHECKING:
    from ferbench import LossValue, Outputs, Targets


def soft_cross_entropy(
    task: Task,
    *,
    sharpness: Annotated[Exponent, Tunable(0.5, 4.0)] = 1.0,
    label_smoothing: Annotated[Smoothing, Tunable(0.0, 0.3)] = 0.0,
) -> Callable[[Outputs, Targets], LossValue]:
    """Cross-entropy with label distributions: the mean over the N samples of −Σ_k y_k ln p_k, in nats.

    Barsoum et al. 2016 (https://arxiv.org/abs/1608.01041) train on FER+ with the shares of ten annotators' votes.
    Samples without votes, and datasets without any, have their label as a distribution of one class.

    Args:
        task: the learning problem (unused: the loss is the same for all).
        sharpness: power that distributions are raised to before they are scaled to sum 1 again: 1 leaves them, large
            values come close to the majority's class, 0 makes all voted classes alike.
        label_smoothing: share of each target that is spread evenly over the K classes, after that.
    """
    from torch.nn.functional import log_softmax

    from ferbench_builtin.losses.expression import over_samples, smoothed

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        log_p = log_softmax(outputs.logits.float(), dim=1)
        truth = targets.distributions(log_p.shape[1])
        if sharpness != 1:
            truth = (truth**sharpness).where(truth > 0, 0.0)
            truth = truth / truth.sum(dim=1, keepdim=True)
        truth = smoothed(truth, label_smoothing)
        return over_samples(-(truth * log_p).sum(dim=1), targets.weight)

    return loss
