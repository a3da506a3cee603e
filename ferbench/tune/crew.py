"""The workers of one host, seen from the parent."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.link import Link, Message
from ferbench.storage import writing
from ferbench.tune.worker import Job

#: So many workers in a row that die before they are ready are no accident.
_MOST_STILLBORN = 3


@dataclass
class Worker:
    """A process.

    Attributes:
        index: its place in the crew, from 0; one that is started in its stead has the same.
        ready: it has said that it can work.
        job: what it works on; None: nothing.
    """

    index: int
    process: subprocess.Popen[bytes]
    link: Link
    log: Path
    ready: bool = False
    job: Job | None = None


@dataclass
class Crew:
    """Workers that are started anew when they die.

    Attributes:
        size: how many.
        runner: ``module:attribute`` of the `ferbench.tune.worker.Prepare` that they run jobs with.
        context: what it is told.
        logs: directory of what they print.
        threads: CPU threads of each; None: what they would take.
        devices: one for each in turn; empty: the recipe's.
    """

    size: int
    runner: str
    context: Mapping[str, Any]
    logs: Path
    threads: int | None = None
    devices: tuple[str, ...] = ()
    workers: list[Worker] = field(default_factory=list)
    _stillborn: int = 0
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def start(self) -> None:
        """Start all of them."""
        while len(self.workers) < self.size:
            self._hire(len(self.workers))

    def idle(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.ready and worker.job is None]

    def give(self, worker: Worker, job: Job) -> None:
        """Let a worker run a job."""
        device = self.devices[worker.index % len(self.devices)] if self.devices else None
        worker.job = Job(job.trial, job.settings, job.test, self.threads, device)
        worker.link.send({"type": "job", "job": asdict(worker.job)})

    def verdict(self, worker: Worker, *, prune: bool) -> None:
        """Answer a worker that has told an epoch."""
        worker.link.send({"type": "verdict", "prune": prune})

    def wait(self, seconds: float, *, replace: bool = True) -> Iterator[tuple[Worker, Message | None]]:
        """What workers say within that time, None of one that has died; ``replace`` starts another in its stead.

        Raises:
            UserError: workers do not get as far as to be ready.
        """
        for key, _ in self._selector.select(seconds):
            worker: Worker = key.data
            messages, there = worker.link.receive()
            for message in messages:
                if message["type"] == "ready":
                    worker.ready, self._stillborn = True, 0
                else:
                    if message["type"] in ("result", "interrupted"):
                        worker.job = None
                    yield worker, message
            if not there:
                self._bury(worker)
                yield worker, None
                if replace:
                    self._hire(worker.index)

    def stop(self, patience: float) -> Iterator[tuple[Worker, Message | None]]:
        """End all of them: runs save themselves, and whatever is still there after ``patience`` seconds is killed."""
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self.workers and time.monotonic() < deadline:
            yield from self.wait(0.2, replace=False)
        self.kill()

    def kill(self) -> None:
        """End whatever is left of them at once."""
        for worker in list(self.workers):
            worker.process.kill()
            self._bury(worker)

    def _hire(self, index: int) -> None:
        ours, theirs = socket.socketpair()
        log = self.logs / f"worker-{index}.log"
        with writing(self.logs):
            self.logs.mkdir(parents=True, exist_ok=True)
            output = log.open("ab")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        if self.threads is not None:
            environment["OMP_NUM_THREADS"] = str(self.threads)
        with output, theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "ferbench.tune.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(theirs.fileno(),),
                env=environment,
                start_new_session=True,  # Ctrl-C is the parent's to hear, which then asks the workers to end
            )
        worker = Worker(index, process, Link(ours), log)
        worker.link.send({"type": "setup", "runner": self.runner, "context": dict(self.context)})
        self._selector.register(worker.link.fileno(), selectors.EVENT_READ, worker)
        self.workers.append(worker)

    def _bury(self, worker: Worker) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.link.fileno())
        worker.link.close()
        self.workers.remove(worker)
        try:
            worker.process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # it has closed its end, yet goes on
            worker.process.kill()
            worker.process.wait()
        if not worker.ready:
            self._stillborn += 1
            if self._stillborn >= _MOST_STILLBORN:
                self.kill()
                raise UserError(
                    f"workers end before they can work: {_last_line(worker.log)}", f"see what they say in {worker.log}"
                )


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1][:300] if lines else "they say nothing"
