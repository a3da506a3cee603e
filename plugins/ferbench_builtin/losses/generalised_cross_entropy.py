"""Between cross-entropy and the mean absolute error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from ferbench import LossValue, Outputs, Targets


def generalised_cross_entropy(
    task: Task,
    *,
    q: Annotated[float, Interval(ge=0.01, le=1), Tunable(0.1, 0.9)] = 0.7,
) -> Callable[[Outputs, Targets], LossValue]:
    """Generalised cross-entropy of Zhang and Sabuncu 2018 (https://arxiv.org/abs/1805.07836): the mean over the N
    samples of Σ_k y_k (1 − p_k^q) / q.

    Towards q = 0 it is cross-entropy, at 1 half the mean absolute error, which wrong labels pull least and which learns
    slowest. The paper's truncated loss, which from some epoch on leaves out the samples that the network gives less
    than a half, is not a part of it.

    Args:
        task: the learning problem (unused: the loss is the same for all).
        q: what is between the two.
    """
    from torch.nn.functional import log_softmax

    from ferbench_builtin.losses.expression import over_samples

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        log_p = log_softmax(outputs.logits.float(), dim=1)
        truth = targets.distributions(log_p.shape[1])
        return over_samples((truth * -(q * log_p).expm1()).sum(dim=1) / q, targets.weight)

    return loss
