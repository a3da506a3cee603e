"""Which parameters an optimiser gets, and with what learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from ferbench.errors import UserError
from ferbench.experiment.recipe import TrainingSettings

_FACTOR = "lr_factor"


@runtime_checkable
class HasHead(Protocol):
    """A model that says which of its parameters are the head's."""

    def head_parameters(self) -> Iterable[nn.Parameter]: ...


def parameter_groups(model: nn.Module, settings: TrainingSettings) -> list[nn.Parameter] | list[dict[str, Any]]:
    """The trainable parameters, as one list unless the settings treat some of them differently.

    Groups hold ``params`` and, where they differ from the optimiser's, ``weight_decay`` 0 and the factor that `scaled`
    multiplies the learning rate by.

    Raises:
        UserError: everything is frozen, or ``training.head_lr_factor`` is set for a model that names no head.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise UserError("every parameter of the model is frozen", "freeze less, so that there is something to train")
    factor = settings.head_lr_factor
    if factor == 1 and settings.decay_all:
        return trainable
    head: set[nn.Parameter] = set()
    if factor != 1:
        if not isinstance(model, HasHead):
            raise UserError(
                f"training.head_lr_factor = {factor:g}: the model does not say which of its parameters are the head",
                "leave it at 1, or give the model a method head_parameters()",
            )
        head = set(model.head_parameters())
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for parameter in trainable:
        spared = not settings.decay_all and parameter.ndim <= 1
        differing = ({_FACTOR: factor} if parameter in head else {}) | ({"weight_decay": 0.0} if spared else {})
        groups.setdefault((parameter in head, spared), {"params": [], **differing})["params"].append(parameter)
    return list(groups.values())


def scaled(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimiser, with the learning rates of `parameter_groups` multiplied by their factors."""
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * group.pop(_FACTOR, 1.0)
    return optimizer
