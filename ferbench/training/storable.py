"""States of optimisers, samplers and the like as plain JSON beside tensors, without pickle.

Numbers, texts, lists, tuples, dictionaries with any such keys, numpy arrays and tensors come back as they were, to the
bit. Anything else is refused, naming where it stands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


class NotStorable(TypeError):
    """A state holds something that is neither plain nor a tensor."""


def pack(value: Any, tensors: dict[str, Tensor], place: str) -> Any:
    """The JSON form of ``value``; its tensors go into ``tensors`` under names that begin with ``place``.

    Raises:
        NotStorable: naming the place and the type.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    while place in tensors:  # the keys 1 and "1" of a dictionary look the same
        place += "'"
    if isinstance(value, Tensor):
        copied = value.detach().cpu().contiguous()
        tensors[place] = copied.clone() if copied.data_ptr() == value.data_ptr() else copied
        return {"tensor": place}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        tensors[place] = torch.from_numpy(np.ascontiguousarray(value).copy())
        return {"array": place}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return pack(value.item(), tensors, place)
    if isinstance(value, (list, tuple)):
        items = [pack(item, tensors, f"{place}.{i}") for i, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping):
        pairs = [
            [pack(key, tensors, f"{place}.key"), pack(item, tensors, f"{place}.{key}")] for key, item in value.items()
        ]
        return {"dict": pairs}
    raise NotStorable(f"{place} is a {type(value).__name__}")


def unpack(stored: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The value that `pack` made ``stored`` of.

    Raises:
        ValueError: it made no such thing.
    """
    try:
        return _unpacked(stored, tensors)
    except (TypeError, LookupError, RuntimeError) as error:
        raise ValueError(f"a state that nothing was packed into: {error}") from error


def _unpacked(stored: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(stored, list):
        return [_unpacked(item, tensors) for item in stored]
    if not isinstance(stored, dict):
        return stored
    ((kind, content),) = stored.items()
    match kind:
        case "float":
            return float(content)
        case "tensor":
            return tensors[content]
        case "array":
            return tensors[content].numpy()
        case "tuple":
            return tuple(_unpacked(item, tensors) for item in content)
        case "dict":
            return {_unpacked(key, tensors): _unpacked(item, tensors) for key, item in content}
        case _:
            raise ValueError(f"unknown kind of value '{kind}'")
