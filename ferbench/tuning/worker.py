"""A worker: a process that runs one job after another for the parent that started it, and ends with it.

It touches no storage of the study. What comes of a job goes to the parent, which alone writes.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ferbench import display, startup
from ferbench.errors import UserError
from ferbench.link import Link
from ferbench.plugin.culprit import blame, in_a_line
from ferbench.tuning.messages import (
    EpochEnded,
    Interrupted,
    Job,
    JobEnded,
    Message,
    PastEpochs,
    Ready,
    Verdict,
    receive,
    send,
)

#: Seconds that the parent may take to say whether a trial goes on, before it goes on anyhow.
_PATIENCE = 20

#: Seconds that a run gets to save itself after the parent has died.
_FAREWELL = 60


class Reporter:
    """How a running job reports to the parent."""

    def __init__(self, link: Link, verdicts: queue.Queue[bool]) -> None:
        self._link = link
        self._verdicts = verdicts

    def past(self, values: list[tuple[int, float]]) -> None:
        """Epochs of an earlier process: (epoch, value of the objective)."""
        if values:
            send(self._link, PastEpochs(values))

    def epoch(self, epoch: int, value: float | None, text: str = "") -> bool:
        """An epoch has ended; True when the run should end with it."""
        while not self._verdicts.empty():  # one that came too late
            self._verdicts.get_nowait()
        if not send(self._link, EpochEnded(epoch, value, text)) or value is None:
            return False
        try:
            return self._verdicts.get(timeout=_PATIENCE)
        except queue.Empty:
            return False


#: What runs jobs: called once with what all of them share, it gives a function of (job, reporter).
Prepare = Callable[[Mapping[str, Any]], Callable[[Job, Reporter], JobEnded]]


def main() -> None:
    """``python -m ferbench.tuning.worker FD RUNNER CONTEXT``: serve the parent at the other end of that socket.

    Jobs are run with what ``module:attribute``, a `Prepare`, makes of the context, which is JSON.
    """
    startup.begin()
    display.watch()
    display.keep_working()  # a log that takes no more ends no trial
    faulthandler.enable()
    handle, runner, context = sys.argv[1:]
    link = Link(socket.socket(fileno=int(handle)))
    jobs: queue.Queue[Message | None] = queue.Queue()
    verdicts: queue.Queue[bool] = queue.Queue()
    threading.Thread(target=_listen, args=(link, jobs, verdicts), daemon=True).start()
    module, _, attribute = runner.partition(":")
    run = getattr(importlib.import_module(module), attribute)(json.loads(context))
    send(link, Ready())
    while isinstance(job := jobs.get(), Job):
        started = time.perf_counter()
        try:
            ended: JobEnded = run(job, Reporter(link, verdicts))
        except KeyboardInterrupt:
            send(link, Interrupted())
            return
        except UserError as error:
            ended = JobEnded("failed", reason=f"{error.message} → {error.remedy}")
        except BaseException as error:
            fault = blame(error)
            traceback.print_exception(fault)
            ended = JobEnded("failed", reason=in_a_line(fault))
        sys.stdout.flush()
        send(link, replace(ended, seconds=time.perf_counter() - started))


def _listen(link: Link, jobs: queue.Queue[Message | None], verdicts: queue.Queue[bool]) -> None:
    """Sort what the parent sends, and end the process when it is gone."""
    there = True
    while there:
        messages, there = receive(link)
        for message in messages:
            if isinstance(message, Verdict):
                verdicts.put(message.prune)
            else:
                jobs.put(message)
    jobs.put(None)
    verdicts.put(False)
    os.kill(os.getpid(), signal.SIGTERM)  # a run that is under way saves itself; outside of one this is the end
    time.sleep(_FAREWELL)
    os._exit(1)


if __name__ == "__main__":
    main()
