"""Where jobs go, and how long one waits for them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submitit import DebugExecutor, Job, LocalExecutor, SlurmExecutor
from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

from ferbench import UserError, writing
from ferbench_submitit.jobs import FerbenchJob

#: Seconds between two looks at jobs.
_LOOK = 1.0


@dataclass(frozen=True)
class Resources:
    """What each job asks for.

    Attributes:
        executor: ``slurm``, ``local`` or ``debug``.
        folder: for logs and what submitit keeps.
        minutes: that a job may take before it is put into the queue again.
        warning: seconds ahead of that end at which it is told to save its run.
        requeues: how often a job may run out of time.
        at_once: jobs at the same time; None: as many as there is room for.
        gpus: of each job.
        cpus: of each job; None: as the cluster has it.
        memory: GB of each job; None: as the cluster has it.
        partition: of a Slurm cluster.
        account: to be charged.
        more: further options of sbatch by name.
        name: of the jobs in the queue.
    """

    executor: str
    folder: Path
    minutes: float = 240.0
    warning: int = 120
    requeues: int = 20
    at_once: int | None = None
    gpus: int = 0
    cpus: int | None = None
    memory: float | None = None
    partition: str | None = None
    account: str | None = None
    more: tuple[tuple[str, Any], ...] = ()
    name: str = "ferbench"


@dataclass(frozen=True)
class Ended:
    """A job that has ended: its place in the list, 0 or its exit code, and where to see why it failed."""

    position: int
    code: int
    why: str = ""


def submit(jobs: Sequence[FerbenchJob], resources: Resources) -> list[Job[int]]:
    """Put jobs into a Slurm queue, as an array where there are several.

    Raises:
        UserError: this machine has no Slurm, or it does not take them.
    """
    executor = _slurm(resources)
    with writing(resources.folder):
        resources.folder.mkdir(parents=True, exist_ok=True)
    try:
        return executor.submit_array(jobs)
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"Slurm did not take the jobs: {lines[-1]}", "correct the options, or try with --executor local"
        ) from error


def check(resources: Resources) -> None:
    """Refuse what a cluster would refuse of the options, or a machine without one.

    Raises:
        UserError: likewise.
    """
    if resources.executor == "slurm":
        _slurm(resources)


def work(jobs: Sequence[FerbenchJob], resources: Resources, begun: Callable[[int, Job[int]], None]) -> Iterator[Ended]:
    """Run jobs on this machine, so many at once, and give each as it ends.

    Raises:
        UserError: the folder cannot be written to.
    """
    executor = _debug(resources) if resources.executor == "debug" else _local(resources)
    most = 1 if resources.executor == "debug" else resources.at_once or 1
    waiting = list(enumerate(jobs))
    running: dict[int, Job[int]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < most:
                position, job = waiting.pop(0)
                running[position] = executor.submit(job)
                begun(position, running[position])
            for position, one in list(running.items()):
                if one.done():
                    del running[position]
                    yield _ended(position, one)
            if running:
                time.sleep(_LOOK)
    except BaseException:
        for one in running.values():
            one.cancel(check=False)
        raise


def wait(jobs: Sequence[Job[int]]) -> Iterator[Ended]:
    """Each job of a cluster as it ends."""
    left = dict(enumerate(jobs))
    while left:
        for position, one in list(left.items()):
            if one.done():
                del left[position]
                yield _ended(position, one)
        if left:
            time.sleep(10 * _LOOK)


def _ended(position: int, job: Job[int]) -> Ended:
    try:
        return Ended(position, int(job.result()))
    except (FailedJobError, UncompletedJobError):
        return Ended(position, 1, f"see {job.paths.stdout}")


def _slurm(resources: Resources) -> SlurmExecutor:
    try:
        executor = SlurmExecutor(resources.folder, max_num_timeout=resources.requeues)
    except RuntimeError as error:  # srun is not there
        raise UserError(
            "there is no Slurm on this machine: 'srun' is not found",
            "call it on a login node of the cluster, or run the jobs here with --executor local",
        ) from error
    executor.update_parameters(**_slurm_parameters(resources))
    return executor


def _slurm_parameters(resources: Resources) -> dict[str, Any]:
    found: dict[str, Any] = {
        "job_name": resources.name,
        "time": math.ceil(resources.minutes),
        "signal_delay_s": resources.warning,
        "partition": resources.partition,
        "account": resources.account,
        "cpus_per_task": resources.cpus,
        "gpus_per_node": resources.gpus or None,
        "mem": None if resources.memory is None else f"{math.ceil(resources.memory * 1024)}MB",
        "array_parallelism": resources.at_once,
        "stderr_to_stdout": True,
        "additional_parameters": {"requeue": True, **dict(resources.more)},
    }
    return {key: value for key, value in found.items() if value is not None}


def _local(resources: Resources) -> LocalExecutor:
    with writing(resources.folder):
        executor = LocalExecutor(resources.folder, max_num_timeout=resources.requeues)
    executor.update_parameters(
        timeout_min=resources.minutes,
        signal_delay_s=resources.warning,
        gpus_per_node=resources.gpus,
        stderr_to_stdout=True,
    )
    return executor


def _debug(resources: Resources) -> DebugExecutor:
    with writing(resources.folder):
        resources.folder.mkdir(parents=True, exist_ok=True)
        return DebugExecutor(resources.folder)
