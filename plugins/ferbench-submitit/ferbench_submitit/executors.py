"""Where jobs go, and how long one waits for them."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submitit import DebugExecutor, DebugJob, Job, LocalExecutor, SlurmExecutor, SlurmJob
from submitit.core.utils import FailedJobError, FailedSubmissionError

from ferbench import UserError, writing
from ferbench_submitit.job_list import write_jobs
from ferbench_submitit.jobs import FerbenchJob
from ferbench_submitit.task import TaskPaths, command, read_number

#: Seconds between two looks at jobs: of this machine, and at most at those of a cluster.
_LOOK, _SELDOM = 1.0, 30.0

#: States of jobs that do not go on, as ``squeue`` has them; one that it does not list is gone.
_OVER = {
    "gone",
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "TIMEOUT",
}


@dataclass(frozen=True)
class Resources:
    """What each job asks for.

    Attributes:
        executor: ``slurm``, ``local`` or ``debug``.
        folder: for logs and the list of jobs.
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
    several = len(jobs) > 1
    if several:
        executor.parameters["map_count"] = len(jobs)
    make_folder(resources.folder)
    digest = write_jobs(jobs, resources.folder)
    try:
        first = executor._submit_command(_command(executor.python, resources, digest, None if several else 0))
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"Slurm did not take the jobs: {lines[-1]}", "correct the options, or try with --executor local"
        ) from error
    names = [f"{first.job_id}_{number}" for number in range(len(jobs))] if several else [first.job_id]
    return [_with_own_paths(SlurmJob(folder=resources.folder, job_id=name)) for name in names]


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
    begin = _debug(resources) if resources.executor == "debug" else _local(jobs, resources)
    most = 1 if resources.executor == "debug" else resources.at_once or 1
    waiting = list(enumerate(jobs))
    running: dict[int, Job[int]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < most:
                position, job = waiting.pop(0)
                running[position] = begin(position, job)
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
    """Each job of a cluster as it ends: it has written its result, or is in the queue no more.

    Asks ``squeue``, since submitit asks ``sacct``, which knows nothing on a cluster without accounting.
    """
    left, gone = dict(enumerate(jobs)), set[int]()
    pause = _LOOK
    while left:
        states = _states()
        for position, one in list(left.items()):
            state = None if states is None else states.get(one.job_id, "gone")
            if state in _OVER and position not in gone:
                gone.add(position)  # its result may be on its way, through a file system of several hosts
                with contextlib.suppress(OSError):
                    one.paths.folder.chmod(one.paths.folder.stat().st_mode)  # looks at the disk anew
            elif state in _OVER or one.paths.result_pickle.exists():
                del left[position]
                yield _ended(position, one, state or "")
        if left:
            time.sleep(pause)
            pause = min(2 * pause, _SELDOM)


def _states() -> dict[str, str] | None:
    """The state of each of the user's jobs that Slurm still knows; None where it does not answer."""
    command = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%i|%T"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    return dict(line.strip().partition("|")[::2] for line in done.stdout.splitlines())


def _ended(position: int, job: Job[int], state: str = "") -> Ended:
    if isinstance(job, DebugJob):
        return Ended(position, int(job.result()))
    code = read_number(job.paths.result_pickle)
    how = f"{state.lower()}, " if code is None and state else ""
    return Ended(position, 0) if code == 0 else Ended(position, code or 1, f"{how}see {job.paths.stdout}")


def _command(python: str, resources: Resources, digest: str, number: int | None) -> str:
    minutes = math.ceil(resources.minutes) if resources.executor == "slurm" else resources.minutes
    return command(python, resources.folder, digest, minutes, resources.requeues, number)


def _with_own_paths(job: Job[int]) -> Job[int]:
    """The job, for which submitit then looks where `ferbench_submitit.task` writes."""
    job._paths = TaskPaths(job.paths._folder, job.job_id)
    return job


class _PrivateSlurmExecutor(SlurmExecutor):
    """Gives Slurm a batch script that nobody else can change before Slurm has read it."""

    def _make_submission_file_text(self, command: str, uid: str) -> str:
        self._text: str = super()._make_submission_file_text(command, uid)
        return self._text

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        self._private = tempfile.TemporaryDirectory(prefix="ferbench-")
        script = Path(self._private.name, "submission.sh")
        script.write_text(self._text)
        return ["sbatch", str(script)]


def _slurm(resources: Resources) -> SlurmExecutor:
    try:
        executor = _PrivateSlurmExecutor(resources.folder, max_num_timeout=resources.requeues)
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


def make_folder(folder: Path) -> None:
    """Make the folder of the logs, where others may not put links in the place of logs.

    Raises:
        UserError: it cannot be made.
    """
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o755, exist_ok=True)


#: Begins the job at that place of the list.
_Begin = Callable[[int, FerbenchJob], Job[int]]


def _local(jobs: Sequence[FerbenchJob], resources: Resources) -> _Begin:
    make_folder(resources.folder)
    executor = LocalExecutor(resources.folder, max_num_timeout=resources.requeues)
    executor.update_parameters(
        timeout_min=resources.minutes,
        signal_delay_s=resources.warning,
        gpus_per_node=resources.gpus,
        stderr_to_stdout=True,
    )
    digest = write_jobs(jobs, resources.folder)

    def begin(position: int, _: FerbenchJob) -> Job[int]:
        return _with_own_paths(executor._submit_command(_command(executor.python, resources, digest, position)))

    return begin


def _debug(resources: Resources) -> _Begin:
    make_folder(resources.folder)
    executor = DebugExecutor(resources.folder)
    return lambda _, job: executor.submit(job)
