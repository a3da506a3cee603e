"""Relative uncertainty learning: of two mixed samples, the more uncertain one is the larger share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task

if TYPE_CHECKING:
    from torch import nn


def rul(task: Task, *, uncertainty_width: Annotated[int, Interval(ge=1, le=4096)] = 64) -> nn.Module:
    """Relative Uncertainty Learning of Zhang, Wang and Deng (NeurIPS 2021), in nats: the mean over the N samples of ½
    (CE(f(m), y_i) + CE(f(m), y_j)) with m = (u_i x_i + u_j x_j) / (u_i + u_j), where f is the model's classifier, x
    are features, CE is cross-entropy and j is another sample of the batch.

    The uncertainty u is the mean of exp(v) over the numbers v of a branch that is a part of the loss: batch norm, a
    linear layer and batch norm again, as in the authors' code
    (https://github.com/zyh-uaiaaaa/Relative-Uncertainty-Learning). A sample that is hard to tell comes by a large u,
    since both labels cost least where the harder sample has the larger share.

    Other than in the code, the branch sees the features and not the maps before them, and has no dropout; and a sample
    is mixed with the one before it in the batch, which the sampler has put into random order, where the code permutes
    the batch anew. Of distributions the cross-entropies are those with distributions. Validation and test have the
    cross-entropy of the logits.

    Args:
        task: D of the model's features.
        uncertainty_width: numbers of the branch, as the code has it.
    """
    from ferbench_builtin.losses.rul_module import RelativeUncertainty

    return RelativeUncertainty(task, width=uncertainty_width)
