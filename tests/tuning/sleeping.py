"""Trials without torch, for tests of what hands them out: sleeps, and reports of epochs.

Workers import this module and nothing else, so that hundreds of them start in no time.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.storage import writing
from ferbench.tuning.messages import Job, JobEnded, Progress

if TYPE_CHECKING:
    from ferbench.processes.worker import Parent


def prepare(context: Mapping[str, Any]) -> Callable[[Job, Parent], JobEnded]:
    """Trials whose accuracy is 1 − (x − 0.3)².

    ``context``: ``seconds`` that a trial takes, ``epochs`` that it reports, ``dies`` the number of a trial that always
    kills its worker, ``fails``: every trial raises, ``full``: every trial finds the disk full.
    """
    epochs = context.get("epochs", 1)

    def run(job: Job, parent: Parent) -> JobEnded:
        x = job["settings"]["model"]["x"]
        value = 1 - (x - 0.3) ** 2
        if context.get("dies") == job["trial"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if context.get("fails"):
            raise RuntimeError("nothing works")
        if context.get("full"):
            with writing(Path("results")):
                raise OSError(errno.ENOSPC, "No space left on device")
        for epoch in range(1, epochs + 1):
            deadline = time.monotonic() + context.get("seconds", 0.0) / epochs
            while time.monotonic() < deadline:
                time.sleep(0.01)
            ended = Progress(values=[(epoch, value * epoch / epochs)], text=f"{epoch}/{epochs}")
            if parent.ask(ended, otherwise=False) and epoch < epochs:
                return JobEnded(ending="pruned", values=None, reason=f"after epoch {epoch}", run=None)
        return JobEnded(ending="complete", values=[value], reason="", run=None)

    return run
