"""What a device may be called, whether or not this machine has it; which only torch knows."""

from __future__ import annotations

import re

from ferbench.errors import UserError

_NAME = re.compile(r"auto|(cpu|cuda|mps)(:\d{1,4})?")


def device_given(name: str, option: str | None = None) -> str:
    """How messages call the name that a user gave: ``runtime.device = 'cpu'``, or ``--device cpu`` of an option."""
    return f"runtime.device = '{name}'" if option is None else f"{option} {name}"


def check_device(name: str, option: str | None = None) -> None:
    """Refuse what no device is called.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        option: that names it, for messages; None: ``runtime.device``.

    Raises:
        UserError: it is something else.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"{device_given(name, option)} is not a device", "use auto, cpu, cuda, cuda:1 or mps")
