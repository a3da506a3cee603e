"""Conditions on runs, as Python users write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferbench.ranking.filters import as_text


def conditions(where: Mapping[str, Any] | Sequence[str] | None) -> list[str]:
    """``{"model": ["linear", "cnn4"], "seed": 0}`` as ``--where`` has it, None as ``none``; texts stay as they are."""
    if where is None or not isinstance(where, Mapping):
        return list(where or ())
    several = (list, tuple, set, frozenset, range)
    return [
        f"{key}={','.join(map(_text, wanted if isinstance(wanted, several) else [wanted]))}"
        for key, wanted in where.items()
    ]


def _text(value: Any) -> str:
    return "none" if value is None else as_text(value)
