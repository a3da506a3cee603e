"""A worker: a process that does one job after another for the parent that started it, and ends with it.

What it does is a *task*, named ``module:attribute``: a function that is called once, with the context that all jobs
share, and gives the function that does a job::

    def prepare(context: Mapping[str, Any]) -> Callable[[Any, Parent], Any]:
        heavy = load(context["plugins"])

        def do(job: Any, parent: Parent) -> Any:
            for epoch in heavy.epochs(job):
                if parent.ask({"epoch": epoch}, otherwise=False):  # parent.say(…) waits for nothing
                    break
            return {"score": heavy.score}

        return do

Contexts, jobs, what jobs say, answers and results are plain values: JSON between the two, which cannot execute.
A signal that a job makes a `KeyboardInterrupt` of, having saved what it has, ends the worker.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from ferbench import display, startup
from ferbench.errors import UserError
from ferbench.plugin.culprit import blame, in_a_line
from ferbench.storage import refusal_of_host

#: Seconds that the parent may take to answer, and that a job gets to save what it has when the parent has died.
_PATIENCE, _FAREWELL = 20.0, 60.0


def send(line: Connection, message: Mapping[str, Any]) -> None:
    """Send a message of plain values; where the other end is gone, nobody misses it."""
    with contextlib.suppress(OSError):
        line.send_bytes(json.dumps(message).encode())


def receive(line: Connection) -> dict[str, Any] | None:
    """Wait for the next message; None when the other end is gone."""
    try:
        return json.loads(line.recv_bytes())
    except (EOFError, OSError):
        return None


class Parent:
    """How a job talks to the parent, from the thread that does it."""

    def __init__(self, line: Connection) -> None:
        self._line, self._questions = line, 0
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()

    def say(self, value: Any) -> None:
        """Tell the parent something."""
        send(self._line, {"kind": "said", "value": value})

    def ask(self, value: Any, otherwise: Any, patience: float = _PATIENCE) -> Any:
        """Tell the parent something that it answers; ``otherwise`` where it has not within ``patience`` seconds."""
        self._questions += 1
        send(self._line, {"kind": "said", "value": value, "question": self._questions})
        deadline = time.monotonic() + patience
        with contextlib.suppress(queue.Empty):
            while answer := self.answers.get(timeout=max(0.0, deadline - time.monotonic())):
                if answer["question"] == self._questions:  # not one that came too late
                    return answer["answer"]
        return otherwise


#: Called once in each worker, it gives what does jobs.
Task = Callable[[Mapping[str, Any]], Callable[[Any, Parent], Any]]


def main(handle: int, parent_id: int, task: str, context: Mapping[str, Any]) -> None:
    """Do jobs for the process of that id at the other end of the socket ``handle``."""
    startup.begin()
    display.watch()
    display.keep_working()  # a log that takes no more ends no job
    faulthandler.enable()
    os.set_inheritable(handle, False)
    line = Connection(handle)
    parent, jobs = Parent(line), queue.Queue[dict[str, Any]]()
    threading.Thread(target=_listen, args=(line, parent_id, jobs, parent), daemon=True).start()
    module, _, attribute = task.partition(":")
    try:
        do = getattr(importlib.import_module(module), attribute)(context)
    except UserError as error:
        send(line, {"kind": "unable", "reason": error.message, "remedy": error.remedy})
        return
    send(line, {"kind": "ready"})
    while given := jobs.get():
        started = time.perf_counter()
        ending = _ending(do, given["job"], parent)
        sys.stdout.flush()
        sys.stderr.flush()
        send(line, {**ending, "seconds": time.perf_counter() - started})
        if ending["kind"] == "interrupted":
            break


def _ending(do: Callable[[Any, Parent], Any], job: Any, parent: Parent) -> dict[str, Any]:
    try:
        return {"kind": "done", "value": do(job, parent)}
    except KeyboardInterrupt:
        return {"kind": "interrupted"}
    except UserError as error:
        host = refusal_of_host(error)
        return {"kind": "failed", "reason": error.message, "remedy": error.remedy, "host_remedy": host}
    except BaseException as error:
        fault = blame(error)
        traceback.print_exception(fault)
        trace, host = "".join(traceback.format_exception(fault)), refusal_of_host(error)
        return {"kind": "failed", "reason": in_a_line(fault), "trace": trace, "host_remedy": host}


def _listen(line: Connection, parent_id: int, jobs: queue.Queue[dict[str, Any]], parent: Parent) -> None:
    """Sort what the parent sends, and end the process when it is gone."""
    message: dict[str, Any] | None = {}
    while message is not None and os.getppid() == parent_id:  # its end of the line may live on in a child of its own
        if line.poll(1.0) and (message := receive(line)) is not None:
            (parent.answers if "answer" in message else jobs).put(message)
    jobs.put({})
    parent.answers.put({})
    os.kill(os.getpid(), signal.SIGTERM)  # a run that is under way saves itself; outside of one this is the end
    time.sleep(_FAREWELL)
    os._exit(1)
