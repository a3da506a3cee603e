"""The optimisers of timm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from ferbench import Inert, Tunable, UserError, did_you_mean, one_line
from ferbench_builtin.optimizers.options import Decay, Rate

if TYPE_CHECKING:
    import torch
    from torch import nn

_LOOKAHEAD = "lookahead_"


def timm_optimizer(
    parameters: list[nn.Parameter] | list[dict[str, Any]],
    *,
    algorithm: Annotated[str, Inert()] = "nadamw",
    lr: Annotated[Rate, Tunable(1e-5, 1e-1, log=True)] | None = None,
    weight_decay: Annotated[Decay, Tunable(1e-6, 1e-1, log=True)] = 0.0,
    betas: tuple[Annotated[float, Interval(ge=0, lt=1)], ...] | None = None,
    momentum: Annotated[float, Interval(ge=0, lt=1), Tunable(0.8, 0.99)] | None = None,
) -> torch.optim.Optimizer:
    """Any optimiser that timm's ``create_optimizer_v2`` knows (https://huggingface.co/docs/timm), such as ``lion``,
    ``lamb``, ``adopt`` or ``muon``; with the prefix ``lookahead_`` wrapped in Lookahead.

    Args:
        parameters: what to optimise; parameter groups may carry an ``lr`` or ``weight_decay`` of their own.
        algorithm: timm's name.
        lr: learning rate; default: the algorithm's own.
        weight_decay: whether coupled or decoupled is the algorithm's choice.
        betas: decays of its running means, where it has any; default: its own.
        momentum: where it has one; default: 0.9, as timm has it.

    Raises:
        UserError: there is no such algorithm, it lacks a given option, or it cannot be built here.
    """
    from timm import optim  # a second of imports that other optimisers need not pay

    name = algorithm.lower()
    try:
        info = optim.get_optimizer_info(name.removeprefix(_LOOKAHEAD))
    except ValueError:
        known = [str(one) for one in optim.list_optimizers()]
        raise UserError(
            f"optimizer.algorithm: timm has no optimiser '{algorithm}'",
            f"{did_you_mean(name, known)}it has {', '.join(known)}",
        ) from None
    if info.second_order:
        raise UserError(
            f"optimizer.algorithm = '{algorithm}' needs second derivatives, which the training loop does not compute",
            "choose another algorithm",
        )
    options: dict[str, Any] = {}
    if betas is not None:
        count = getattr(info, "num_betas", 2) if info.has_betas else 0
        if len(betas) != count:
            raise UserError(
                f"optimizer.betas has {len(betas)} numbers, '{algorithm}' takes {count}",
                f"give {count} numbers" if count else "leave optimizer.betas out",
            )
        options["betas"] = betas
    if momentum is not None:
        if not info.has_momentum:
            raise UserError(f"optimizer.momentum: '{algorithm}' has no momentum", "leave optimizer.momentum out")
        options["momentum"] = momentum
    try:
        built = optim.create_optimizer_v2(parameters, opt=name, lr=lr, weight_decay=weight_decay, **options)
    except (ImportError, AssertionError, RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"timm cannot build optimiser '{algorithm}' here: {one_line(str(error)) or type(error).__name__}",
            "choose another optimizer.algorithm, or install what it needs",
        ) from error
    if any(group.get("lr") is None for group in built.param_groups):
        raise UserError(f"optimiser '{algorithm}' sets its own rates, which leaves no schedule", "set optimizer.lr")
    return built
