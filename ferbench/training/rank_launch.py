"""One run on as many devices as it asks for, which torchrun starts a process each for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan
from ferbench.records.run import Run
from ferbench.runs.lock import only_writer
from ferbench.training import run, torchrun
from ferbench.training.building import check_devices
from ferbench.training.interruption import Interrupted, Interruption
from ferbench.training.observer import Observer
from ferbench.training.rank_meeting import lead
from ferbench.training.rank_messages import RankFailed, exception_of
from ferbench.training.record import write_failure
from ferbench.training.remote import job_of, pass_on


def execute(
    plan: Plan, results: Path, observer_for: Callable[[Run], Observer], *, cache: Path, plugins: Sequence[str] = ()
) -> Run:
    """`ferbench.training.run.execute` over ``runtime.devices`` devices.

    Args:
        plan: what to do.
        results: the results directory.
        observer_for: gives an observer for the run's first record.
        cache: where packs are.
        plugins: as ``--plugin`` names them.

    Raises:
        UserError: the run cannot start, or what a rank raised.
        RankFailed: a rank failed otherwise.
        KeyboardInterrupt: after the first rank has written the status ``interrupted``.
    """
    count, place = plan.resolved.recipe.runtime.devices, torchrun.place()
    if place is not None and count != place.count:
        raise UserError(
            f"torchrun has started {place.count} processes, but runtime.devices is {count}",
            "leave runtime.devices and --devices out, or start ferbench without torchrun",
        )
    if count == 1:
        return run.execute(plan, results, observer_for)
    check_devices(plan)
    job = {**job_of(plan), "results": str(results), "cache": str(cache), "plugins": list(plugins)}
    if place is not None:
        return lead(job, observer_for, place, plan)
    directory = plan.directory(results)
    with only_writer(directory):  # refused at once, not after the ranks have started
        pass
    try:
        _launch(job, count, lambda: observer_for(directory.load()))
    except (UserError, RankFailed) as error:
        with contextlib.suppress(UserError), only_writer(directory):
            record = directory.load()
            if record.status == "running":  # the first rank could not say so
                write_failure(directory, record, error)
        raise
    return directory.load()


def _launch(job: dict[str, Any], count: int, make_observer: Callable[[], Observer]) -> None:
    path = os.pathsep.join(map(os.path.abspath, sys.path))  # the ranks import what this process does
    environment = {"TORCH_CPP_LOG_LEVEL": "ERROR", **os.environ, "PYTHONPATH": path}
    with tempfile.TemporaryDirectory(prefix="ferbench-ranks-") as directory:
        given = Path(directory) / "job.json"
        given.write_text(json.dumps(job), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ferbench.training.rank_process", str(given), str(count)],
            stdin=subprocess.PIPE,  # its end is this one's
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,  # Ctrl-C is passed on
        )
        with process, _Signals(process).listening() as signals:
            try:
                with signals.waiting():
                    failure = _follow(process, count, make_observer)
                    process.wait()
            except BaseException as error:
                process.send_signal(signal.SIGKILL if isinstance(error, Interrupted) else signal.SIGTERM)
                process.wait()
                raise
    if failure is not None:
        raise failure


def _follow(process: subprocess.Popen[str], count: int, make_observer: Callable[[], Observer]) -> Exception | None:
    """Call an observer, made when the run has begun, as that of the first rank is called; why the run has failed."""
    observer: Observer | None = None
    failure: Exception | None = None
    assert process.stdout is not None
    for line in process.stdout:
        match json.loads(line):
            case ["over", why]:
                return why and exception_of(why)
            case ["ended", rank, code, *last]:
                failure = _crash(f"device {rank + 1} of {count}: the process ended with", code, last)
            case told:
                observer = observer or make_observer()
                pass_on(told, observer)
    code = process.wait()
    return failure or _crash("torchrun ended with" if code else f"device 1 of {count}: the process ended with", code)


def _crash(where: str, code: int, last: Sequence[str] = ()) -> Exception:
    """How a process ended that left no word but perhaps a last line."""
    if code >= 0:
        return RankFailed(": ".join([f"{where} exit code {code}", *(line[:300] for line in last)]))
    name = signal.Signals(-code).name
    memory = "memory may have run out, as this machine or its scheduler says; " if name == "SIGKILL" else ""
    return UserError(f"{where} {name}", f"{memory}the same command goes on from the last checkpoint")


class _Signals(Interruption):
    """Passes the first signal that ends a run on to torchrun, and by it to the ranks, the first of which saves it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__()
        self._process = process

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.pending is None:
            self._process.send_signal(number)
        super()._receive(number, frame)
