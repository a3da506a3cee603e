"""Conditions on runs, as Python users write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def conditions(where: Mapping[str, Any] | None) -> list[str]:
    """``{"model": ["linear", "cnn4"], "seed": 0}`` as ``--where`` has it; None and True are ``none`` and ``true``."""
    found = []
    for key, wanted in (where or {}).items():
        several = wanted if isinstance(wanted, (list, tuple, set, frozenset, range)) else [wanted]
        found.append(f"{key}={','.join(_text(value) for value in several)}")
    return found


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value)
