"""The workers of this host, seen from the parent.

Each is an interpreter of its own at the other end of a socket. `multiprocessing` would have it import the parent's
``__main__``, so that a script without ``if __name__ == "__main__"`` starts over in each; its pools and loky's give up
all jobs where one worker is killed.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, Literal

from ferbench.errors import UserError
from ferbench.processes.worker import receive, send
from ferbench.storage import writing

#: So many workers in a row that die before they are ready are no accident.
_MOST_FAILED_STARTS = 3

#: What an interpreter runs to be a worker: it imports from where the parent does.
_PROGRAM = """
import json, sys
sys.path[:], *given = json.loads(sys.argv[1])
from ferbench.processes.worker import main
main(*given)
"""


@dataclass(eq=False)
class Worker:
    """A process.

    Attributes:
        index: its place among the workers, from 0; one that is started in its stead has the same.
        line: to it.
        log: what it and its libraries print.
        job: that it is at; None when there is none.
        state: an ``ending`` one takes no job any more.
    """

    index: int
    process: subprocess.Popen[bytes]
    line: Connection
    log: Path
    job: Any = None
    state: Literal["starting", "idle", "busy", "ending"] = "starting"


@dataclass(frozen=True)
class Event:
    """What has become of a job, or of a worker.

    Attributes:
        kind: the job has ``said`` something and goes on, is ``done``, has ``failed`` with an exception, or was
            ``interrupted`` by a signal and has saved what it had; or the worker ``died``, however it was.
        worker: the worker; idle after ``done`` and ``failed``.
        job: as it was given; None where the worker had none.
        value: what was said, or the result.
        question: number under which the job waits for an answer (`Workers.answer`); None: it does not.
        reason: of a failure, in one line.
        remedy: of a failure by `UserError`.
        trace: the traceback of any other failure.
        host_remedy: what to do where the job failed because of a disk or of this host's limits, which would have failed
            any other too.
        seconds: that the job took.
    """

    kind: Literal["said", "done", "failed", "interrupted", "died"]
    worker: Worker
    job: Any
    value: Any = None
    question: int | None = None
    reason: str = ""
    remedy: str | None = None
    trace: str | None = None
    host_remedy: str | None = None
    seconds: float = 0.0


@dataclass
class Workers:
    """Workers that are started anew when they die; for one thread alone.

    Give jobs to those that are `idle`, and see to every `Event` of `wait`. The job of a worker that died is nobody's:
    give it again, or do not.

    Attributes:
        size: how many.
        task: ``module:attribute`` of the `ferbench.processes.worker.Task` that does jobs.
        context: what that is called with: plain values.
        logs: directory of what they print: ``worker-0.log`` and so on, added to.
        threads: CPU threads of each, as OMP_NUM_THREADS; None: as here. See `threads_each`.
        gpus: one in turn is all that a worker sees, as CUDA_VISIBLE_DEVICES; empty: as here. See `visible_gpus`.
        all: those that there are.
    """

    size: int
    task: str
    context: Mapping[str, Any]
    logs: Path
    threads: int | None = None
    gpus: tuple[str, ...] = ()
    all: list[Worker] = field(default_factory=list)
    _failed_starts: int = 0

    def start(self) -> None:
        """Start those that are missing.

        Raises:
            UserError: this machine gives no process, or the logs cannot be written.
        """
        for index in set(range(self.size)) - {worker.index for worker in self.all}:
            self._start(index)

    def idle(self) -> list[Worker]:
        """Those that wait for a job."""
        return [worker for worker in self.all if worker.state == "idle"]

    def give(self, worker: Worker, job: Any) -> None:
        """Let an idle worker do a job: plain values, not None."""
        worker.state, worker.job = "busy", job
        send(worker.line, {"job": job})

    def answer(self, event: Event, value: Any) -> None:
        """Answer what a job has said, if it waits for that, with plain values."""
        if event.question is not None:
            send(event.worker.line, {"question": event.question, "answer": value})

    def wait(self, seconds: float, *, restart: bool = True) -> Iterator[Event]:
        """What happens within that time; ``restart`` starts another worker in the stead of one that died.

        Raises:
            UserError: a worker cannot be made ready, as it says itself or as three in a row show.
        """
        wait([worker.line for worker in self.all], seconds)
        for worker in list(self.all):
            gone = worker.process.poll() is not None  # looked at before its last words are read
            while worker.line.poll():
                if (message := receive(worker.line)) is None:
                    gone = True
                    break
                yield from self._events(worker, message)
            if gone:
                yield self._removed(worker)
                if restart:
                    self._start_again(worker)

    def stop(self, patience: float) -> Iterator[Event]:
        """End all of them: jobs get SIGTERM, to save what they have, and SIGKILL after ``patience`` seconds."""
        for worker in self.all:
            if worker.state == "idle":
                send(worker.line, {})
            else:
                worker.process.terminate()
        deadline = time.monotonic() + patience
        while self.all and time.monotonic() < deadline:
            yield from self.wait(0.2, restart=False)
        self.kill()

    def kill(self) -> None:
        """End whatever is left of them at once, with the processes that they have started."""
        for worker in list(self.all):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.process.pid, signal.SIGKILL)  # each has a group of its own
            self._removed(worker)

    def _start(self, index: int) -> None:
        log = self.logs / f"worker-{index}.log"
        with writing(self.logs):
            self.logs.mkdir(parents=True, exist_ok=True)
            output = log.open("ab")
        environment = dict(os.environ)
        if self.threads is not None:
            environment["OMP_NUM_THREADS"] = str(self.threads)
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[index % len(self.gpus)]
        path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 - '' is the current directory
        with output:
            try:
                ours, theirs = Pipe()
                with theirs:
                    given = json.dumps([path, theirs.fileno(), os.getpid(), self.task, dict(self.context)])
                    process = subprocess.Popen(
                        [sys.executable or "python3", "-P", "-c", _PROGRAM, given],
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        pass_fds=(theirs.fileno(),),
                        env=environment,
                        start_new_session=True,  # Ctrl-C reaches the parent alone, which then asks the workers to end
                    )
            except OSError as error:
                raise UserError(
                    f"worker {index + 1} of {self.size} cannot be started: {error.strerror or error}",
                    "ask for fewer workers, or for more memory, processes (ulimit -u) or files (ulimit -n)",
                ) from error
        self.all.append(Worker(index, process, ours, log))

    def _events(self, worker: Worker, message: dict[str, Any]) -> Iterator[Event]:
        match message["kind"]:
            case "ready":
                worker.state, self._failed_starts = "idle", 0
            case "unable":
                self.kill()
                raise UserError(message["reason"], message["remedy"])
            case kind:
                event = Event(worker=worker, job=worker.job, **message)
                if kind != "said":
                    worker.job, worker.state = None, "ending" if kind == "interrupted" else "idle"
                yield event

    def _start_again(self, worker: Worker) -> None:
        if worker.state == "starting":
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                self.kill()
                with worker.log.open(encoding="utf-8", errors="replace") as log:
                    last = "".join(collections.deque(log, 1)).strip()[:300] or "they print nothing"
                raise UserError(f"workers end before they can work: {last}", f"see what they print in {worker.log}")
        self._start(worker.index)

    def _removed(self, worker: Worker) -> Event:
        try:
            worker.process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # it has closed its end, yet goes on
            worker.process.kill()
            worker.process.wait()
        worker.line.close()
        self.all.remove(worker)
        code = worker.process.returncode
        memory = ", as where memory runs out" if code == -signal.SIGKILL else ""
        how = f"exit code {code}" if code >= 0 else f"killed by signal {-code}{memory}"
        return Event("died", worker, worker.job, reason=how)


def threads_each(workers: int) -> int | None:
    """CPU threads for each of so many workers; None where there is one only, or OMP_NUM_THREADS says it."""
    from ferbench.data.images import available_cores

    return None if workers == 1 or "OMP_NUM_THREADS" in os.environ else max(1, available_cores() // workers)


def visible_gpus() -> tuple[str, ...]:
    """The CUDA devices that torch sees here, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(named.split(",")[:count]) if named else tuple(map(str, range(count)))
