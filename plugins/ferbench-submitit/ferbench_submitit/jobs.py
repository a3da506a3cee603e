"""One job: a ferbench command that goes on where it was when the cluster takes the machine away."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from submitit.core.utils import DelayedSubmission

#: What a job is started with; the interpreter is the one that submitted it.
FERBENCH = ("-c", "from ferbench.cli import main; main()")


class FerbenchJob:
    """Runs ``ferbench ARGUMENTS`` in a process of its own.

    submitit calls it on the machine of the job, and `checkpoint` when a signal announces the end of the time or a
    preemption: the process saves its run, the job goes back into the queue, and the same command goes on.

    Args:
        arguments: of ferbench.
        directory: where the command works.
        raises: a command that fails makes the job a failed one; else the exit code is all that tells.
    """

    def __init__(self, arguments: list[str], directory: str, *, raises: bool = True) -> None:
        self.arguments = arguments
        self.directory = directory
        self.raises = raises
        self._child: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_child": None}

    @property
    def text(self) -> str:
        """The command as a shell would have it."""
        return shlex.join(["ferbench", *self.arguments])

    def __call__(self) -> int:
        """The exit code.

        Raises:
            RuntimeError: the command failed.
            SystemExit: a signal ended it; it waits to go on, in a job that the cluster starts again.
        """
        print(self.text, flush=True)
        process = subprocess.Popen([sys.executable, *FERBENCH, *self.arguments], cwd=self.directory)
        self._child = process.pid
        with self._handing_on():
            try:
                code = process.wait()
            except KeyboardInterrupt:  # the process has heard it too, and saves its run
                process.wait()
                raise
        self._child = None
        if code > 128 or code < 0:
            sys.exit(code if code > 0 else 128 - code)
        if code and self.raises:
            raise RuntimeError(f"'{self.text}' ended with exit code {code}")
        return code

    def checkpoint(self) -> DelayedSubmission:
        """Let the process save its run, and give what is to be put into the queue: the same again."""
        self._signal(signal.SIGUSR2)
        if self._child is not None:
            # The main thread is in the middle of waiting for this process: to look on takes nothing away from it.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOWAIT)
        return DelayedSubmission(FerbenchJob(self.arguments, self.directory, raises=self.raises))

    @contextlib.contextmanager
    def _handing_on(self) -> Iterator[None]:
        """Hand SIGTERM on to the process, which then ends with its run saved; submitit would swallow it."""

        def hand_on(number: int, _frame: FrameType | None) -> None:
            self._signal(number)

        before = signal.signal(signal.SIGTERM, hand_on)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _signal(self, number: int) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, number)
