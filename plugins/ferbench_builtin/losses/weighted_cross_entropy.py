"""Cross-entropy that counts rare classes more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Inert, Task, Tunable
from ferbench_builtin.class_weights import ClassWeight, Scheme
from ferbench_builtin.losses.options import Smoothing

if TYPE_CHECKING:
    from torch import nn


def weighted_cross_entropy(
    task: Task,
    *,
    scheme: Scheme | None = None,
    beta: Annotated[float, Interval(gt=0, lt=1), Tunable(0.9, 0.9999)] = 0.999,
    weights: Annotated[dict[str, ClassWeight], Inert()] = {},  # noqa: B006 - never changed; an option's default
    label_smoothing: Annotated[Smoothing, Tunable(0.0, 0.3)] = 0.0,
) -> nn.Module:
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
    from ferbench_builtin.losses.modules import WeightedCrossEntropy

    return WeightedCrossEntropy(task, scheme=scheme, beta=beta, weights=weights, label_smoothing=label_smoothing)
