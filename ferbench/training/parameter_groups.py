"""Which parameters an optimiser gets, and with what learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from ferbench.errors import UserError
from ferbench.experiment.recipe import TrainingSettings
from ferbench.plugin.culprit import in_use

_FACTOR = "lr_factor"


@runtime_checkable
class HasHead(Protocol):
    """A model that says which of its parameters are the head's."""

    def head_parameters(self) -> Iterable[nn.Parameter]: ...


def parameter_groups(
    model: nn.Module, settings: TrainingSettings, of_loss: Sequence[nn.Parameter] = ()
) -> list[nn.Parameter] | list[dict[str, Any]]:
    """The trainable parameters, as one list unless some of them are the loss's, or the settings treat some differently.

    Groups hold ``params`` and, where they differ from the optimiser's, ``weight_decay`` 0 and the factor that `scaled`
    multiplies the learning rate by. Those of the loss come last.

    Args:
        model: whose parameters are trained.
        settings: how.
        of_loss: what `ferbench.training.loss_state.trainable` says.

    Raises:
        UserError: everything is frozen, or a factor is set for a model that names no head, or for a loss without
            parameters.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise UserError("every parameter of the model is frozen", "freeze less, so that there is something to train")
    for field in ("loss_lr_factor", "loss_decay") if not of_loss else ():
        value, default = getattr(settings, field), TrainingSettings.model_fields[field].default
        if value != default:
            raise UserError(
                f"training.{field} = {str(value).lower()}: {in_use('loss')} has no parameters to train",
                f"leave it at {str(default).lower()}, or choose a loss that has some",
            )
    factor = settings.head_lr_factor
    if factor == 1 and settings.decay_all and not of_loss:
        return trainable
    head: set[nn.Parameter] = set()
    if factor != 1:
        if not isinstance(model, HasHead):
            raise UserError(
                f"training.head_lr_factor = {factor:g}: the model does not say which of its parameters are the head",
                "leave it at 1, or give the model a method head_parameters()",
            )
        head = set(model.head_parameters())
    spare = not settings.decay_all
    of_model = _grouped(trainable, head, factor, spare_vectors=spare)
    fast = of_loss if settings.loss_lr_factor != 1 else ()
    added = _grouped(of_loss, set(fast), settings.loss_lr_factor, spare_vectors=spare and settings.loss_decay)
    return of_model + (added if settings.loss_decay else [{**group, "weight_decay": 0.0} for group in added])


def _grouped(
    parameters: Iterable[nn.Parameter], fast: Collection[nn.Parameter], factor: float, *, spare_vectors: bool
) -> list[dict[str, Any]]:
    """Groups by what is multiplied by a factor, and by what weight decay spares: what has one dimension or none."""
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for parameter in parameters:
        scaled, spared = parameter in fast, spare_vectors and parameter.ndim <= 1
        differing = ({_FACTOR: factor} if scaled else {}) | ({"weight_decay": 0.0} if spared else {})
        groups.setdefault((scaled, spared), {"params": [], **differing})["params"].append(parameter)
    return list(groups.values())


def scaled(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimiser, with the learning rates of `parameter_groups` multiplied by their factors."""
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * group.pop(_FACTOR, 1.0)
    return optimizer
