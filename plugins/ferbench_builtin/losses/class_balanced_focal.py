"""Focal loss of one classifier for each class, weighed by the effective numbers of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable
from ferbench_builtin.losses.options import Exponent

if TYPE_CHECKING:
    from torch import nn


def class_balanced_focal(
    task: Task,
    *,
    beta: Annotated[float, Interval(gt=0, lt=1), Tunable(0.9, 0.9999)] = 0.9999,
    gamma: Annotated[Exponent, Tunable(0.5, 2.0)] = 0.5,
) -> nn.Module:
    """Class-balanced focal loss of Cui et al. 2019 (https://arxiv.org/abs/1901.05555), in nats: the mean over the N
    samples of −Σ_k w_k y_k Σ_j (1 − q_kj)^γ ln q_kj, where q_kj is σ(z_j) for j = k and σ(−z_j) for the others.

    Each class is told from all others by a sigmoid, as there; ``focal`` is the one over a softmax. The weights w_k are
    (1 − β) / (1 − β^{n_k}) for a class of n_k training samples, and sum to K. A distribution costs what its labels cost
    on average. Not a part of it is that the classifier's bias begins at −ln(K − 1). Probabilities of records are the
    softmax of the logits, as everywhere, for which this loss does not calibrate them.

    Args:
        task: training counts.
        beta: β of the weights.
        gamma: γ, how much sure answers are discounted; the paper tried 0.5, 1 and 2.
    """
    from ferbench_builtin.losses.modules import ClassBalancedFocal

    return ClassBalancedFocal(task, beta=beta, gamma=gamma)
