"""Cross-entropy, and what truth and prediction have in it changed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from ferbench import LossValue, Outputs, Targets


def symmetric_cross_entropy(
    task: Task,
    *,
    alpha: Annotated[float, Interval(ge=0, le=1e3), Tunable(0.01, 10.0, log=True)] = 0.1,
    beta: Annotated[float, Interval(ge=0, le=1e3), Tunable(0.1, 10.0, log=True)] = 1.0,
    log_zero: Annotated[float, Interval(ge=-20, lt=0), Tunable(-8.0, -2.0)] = -4.0,
) -> Callable[[Outputs, Targets], LossValue]:
    """Symmetric cross-entropy of Wang et al. 2019 (https://arxiv.org/abs/1908.06112), in nats: the mean over the N
    samples of −α Σ_k y_k ln p_k − β Σ_k p_k max(ln y_k, A).

    The second part is the reverse cross-entropy, which stands noise; for a label it is −A (1 − p). α and β are the
    authors' for CIFAR-10, of ten classes; for CIFAR-100 they have 6 and 0.1. A acts like a factor of β: it is −4 here,
    and ln 0.0001 = −9.2 in the authors' code. The scale is another than that of cross-entropy, which the learning rate
    may have to follow.

    Args:
        task: the learning problem (unused: the loss is the same for all).
        alpha: α, of cross-entropy.
        beta: β, of reverse cross-entropy.
        log_zero: A, what the logarithm of 0 is taken for.
    """
    from math import exp

    from torch.nn.functional import log_softmax

    from ferbench_builtin.losses.expression import over_samples

    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        log_p = log_softmax(outputs.logits.float(), dim=1)
        truth = targets.distributions(log_p.shape[1])
        costs = alpha * truth * log_p + beta * log_p.exp() * truth.clamp_min(exp(log_zero)).log()
        return over_samples(-costs.sum(dim=1), targets.weight)

    return loss
