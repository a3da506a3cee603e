"""Sharpness-aware minimisation, and the adaptive one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Interval

from ferbench import Inert, Tunable, UserError
from ferbench_builtin.optimizers.adam import adam
from ferbench_builtin.optimizers.adamw import adamw
from ferbench_builtin.optimizers.options import Decay, Epsilon, Rate
from ferbench_builtin.optimizers.sgd import sgd

if TYPE_CHECKING:
    import torch
    from torch import nn

Base = Literal["sgd", "adam", "adamw"]
Distance = Annotated[float, Interval(ge=0, le=100)]
_LearningRate = Annotated[Rate, Tunable(1e-5, 1.0, log=True)]
_Share = Annotated[float, Interval(ge=0, lt=1)]

_BASES: Mapping[str, Any] = {"sgd": sgd, "adam": adam, "adamw": adamw}


def sam(
    parameters: list[nn.Parameter] | list[dict[str, Any]],
    *,
    base: Base = "sgd",
    rho: Annotated[Distance, Tunable(0.01, 0.5, log=True)] = 0.05,
    lr: _LearningRate | None = None,
    weight_decay: Annotated[Decay, Tunable(1e-6, 1e-1, log=True)] | None = None,
    momentum: Annotated[_Share, Tunable(0.8, 0.99)] | None = None,
    nesterov: Annotated[bool, Inert()] = False,
    beta1: Annotated[_Share, Tunable(0.8, 0.95)] | None = None,
    beta2: Annotated[_Share, Tunable(0.95, 0.9999)] | None = None,
    eps: Annotated[Epsilon, Tunable(1e-9, 1e-6, log=True)] | None = None,
) -> torch.optim.Optimizer:
    """Sharpness-aware minimisation (Foret et al., ICLR 2021, https://arxiv.org/abs/2010.01412): a step of another
    optimiser, by the gradient at the weights that are ``rho`` further up the gradient. Each step is two passes.

    Args:
        parameters: what to optimise; parameter groups may carry an ``lr`` or ``weight_decay`` of their own.
        base: the optimiser that steps.
        rho: how far up the second gradient is taken: the length of the way over all weights (ρ).
        lr: learning rate; default: as ``base`` has it.
        weight_decay: of ``base``, which applies it; what is climbed is the loss without it.
        momentum: of ``sgd``.
        nesterov: of ``sgd``.
        beta1: of ``adam`` and ``adamw``.
        beta2: of ``adam`` and ``adamw``.
        eps: of ``adam`` and ``adamw``.

    Raises:
        UserError: an option that ``base`` does not have.
    """
    asked = {"momentum": momentum, "nesterov": nesterov or None, "beta1": beta1, "beta2": beta2, "eps": eps}
    built = _built(parameters, base, {"lr": lr, "weight_decay": weight_decay, **asked})
    from ferbench_builtin.optimizers.sharpness import SharpnessAware

    return SharpnessAware(built, rho)


def asam(
    parameters: list[nn.Parameter] | list[dict[str, Any]],
    *,
    base: Base = "sgd",
    rho: Annotated[Distance, Tunable(0.1, 2.0, log=True)] = 0.5,
    eta: Annotated[float, Interval(ge=0, le=100), Tunable(0.001, 0.1, log=True)] = 0.01,
    lr: _LearningRate | None = None,
    weight_decay: Annotated[Decay, Tunable(1e-6, 1e-1, log=True)] | None = None,
    momentum: Annotated[_Share, Tunable(0.8, 0.99)] | None = None,
    nesterov: Annotated[bool, Inert()] = False,
    beta1: Annotated[_Share, Tunable(0.8, 0.95)] | None = None,
    beta2: Annotated[_Share, Tunable(0.95, 0.9999)] | None = None,
    eps: Annotated[Epsilon, Tunable(1e-9, 1e-6, log=True)] | None = None,
) -> torch.optim.Optimizer:
    """Adaptive sharpness-aware minimisation (Kwon et al., ICML 2021, https://arxiv.org/abs/2102.11600): as ``sam``,
    with the way up measured relative to the size of each weight. Each step is two passes.

    Element-wise and without biases, as the paper's experiments have it; the scales of a batch norm count as biases.

    Args:
        parameters: what to optimise; parameter groups may carry an ``lr`` or ``weight_decay`` of their own.
        base: the optimiser that steps.
        rho: how far up the second gradient is taken, relative to the weights (ρ).
        eta: added to the size of each weight (η).
        lr: learning rate; default: as ``base`` has it.
        weight_decay: of ``base``, which applies it; what is climbed is the loss without it.
        momentum: of ``sgd``.
        nesterov: of ``sgd``.
        beta1: of ``adam`` and ``adamw``.
        beta2: of ``adam`` and ``adamw``.
        eps: of ``adam`` and ``adamw``.

    Raises:
        UserError: an option that ``base`` does not have.
    """
    asked = {"momentum": momentum, "nesterov": nesterov or None, "beta1": beta1, "beta2": beta2, "eps": eps}
    built = _built(parameters, base, {"lr": lr, "weight_decay": weight_decay, **asked})
    from ferbench_builtin.optimizers.sharpness import SharpnessAware

    return SharpnessAware(built, rho, eta)


def _built(parameters: Any, base: str, options: Mapping[str, Any]) -> torch.optim.Optimizer:
    """The optimiser that steps, with those of the options that are set."""
    given = {name: value for name, value in options.items() if value is not None}
    takes = _BASES[base].__kwdefaults__
    for name in given.keys() - takes.keys():
        others = " or ".join(other for other, builder in _BASES.items() if name in builder.__kwdefaults__)
        raise UserError(
            f"optimizer.{name}: the base '{base}' has no {name}",
            f"leave optimizer.{name} out, or set optimizer.base to {others}",
        )
    built: torch.optim.Optimizer = _BASES[base](parameters, **given)
    return built
