"""What ``torchrun`` says to the processes that it starts: which of how many this one is."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from ferbench.errors import UserError
from ferbench.training.interruption import numbers

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
    take_part(this)
    if given not in (None, this.count):
        raise UserError(f"torchrun has started {this.count} processes, but --devices is {given}", "leave --devices out")
    return this.count


def take_part(this: Place) -> None:
    """As a process that torchrun has started: the first goes on from here, the others follow it until it ends."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # it has much to say of processes that share a run
    if this.index:  # before torch is imported, and threads begin
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers())  # what ends a run is for the first to hear, which saves it
        for stream in () if this.launched else (1, 2):  # a user's torchrun has given it those of the first
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    from ferbench.training.rank_meeting import begin_leading, serve

    if this.index:
        serve(this)
    if this.count > 1:
        begin_leading(this)
