"""A worker: a process that runs one trial after another for the parent that started it, and ends with it.

It touches no storage of the study. What it has to say goes to the parent, which alone writes.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferbench.errors import UserError
from ferbench.link import Link, Message
from ferbench.plugin.culprit import blame, in_a_line

#: Seconds that the parent may take to say whether a trial goes on, before it goes on anyhow.
_PATIENCE = 20

#: Seconds that a run gets to save itself after the parent has died.
_FAREWELL = 60


@dataclass(frozen=True)
class Job:
    """What a worker is to run.

    Attributes:
        trial: its number; None for a run that is no trial.
        settings: the recipe's raw settings.
        test: read the test set at the end.
        threads: CPU threads; None: as the recipe has it.
        device: where it runs; None: as the recipe has it.
    """

    trial: int | None
    settings: dict[str, Any]
    test: bool = False
    threads: int | None = None
    device: str | None = None


class Reporter:
    """How a running job speaks with the parent."""

    def __init__(self, link: Link, verdicts: queue.Queue[bool]) -> None:
        self._link = link
        self._verdicts = verdicts

    def past(self, values: list[tuple[int, float]]) -> None:
        """Epochs of an earlier process: (epoch, value of the objective)."""
        if values:
            self._link.send({"type": "past", "values": values})

    def epoch(self, epoch: int, value: float | None, text: str = "") -> bool:
        """An epoch has ended; True when the run should end with it."""
        while not self._verdicts.empty():  # one that came too late
            self._verdicts.get_nowait()
        if not self._link.send({"type": "epoch", "epoch": epoch, "value": value, "text": text}) or value is None:
            return False
        try:
            return self._verdicts.get(timeout=_PATIENCE)
        except queue.Empty:
            return False


#: What runs jobs: told once what all of them share, it gives a function of (job, reporter) that returns a `Result`
#: without its trial's number, as plain values: ending, values, reason, run.
Prepare = Callable[[dict[str, Any]], Callable[[Job, Reporter], dict[str, Any]]]


def main() -> None:
    """``python -m ferbench.tune.worker FD``: serve the parent at the other end of that socket."""
    faulthandler.enable()
    link = Link(socket.socket(fileno=int(sys.argv[1])))
    jobs: queue.Queue[Message | None] = queue.Queue()
    verdicts: queue.Queue[bool] = queue.Queue()
    threading.Thread(target=_listen, args=(link, jobs, verdicts), daemon=True).start()
    setup = jobs.get()
    if setup is None:
        return
    module, _, attribute = setup["runner"].partition(":")
    run = getattr(importlib.import_module(module), attribute)(setup["context"])
    link.send({"type": "ready"})
    while (message := jobs.get()) is not None:
        started = time.perf_counter()
        try:
            result = run(Job(**message["job"]), Reporter(link, verdicts))
        except KeyboardInterrupt:
            link.send({"type": "interrupted"})
            return
        except UserError as error:
            result = {"ending": "failed", "reason": f"{error.message} → {error.remedy}"}
        except (Exception, SystemExit) as error:
            fault = blame(error)
            traceback.print_exception(fault)
            result = {"ending": "failed", "reason": in_a_line(fault)}
        sys.stdout.flush()
        link.send({"type": "result", "seconds": time.perf_counter() - started, **result})


def _listen(link: Link, jobs: queue.Queue[Message | None], verdicts: queue.Queue[bool]) -> None:
    """Sort what the parent says, and end the process when it is gone."""
    there = True
    while there:
        messages, there = link.receive()
        for message in messages:
            if message["type"] == "verdict":
                verdicts.put(bool(message["prune"]))
            else:
                jobs.put(message)
    jobs.put(None)
    verdicts.put(False)
    os.kill(os.getpid(), signal.SIGTERM)  # a run that is under way saves itself; outside of one this is the end
    time.sleep(_FAREWELL)
    os._exit(1)


if __name__ == "__main__":
    main()
