"""Several runs of a grid at once, each in a worker process with its share of this host."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferbench.api.conduct import LOOK, Grid, RunFailed
from ferbench.errors import UserError
from ferbench.experiment.prepare import Combination
from ferbench.processes.workers import Event, Worker, Workers, threads_each, visible_gpus
from ferbench.runs.lock import only_writer
from ferbench.storage import writing
from ferbench.training.interruption import Interruption
from ferbench.training.observer import Observer
from ferbench.training.record import write_failure
from ferbench.training.remote import job_of, pass_on

#: Seconds that runs get to save themselves, and that idle workers get to end.
_FAREWELL, _END = 60.0, 10.0

#: A run whose worker has died so often is given up.
_MOST_ATTEMPTS = 3


@dataclass
class _Running:
    """A run that a worker is at."""

    number: int
    shown: ExitStack = field(default_factory=ExitStack)
    observer: Observer | None = None


@dataclass
class SideBySide:
    """The runs of a grid in workers.

    Attributes:
        grid: what there is to do.
        workers: that do it.
        running: by the worker's index.
    """

    grid: Grid
    workers: Workers
    running: dict[int, _Running] = field(default_factory=dict)
    _deaths: dict[int, int] = field(default_factory=dict)
    _read: dict[Path, int] = field(default_factory=dict)
    _look_at: float = 0.0

    def work(self, interruption: Interruption) -> None:
        """Train until nothing is left, or until a signal comes."""
        self.workers.start()
        while self.grid.left or self.running:
            self._give()
            for event in self.workers.wait(0.5):
                self._handle(event)
            self._show_printed()
            if interruption.pending is not None:
                self._interrupt()
                return
        for _ in self.workers.stop(_END):
            pass

    def _give(self) -> None:
        for worker in self.workers.idle():
            if not self.grid.left or time.monotonic() < self._look_at:
                return
            number = self.grid.next({self.grid.run(run.number) for run in self.running.values()})
            if number is None:  # others are at work on all that are left
                self._look_at = time.monotonic() + LOOK
                return
            self.running[worker.index] = _Running(number)
            self.workers.give(worker, job_of(self.grid.plan(number)))

    def _handle(self, event: Event) -> None:
        run = self.running.get(event.worker.index)
        if run is None:
            return
        if event.kind == "said":
            if run.observer is None:
                run.observer = run.shown.enter_context(self.grid.begins(run.number))
            pass_on(event.value, run.observer)
            return
        self._show_printed_by(event.worker)
        del self.running[event.worker.index]
        failure: Exception | None = None
        if event.kind in ("died", "interrupted"):
            failure = self._death(run.number, event.reason or "it was interrupted")
        elif event.kind == "failed":
            remedy = event.remedy
            failure = RunFailed(event.reason) if remedy is None else UserError(event.reason, remedy)
        run.shown.__exit__(None if failure is None else type(failure), failure, None)
        if failure is not None:
            self.grid.failed(run.number, failure)
        elif event.kind == "done" and event.value == "trained":
            self.grid.ended(run.number)
        else:
            self._look_at = time.monotonic() + LOOK
            self.grid.put_back(run.number)

    def _death(self, number: int, how: str) -> Exception | None:
        """Why a run is given up whose worker has died; None: another worker goes on with it."""
        self._deaths[number] = deaths = self._deaths.get(number, 0) + 1
        name = self.grid.run(number)
        if deaths < _MOST_ATTEMPTS:
            self.grid.progress.warn(f"the worker of run {name} died ({how}); another goes on with the run")
            return None
        error = UserError(
            f"its worker died {deaths} times ({how})",
            "give it more memory, or use fewer --workers; the same command goes on from the last checkpoint",
        )
        directory = self.grid.plan(number).directory(self.grid.results)
        with contextlib.suppress(UserError), only_writer(directory):
            record = directory.load()
            if record.status == "running":
                write_failure(directory, record, error)
        return error

    def _interrupt(self) -> None:
        """Let all runs save themselves."""
        try:
            for event in self.workers.stop(_FAREWELL):
                if event.kind in ("interrupted", "died"):
                    self._show_printed_by(event.worker)
                else:
                    self._handle(event)
        finally:  # also where a second Ctrl-C waits for nothing
            for run in self.running.values():
                run.shown.close()
                self.grid.progress.interrupted(self.grid.run(run.number))

    def _show_printed(self) -> None:
        for worker in self.workers.all:
            self._show_printed_by(worker)

    def _show_printed_by(self, worker: Worker) -> None:
        """Show the whole lines that a worker has printed since it was last looked at, if it is at a run."""
        run = self.running.get(worker.index)
        with contextlib.suppress(OSError), worker.log.open("rb") as log:
            log.seek(self._read.get(worker.log, 0))
            whole, newline, _ = log.read().rpartition(b"\n")
            self._read[worker.log] = self._read.get(worker.log, 0) + len(whole) + len(newline)
            if run is not None:
                name = self.grid.run(run.number)
                for line in whole.decode(errors="replace").splitlines():
                    self.grid.progress.printed(name, line)


def train_all(grid: Grid, workers: int) -> None:
    """Train all that is left of a grid; what needs no training ends too.

    Raises:
        UserError: no worker can work.
        Interrupted: a signal came; the runs are saved.
    """
    todo = [one for one in grid.combinations if one.plan is not None and not one.skip and not one.done]
    if not todo:
        return
    size = share(grid.combinations, workers)
    with writing(Path(tempfile.gettempdir())):
        logs = Path(tempfile.mkdtemp(prefix="ferbench-run-"))
    context: dict[str, Any] = {
        "results": str(grid.results.absolute()),
        "cache": str(grid.cache.absolute()),
        "plugins": list(grid.plugins),
    }
    pool = Workers(
        min(size, len(todo)), "ferbench.api.run_worker:prepare", context, logs, threads_each(size), _gpus(todo)
    )
    with Interruption().listening() as interruption:
        try:
            with interruption.waiting():
                SideBySide(grid, pool).work(interruption)
        except UserError:  # which names a log
            pool.kill()
            raise
        except BaseException:
            pool.kill()
            shutil.rmtree(logs, ignore_errors=True)
            raise
    shutil.rmtree(logs, ignore_errors=True)


def share(combinations: Sequence[Combination], workers: int) -> int:
    """Among how many runs at once a host is shared out: the same when a grid goes on as when it began."""
    return min(workers, sum(one.plan is not None and not one.skip for one in combinations))


def _gpus(combinations: Sequence[Combination]) -> tuple[str, ...]:
    """A GPU for each worker in turn, unless the recipes say which."""
    devices = {one.resolved.recipe.runtime.device for one in combinations if one.resolved is not None}
    return visible_gpus() if devices <= {"auto", "cuda", "cpu"} and devices != {"cpu"} else ()
