"""Trials without torch, for tests of what hands them out: sleeps, reports epochs, answers.

Workers import this module and nothing else, so that hundreds of them start in no time.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferbench.tune.worker import Job, Reporter


def prepare(context: dict[str, Any]) -> Callable[[Job, Reporter], dict[str, Any]]:
    """Trials whose accuracy is 1 − (x − 0.3)².

    ``context``: ``seconds`` that a trial takes, ``epochs`` that it reports, ``dies`` the number of a trial that always
    kills its worker, ``fails``: every trial raises.
    """
    epochs = context.get("epochs", 1)

    def run(job: Job, reporter: Reporter) -> dict[str, Any]:
        x = job.settings["model"]["x"]
        value = 1 - (x - 0.3) ** 2
        if context.get("dies") == job.trial:
            os.kill(os.getpid(), signal.SIGKILL)
        if context.get("fails"):
            raise RuntimeError("nothing works")
        for epoch in range(1, epochs + 1):
            deadline = time.monotonic() + context.get("seconds", 0.0) / epochs
            while time.monotonic() < deadline:
                time.sleep(0.01)
            if reporter.epoch(epoch, value * epoch / epochs, f"{epoch}/{epochs}") and epoch < epochs:
                return {"ending": "pruned", "reason": f"after epoch {epoch}"}
        return {"ending": "complete", "values": [value]}

    return run
