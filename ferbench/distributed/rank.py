"""A rank: a process that does its part of one run, for the process that started it, and ends with it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.link import Link, Message

if TYPE_CHECKING:
    from ferbench.experiment.plan import Plan

#: Seconds that the cause of another rank's end may take to be known.
_PATIENCE = 20


def main() -> None:
    """``python -m ferbench.distributed.rank FD INDEX``: serve the process at the other end of that socket."""
    link, index = Link(socket.socket(fileno=int(sys.argv[1]))), int(sys.argv[2])
    # The first rank saves the run when it is asked to; until then, and in the others, nothing would be lost.
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"):
        signal.signal(getattr(signal, name), signal.SIG_IGN if index else signal.SIG_DFL)
    said: queue.Queue[Message] = queue.Queue()
    threading.Thread(target=_listen, args=(link, said), daemon=True).start()
    setup = said.get()
    with contextlib.suppress(ValueError, OSError):
        _name_interface()
    _serve(link, index, setup, said)


def _serve(link: Link, index: int, setup: Message, said: queue.Queue[Message]) -> None:
    from ferbench.distributed.messages import RankFailed, Reported, failure
    from ferbench.distributed.ranks import ConnectedRanks, OutOfMemory, PeerLost
    from ferbench.training.interruption import Interrupted
    from ferbench.training.run import execute, follow
    from ferbench.training.runtime import choose_devices

    try:
        planned = plan_of(setup)
        device = choose_devices(planned.resolved.recipe.runtime.device, setup["count"])[index]
        store = Path(setup["store"])
        cause = _Cause(said, setup["count"])
        ranks = ConnectedRanks(store, index, setup["count"], device, setup["micro_batch"], cause.wait)
        results = Path(setup["results"])
        if index:
            follow(planned, results, ranks)
        else:
            execute(planned, results, lambda record: Reported(link, record), ranks)
            link.send({"type": "done"})
    except OutOfMemory as error:
        link.send({"type": "memory", "size": error.size})
    except Interrupted as error:
        link.send({"type": "interrupted", "signal": error.signal})
    except KeyboardInterrupt:
        link.send({"type": "interrupted", "signal": int(signal.SIGINT)})
    except BaseException as error:
        link.send(failure(error, lost=isinstance(error, (PeerLost, RankFailed))))
    sys.stdout.flush()
    sys.stderr.flush()
    if index:
        os._exit(0)  # what it shares with the others need not be taken down in order


class _Cause:
    """What the process that started all ranks knows of one that has ended."""

    def __init__(self, said: queue.Queue[Message], count: int) -> None:
        self._said, self._count = said, count

    def wait(self) -> BaseException | None:
        from ferbench.distributed.messages import raised

        try:
            message = self._said.get(timeout=_PATIENCE)
        except queue.Empty:
            return None
        return raised(message["failure"], message["rank"], self._count)


def plan_of(setup: Message) -> Plan:
    """The plan that the other process has, made anew.

    Raises:
        UserError: it has become another one.
    """
    from ferbench.errors import UserError
    from ferbench.experiment.prepare import Preparer, pack_in
    from ferbench.experiment.start import Start
    from ferbench.plugin.discovery import load_registry
    from ferbench.runs.directory import RunDirectory

    start = None
    if setup["start"] is not None:
        given: dict[str, Any] = dict(setup["start"])
        where, names = RunDirectory(Path(given.pop("directory"))), tuple(given.pop("class_names"))
        start = Start(directory=where, class_names=names, **given)
    preparer = Preparer(load_registry(tuple(setup["plugins"])), pack_in(Path(setup["cache"])))
    planned = preparer.prepare(setup["settings"], start, reads_test=setup["reads_test"])
    if planned.training_id != setup["training_id"]:
        raise UserError("the data or a plugin changed while the run started", "give the command again")
    return planned


def _listen(link: Link, said: queue.Queue[Message]) -> None:
    """Take what the other process says, and end with it."""
    there = True
    while there:
        messages, there = link.receive()
        for message in messages:
            said.put(message)
    os._exit(1)


def _name_interface() -> None:
    """The ranks are on one host: gloo need not look for its name, nor listen to others."""
    for name in ("lo", "lo0"):
        if socket.if_nametoindex(name):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
            return


if __name__ == "__main__":
    main()
