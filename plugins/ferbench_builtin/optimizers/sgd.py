"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from ferbench import Inert, Tunable, UserError
from ferbench_builtin.optimizers.options import Decay, Rate

if TYPE_CHECKING:
    import torch
    from torch import nn


def sgd(
    parameters: list[nn.Parameter] | list[dict[str, Any]],
    *,
    lr: Annotated[Rate, Tunable(1e-3, 1.0, log=True)] = 0.01,
    momentum: Annotated[float, Interval(ge=0, lt=1), Tunable(0.8, 0.99)] = 0.9,
    nesterov: Annotated[bool, Inert()] = False,
    weight_decay: Annotated[Decay, Tunable(1e-6, 1e-2, log=True)] = 0.0,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum, in PyTorch's fused form.

    The velocity is v ← momentum · v + gradient and the step lr · v; with ``nesterov`` it is
    lr · (gradient + momentum · v), as in Sutskever et al. (ICML 2013).

    Args:
        parameters: what to optimise; parameter groups may carry an ``lr`` or ``weight_decay`` of their own.
        lr: learning rate.
        momentum: share of the velocity that a step keeps; 0: none.
        nesterov: look ahead along the velocity.
        weight_decay: L2 penalty, added to the gradient.

    Raises:
        UserError: ``nesterov`` without momentum.
    """
    if nesterov and not momentum:
        raise UserError("optimizer.nesterov needs momentum, which is 0", "set optimizer.momentum, 0.9 for example")
    import torch

    return torch.optim.SGD(
        parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=True
    )
