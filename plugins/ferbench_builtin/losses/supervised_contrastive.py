"""Supervised contrastive loss beside cross-entropy: images of one class are alike, whatever was done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import nn


def supervised_contrastive(
    task: Task,
    *,
    weight: Annotated[float, Interval(ge=0, le=1e6), Tunable(0.01, 10.0, log=True)] = 1.0,
    temperature: Annotated[float, Interval(ge=0.001, le=100), Tunable(0.05, 1.0, log=True)] = 0.1,
    projection: Annotated[int, Interval(ge=0, le=4096)] = 128,
) -> nn.Module:
    """Supervised contrastive loss (L_out) of Khosla et al. 2020 (https://arxiv.org/abs/2004.11362) beside
    cross-entropy, in nats: the mean over the N samples, and the two drawn views of each, of

    −Σ_y y ln p − λ Σ_{j≠i} s_ij ln(exp(z_i·z_j / τ) / Σ_{a≠i} exp(z_i·z_a / τ)) / Σ_{j≠i} s_ij,

    where i is one of the 2N images, z are projections of length 1, and s_ij is 1 for images of one class and 0 for
    others. Of distributions it is Σ_k y_ik y_jk, how often labels drawn from both are equal, and 1 for the other view
    of the same sample. A projection is that of a layer with ReLU as wide as the features and a linear one; both are
    parameters of the loss, and are not there when something is predicted.

    In the paper the network learns by the contrastive loss alone, and then a classifier on what it gives, which stays
    as it is; here both learn together. What is contrasted are the samples that go through the model together:
    micro-batches change it, and batches should be large. Validation and test have one view: there it is cross-entropy.

    Args:
        task: classes, and D of the model's features.
        weight: λ; the paper has no such sum.
        temperature: τ, the paper's; its code has 0.07.
        projection: length of the projections, the paper's; 0: the features themselves.
    """
    from ferbench_builtin.losses.contrast import Contrast

    return Contrast(task, weight=weight, temperature=temperature, projection=projection)
