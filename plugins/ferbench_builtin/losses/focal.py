"""Focal loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Inert, Task, Tunable
from ferbench_builtin.class_weights import ClassWeight, Scheme
from ferbench_builtin.losses.options import Exponent, Smoothing

if TYPE_CHECKING:
    from torch import nn


def focal(
    task: Task,
    *,
    gamma: Annotated[Exponent, Tunable(0.5, 5.0)] = 2.0,
    scheme: Scheme | None = None,
    beta: Annotated[float, Interval(gt=0, lt=1), Tunable(0.9, 0.9999)] = 0.999,
    weights: Annotated[dict[str, ClassWeight], Inert()] = {},  # noqa: B006 - never changed; an option's default
    label_smoothing: Annotated[Smoothing, Tunable(0.0, 0.3)] = 0.0,
) -> nn.Module:
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
    from ferbench_builtin.losses.modules import Focal

    return Focal(task, gamma=gamma, scheme=scheme, beta=beta, weights=weights, label_smoothing=label_smoothing)
