"""AdamW."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from ferbench import Tunable
from ferbench_builtin.optimizers.options import Decay, Epsilon, Rate

if TYPE_CHECKING:
    import torch
    from torch import nn


def adamw(
    parameters: list[nn.Parameter] | list[dict[str, Any]],
    *,
    lr: Annotated[Rate, Tunable(1e-5, 1e-2, log=True)] = 1e-3,
    beta1: Annotated[float, Interval(ge=0, lt=1), Tunable(0.8, 0.95)] = 0.9,
    beta2: Annotated[float, Interval(ge=0, lt=1), Tunable(0.95, 0.9999)] = 0.999,
    eps: Annotated[Epsilon, Tunable(1e-9, 1e-6, log=True)] = 1e-8,
    weight_decay: Annotated[Decay, Tunable(1e-6, 1e-1, log=True)] = 0.01,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101), in PyTorch's
    fused form.

    Args:
        parameters: what to optimise; parameter groups may carry an ``lr`` or ``weight_decay`` of their own.
        lr: learning rate.
        beta1: decay of the running mean of the gradients.
        beta2: decay of the running mean of their squares.
        eps: added to the denominator.
        weight_decay: share of the weights, times the learning rate, that each step takes away.
    """
    import torch

    return torch.optim.AdamW(parameters, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, fused=True)
