"""What ``torchrun`` says to the processes that it starts: which of how many this one is."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ferbench.errors import UserError

#: The name that ferbench's own launches give their processes, as ``torchrun --role`` does.
ROLE = "ferbench"


@dataclass(frozen=True)
class Place:
    """Of a process that ``torchrun`` has started.

    Attributes:
        index: among all of the run; the first, 0, writes and speaks.
        count: of all, over all hosts.
        here: which one of its host's it is.
        count_here: of those on its host.
        launched: by ferbench, not by a user's own torchrun.
    """

    index: int
    count: int
    here: int
    count_here: int
    launched: bool = False


def place() -> Place | None:
    """Of this process; None where ``torchrun`` has not started it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    index, count, here, count_here = (
        int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    )
    return Place(index, count, here, count_here, os.environ.get("ROLE_NAME") == ROLE)


def quieten() -> None:
    """Keep to oneself what torch says in C++ of processes that share a run, before it is imported."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def is_restarted() -> bool:
    """Whether ``torchrun`` starts this process in place of one that has ended."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


def asked_devices(given: int | None) -> int | None:
    """How many devices share a run: as many as ``torchrun`` has started processes, if it has.

    Of those only the first returns from here; the others follow it until it ends.

    Args:
        given: what was asked for; None: nothing was.

    Raises:
        UserError: it is another number.
    """
    this = place()
    if this is None or this.launched:
        return given
    quieten()
    from ferbench.training.rank_meeting import begin_leading, serve

    if this.index:
        serve(this)
    if given not in (None, this.count):
        raise UserError(f"torchrun has started {this.count} processes, but --devices is {given}", "leave --devices out")
    if this.count > 1:
        begin_leading(this)
    return this.count
