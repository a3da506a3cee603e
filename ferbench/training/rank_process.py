"""A rank: a process that does its part of one run, for the process that started it, and ends with it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import sys
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ferbench import display, startup
from ferbench.training.interruption import numbers

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan
    from ferbench.training.rank_messages import Message, Setup

#: Seconds that the cause of another rank's end may take to be known.
_PATIENCE = 20


def main() -> None:
    """``python -m ferbench.training.rank_process FD INDEX``: serve the process at the other end of that socket."""
    startup.begin()
    display.watch()
    display.keep_working()
    line, index = Connection(int(sys.argv[1])), int(sys.argv[2])
    # The first rank saves the run when it is asked to; until then, and in the others, nothing would be lost.
    for number in numbers():
        signal.signal(number, signal.SIG_IGN if index else signal.SIG_DFL)
    received: queue.Queue[Message] = queue.Queue()
    threading.Thread(target=_receive, args=(line, received), daemon=True).start()
    setup: Any = received.get()
    with contextlib.suppress(ValueError, OSError):
        _name_interface()
    _serve(line, index, setup, received)


def _serve(line: Connection, index: int, setup: Setup, received: queue.Queue[Message]) -> None:
    from ferbench.training.interruption import Interrupted
    from ferbench.training.rank_messages import (
        Done,
        Ending,
        Failed,
        MemoryFull,
        RankFailed,
        ReportingObserver,
        Signalled,
        send,
    )
    from ferbench.training.ranks import ConnectedRanks, OutOfMemory, PeerLost
    from ferbench.training.run import execute, follow
    from ferbench.training.runtime import choose_devices

    ending: Ending = Done()
    try:
        planned = plan_of(setup)
        device = choose_devices(planned.resolved.recipe.runtime.device, setup.count)[index]

        def cause() -> BaseException | None:
            """What the process that started all ranks knows of one that has ended."""
            with contextlib.suppress(queue.Empty):
                message = received.get(timeout=_PATIENCE)
                return message.exception(setup.count) if isinstance(message, Failed) else None
            return None

        assert setup.store is not None
        ranks = ConnectedRanks(setup.store, index, setup.count, device, setup.micro_batch, cause)
        if index:
            follow(planned, setup.results, ranks)
        else:
            execute(planned, setup.results, lambda record: ReportingObserver(line), ranks)
    except OutOfMemory as error:
        ending = MemoryFull(error.size)
    except Interrupted as error:
        ending = Signalled(error.signal)
    except KeyboardInterrupt:
        ending = Signalled(int(signal.SIGINT))
    except BaseException as error:
        ending = Failed.of(error, rank=index, lost=isinstance(error, (PeerLost, RankFailed)))
    send(line, ending)
    sys.stdout.flush()
    sys.stderr.flush()
    if index:
        os._exit(0)  # what it shares with the others need not be taken down in order


def plan_of(setup: Setup) -> Plan:
    """The plan that the other process has, made anew.

    Raises:
        UserError: it has become another one.
    """
    from ferbench.errors import UserError
    from ferbench.experiment.prepare import Preparer, pack_in
    from ferbench.plugin.discovery import load_registry

    preparer = Preparer(load_registry(tuple(setup.plugins)), pack_in(setup.cache, checked=True))
    planned = preparer.prepare(setup.settings, setup.start, reads_test=setup.reads_test)
    if planned.training_id != setup.training_id:
        raise UserError("the data or a plugin changed while the run started", "give the command again")
    return planned


def _receive(line: Connection, received: queue.Queue[Message]) -> None:
    """Take what the other process sends, and end with it."""
    try:
        while True:
            received.put(line.recv())
    finally:
        os._exit(1)


def _name_interface() -> None:
    """The ranks are on one host: gloo need not look for its name, nor listen to others."""
    for name in ("lo", "lo0"):
        if socket.if_nametoindex(name):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
            return


if __name__ == "__main__":
    main()
