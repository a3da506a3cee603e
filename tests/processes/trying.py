"""What the workers of tests do: whatever a job asks for."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from ferbench.errors import UserError
from ferbench.processes.worker import Parent


def prepare(context: Mapping[str, Any]) -> Callable[[Any, Parent], Any]:
    """``context``: ``fault`` of the task itself, ``user``, ``exit`` or ``raise``."""
    match context.get("fault"):
        case "user":
            raise UserError("no such plugin", "install it")
        case "raise":
            raise ImportError("no module named nothing")

    def do(job: Any, parent: Parent) -> Any:
        match job["do"]:
            case "double":
                return 2 * job["number"]
            case "see":
                print(f"a job prints {job.get('text', '')}")
                return {"pid": os.getpid(), "environment": dict(os.environ), "path": sys.path, "argv": sys.argv}
            case "count":
                for number in range(job["to"]):
                    if parent.ask(number, otherwise=False):
                        return f"stopped at {number}"
                return "counted"
            case "impatient":
                late = parent.ask("late?", otherwise="no answer", patience=0.2)
                return [late, parent.ask("next?", otherwise="no answer")]
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "leave":  # a child has the socket after its parent has died
                if os.fork() == 0:
                    parent.say(os.getpid())
                    time.sleep(60)
                os.kill(os.getpid(), signal.SIGKILL)
            case "raise":
                raise ValueError("no\nsuch thing")
            case "refuse":
                raise UserError("this is wrong", "do that")
            case "exit":
                sys.exit(3)
            case "sleep":
                return _sleep(parent, job["seconds"], deaf=job.get("deaf", False))
        return None

    return do


def _sleep(parent: Parent, seconds: float, *, deaf: bool) -> str:
    """Sleep, and say that everything is saved when a signal ends that."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else interrupt)
    try:
        parent.say("asleep")  # from then on the signal may come
        time.sleep(seconds)
    except KeyboardInterrupt:
        parent.say("saved")
        raise
    return "woken"
