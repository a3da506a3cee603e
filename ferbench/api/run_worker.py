"""One run of a grid after the other, in a worker process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ferbench.locks import TakenOver
from ferbench.processes.worker import Parent
from ferbench.runs.lock import AtWork
from ferbench.training.remote import Telling, plan_of, preparer_for
from ferbench.training.run import execute


def prepare(context: Mapping[str, Any]) -> Callable[[Any, Parent], str]:
    """What trains runs, the jobs of `ferbench.training.remote.job_of`: ``trained``, or ``busy`` where another process
    is at work on the run.

    Args:
        context: ``results`` and ``cache`` (directories) and ``plugins`` (as ``--plugin`` names them).
    """
    preparer = preparer_for(context)

    def train(job: Any, parent: Parent) -> str:
        try:
            execute(plan_of(job, preparer), Path(context["results"]), lambda _: Telling(parent.say))
        except (AtWork, TakenOver):
            return "busy"
        return "trained"

    return train
