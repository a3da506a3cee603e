"""The workers of one host, seen from the parent."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.link import Link
from ferbench.storage import writing
from ferbench.tuning.messages import Interrupted, Job, JobEnded, Message, Ready, receive, send

#: So many workers in a row that die before they are ready are no accident.
_MOST_FAILED_STARTS = 3


@dataclass
class Worker:
    """A process.

    Attributes:
        index: its place among the workers, from 0; one that is started in its stead has the same.
        link: to it.
        log: what its libraries print.
        ready: it can work.
        busy: it is at work on a job.
    """

    index: int
    process: subprocess.Popen[bytes]
    link: Link
    log: Path
    ready: bool = False
    busy: bool = False


@dataclass
class Workers:
    """Workers that are started anew when they die.

    Attributes:
        size: how many.
        runner: ``module:attribute`` of the `ferbench.tuning.worker.Prepare` that they run jobs with.
        context: what that is called with, of plain values.
        logs: directory of what they print.
        threads: CPU threads of each; None: what they would take.
        devices: one for each in turn; empty: the recipe's.
        all: those that there are.
    """

    size: int
    runner: str
    context: Mapping[str, Any]
    logs: Path
    threads: int | None = None
    devices: tuple[str, ...] = ()
    all: list[Worker] = field(default_factory=list)
    _failed_starts: int = 0
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def start(self) -> None:
        """Start all of them."""
        while len(self.all) < self.size:
            self._start(len(self.all))

    def idle(self) -> list[Worker]:
        return [worker for worker in self.all if worker.ready and not worker.busy]

    def give(self, worker: Worker, job: Job) -> None:
        """Let a worker run a job."""
        device = self.devices[worker.index % len(self.devices)] if self.devices else None
        worker.busy = True
        send(worker.link, replace(job, threads=self.threads, device=device))

    def wait(self, seconds: float, *, restart: bool = True) -> Iterator[tuple[Worker, Message | None]]:
        """What workers send within that time, None of one that has died; ``restart`` starts another in its stead.

        Raises:
            UserError: workers do not get as far as to be ready.
        """
        for key, _ in self._selector.select(seconds):
            worker: Worker = key.data
            messages, there = receive(worker.link)
            for message in messages:
                if isinstance(message, Ready):
                    worker.ready, self._failed_starts = True, 0
                else:
                    if isinstance(message, (JobEnded, Interrupted)):
                        worker.busy = False
                    yield worker, message
            if not there:
                self._remove(worker)
                yield worker, None
                if restart:
                    self._start(worker.index)

    def stop(self, patience: float) -> Iterator[tuple[Worker, Message | None]]:
        """End all of them: runs save themselves, and whatever is still there after ``patience`` seconds is killed."""
        for worker in self.all:
            with contextlib.suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self.all and time.monotonic() < deadline:
            yield from self.wait(0.2, restart=False)
        self.kill()

    def kill(self) -> None:
        """End whatever is left of them at once."""
        for worker in list(self.all):
            worker.process.kill()
            self._remove(worker)

    def _start(self, index: int) -> None:
        ours, theirs = socket.socketpair()
        context = json.dumps(dict(self.context))
        log = self.logs / f"worker-{index}.log"
        with writing(self.logs):
            self.logs.mkdir(parents=True, exist_ok=True)
            output = log.open("ab")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        if self.threads is not None:
            environment["OMP_NUM_THREADS"] = str(self.threads)
        with output, theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "ferbench.tuning.worker", str(theirs.fileno()), self.runner, context],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(theirs.fileno(),),
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which then asks the workers to end
            )
        worker = Worker(index, process, Link(ours), log)
        self._selector.register(worker.link.fileno(), selectors.EVENT_READ, worker)
        self.all.append(worker)

    def _remove(self, worker: Worker) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.link.fileno())
        worker.link.close()
        self.all.remove(worker)
        try:
            worker.process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # it has closed its end, yet goes on
            worker.process.kill()
            worker.process.wait()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                self.kill()
                raise UserError(
                    f"workers end before they can work: {_last_line(worker.log)}",
                    f"see what they print in {worker.log}",
                )


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1][:300] if lines else "they print nothing"
