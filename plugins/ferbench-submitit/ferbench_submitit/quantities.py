"""How long a job may take and how much memory it gets, as people write them."""

from __future__ import annotations

import re

from ferbench import UserError

_CLOCK = re.compile(r"(?:(?P<days>\d+)-)?(?P<rest>\d+(?::\d{1,2}){0,2})")
_UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 1440.0}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([MGT]?)B?", re.IGNORECASE)


def minutes(text: str) -> float:
    """A duration in minutes: ``90``, ``1h30m``, ``2d`` or as Slurm has it: ``M:S``, ``H:M:S``, ``D-H``, ``D-H:M``,
    ``D-H:M:S``.

    Raises:
        UserError: it is none, or zero.
    """
    given = text.strip().lower()
    found = None
    if _SPAN.fullmatch(given):
        found = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhd])", given))
    elif clock := _CLOCK.fullmatch(given):
        parts = [int(part) for part in clock["rest"].split(":")]
        if clock["days"] is not None:  # hours come first
            hours, mins, secs = [*parts, 0, 0][:3]
            found = int(clock["days"]) * 1440 + hours * 60 + mins + secs / 60
        else:
            hours, mins, secs = {1: [0, *parts, 0], 2: [0, *parts], 3: parts}[len(parts)]
            found = hours * 60 + mins + secs / 60
    if not found:
        raise UserError(f"--time {text} is no duration", "write minutes, 4h, 1h30m, 04:00:00 or 1-12:00:00")
    return found


def gigabytes(text: str) -> float:
    """Memory in GB: ``16`` or ``16G``, ``512M``, ``1T``.

    Raises:
        UserError: it is none, or zero.
    """
    found = _MEMORY.fullmatch(text.strip())
    size = float(found[1]) * {"m": 1 / 1024, "": 1.0, "g": 1.0, "t": 1024.0}[found[2].lower()] if found else 0.0
    if not size:
        raise UserError(f"--memory {text} is no size", "write gigabytes, or a size such as 16G or 512M")
    return size
