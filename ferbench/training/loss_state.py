"""What a loss has learnt, such as the centres of classes: kept with checkpoints, and with the weights that are tested.

A loss that is a module, or has ``state_dict()`` and ``load_state_dict(state)`` as samplers have, has a state. The
parameters of a module are trained with the model's, and are a part of that state.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ferbench.errors import UserError
from ferbench.plugin.culprit import calls, in_use
from ferbench.training.storable import NotStorable, pack


@calls("loss")
def state_of(loss: Callable[..., Any]) -> Any:
    """A copy of a loss's state, on its device; None for a loss without one."""
    describe = getattr(loss, "state_dict", None)
    if describe is None or not hasattr(loss, "load_state_dict"):
        return None
    return tree_map(lambda part: part.detach().clone() if isinstance(part, Tensor) else copy.deepcopy(part), describe())


@calls("loss")
def put_state(loss: Callable[..., Any], state: Any, device: torch.device | None = None) -> None:
    """Give a loss a state that `state_of` gave; None changes nothing.

    Args:
        loss: built as the one was whose state it is.
        state: plain values, arrays and tensors.
        device: that the tensors are taken to first; None: they stay where they are.
    """
    if state is None or not hasattr(loss, "load_state_dict"):
        return
    if device is not None:
        state = tree_map(lambda part: part.to(device) if isinstance(part, Tensor) else part, state)
    if isinstance(loss, nn.Module):
        _shape_buffers(loss, state)
    loss.load_state_dict(state)


def _shape_buffers(loss: nn.Module, state: Mapping[str, Any]) -> None:
    """Give a module's buffers the shapes that a state has: some are made at the first batch, or grow."""
    for prefix, module in loss.named_modules():
        for name, buffer in module._buffers.items():
            kept = state.get(f"{prefix}.{name}" if prefix else name)
            if isinstance(kept, Tensor) and (buffer is None or buffer.shape != kept.shape):
                module._buffers[name] = torch.empty_like(kept)
            elif kept is None and name not in module._non_persistent_buffers_set:
                module._buffers[name] = None


def check_state(loss: Callable[..., Any]) -> None:
    """Refuse a loss whose state cannot be stored or put back, before hours of training are to be.

    Raises:
        UserError: naming what cannot, or which of the two methods is not there.
    """
    missing = [name for name in ("state_dict", "load_state_dict") if not callable(getattr(loss, name, None))]
    if len(missing) == 1:
        raise UserError(
            f"{in_use('loss')} has no {missing[0]}(), so that its state would be lost where a run goes on",
            "give it both state_dict() and load_state_dict(state), or neither",
        )
    try:
        pack(state_of(loss), {}, "state_dict()")
    except NotStorable as error:
        raise UserError(
            f"{in_use('loss')} has a state that cannot be stored: {error}",
            "let its state_dict() give numbers, texts, lists, dictionaries, arrays and tensors",
        ) from error


def trainable(loss: object) -> list[nn.Parameter]:
    """The parameters of a loss that are trained: those of a module that it does not freeze."""
    return [each for each in loss.parameters() if each.requires_grad] if isinstance(loss, nn.Module) else []


def check_parameters(loss: object, built: Sequence[nn.Parameter]) -> None:
    """Refuse a loss with parameters that nobody would train, or save.

    Args:
        loss: that has been called, which may make some.
        built: those that were `shaped` before that.

    Raises:
        UserError: naming some of them.
    """
    lost = untrained(loss)
    if lost:
        raise UserError(
            f"{in_use('loss')} has parameters that would never be trained: {_listed(lost)}",
            "let it be an nn.Module that registers them, or freeze what is not to be learnt (requires_grad_(False))",
        )
    made = late(loss, built)
    if made:
        raise UserError(
            f"{in_use('loss')} makes parameters at its first batch, which the optimiser does not have: {_listed(made)}",
            "make them in its builder: task.num_classes and task.features say of what shape",
        )


def shaped(loss: object) -> list[nn.Parameter]:
    """The `trainable` parameters of a loss that are there, with a shape: those of ``nn.LazyLinear`` get theirs late."""
    return [each for each in trainable(loss) if not isinstance(each, nn.UninitializedParameter)]


def late(loss: object, built: Sequence[nn.Parameter]) -> list[str]:
    """Names of the `trainable` parameters of a loss that are not among those that were there when it was built."""
    known = {id(parameter) for parameter in built}
    own = loss.named_parameters() if isinstance(loss, nn.Module) else ()
    return [name for name, parameter in own if parameter.requires_grad and id(parameter) not in known]


def untrained(loss: object) -> list[str]:
    """Names of the parameters that a loss does not freeze, and that are no module's that it is: those of what it keeps,
    encloses or names."""
    registered = {id(parameter) for parameter in trainable(loss)}
    return [name for name, parameter in _learnable(loss) if id(parameter) not in registered]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _learnable(loss: object) -> list[tuple[str, Tensor]]:
    """The parameters that a loss has and does not freeze: its own, and those of what it keeps, encloses or names."""
    found: list[tuple[str, Tensor]] = []
    seen: set[int] = set()
    called = (getattr(type(loss), name, None) for name in ("forward", "__call__"))
    waiting: deque[tuple[str, object]] = deque([("", loss), *(("", method) for method in called)])
    while waiting:
        name, held = waiting.popleft()
        if isinstance(held, _PLAIN) or id(held) in seen:
            continue
        seen.add(id(held))
        if isinstance(held, Tensor):
            found += [(name, held)] if held.requires_grad and held.is_leaf else []
            continue
        waiting += [(f"{name}.{key}".strip("."), value) for key, value in _held_by(held)]
    return found


#: What holds no parameter, or (modules, classes) is not the loss's own.
_PLAIN = (bool, int, float, complex, str, bytes, np.ndarray, np.generic, type(None), ModuleType, type)


def _held_by(holder: object) -> Iterator[tuple[object, object]]:
    if isinstance(holder, nn.Module):
        yield from holder.named_parameters(recurse=False)
        yield from holder.named_children()
    elif isinstance(holder, Mapping):
        yield from holder.items()
    elif isinstance(holder, list | tuple | set | frozenset | deque):
        yield from enumerate(holder)
    elif isinstance(holder, functools.partial):
        yield from (("func", holder.func), ("args", holder.args), ("keywords", holder.keywords))
    elif isinstance(holder, MethodType):
        yield from (("", holder.__self__), ("", holder.__func__))
    elif isinstance(holder, FunctionType):
        yield from _used_by(holder)
        yield from (("defaults", holder.__defaults__), ("kwdefaults", holder.__kwdefaults__))
    yield from getattr(holder, "__dict__", {}).items()
    for name in (slot for kind in type(holder).__mro__ for slot in _slots(kind)):
        yield name, getattr(holder, name, None)


def _used_by(function: FunctionType) -> Iterator[tuple[str, object]]:
    """What a function encloses, and the tensors and modules among the globals that it names."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # nothing has been assigned to it
            yield name, cell.cell_contents
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, Tensor | nn.Module):
            yield name, value


def _slots(kind: type) -> Iterable[str]:
    given = vars(kind).get("__slots__", ())
    return (given,) if isinstance(given, str) else given
