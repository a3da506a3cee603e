"""One job: a ferbench command that goes on where it was when the cluster takes the machine away."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from submitit.core.utils import DelayedSubmission

from ferbench import UserError, replace_file

#: What a job is started with; the interpreter is the one that submitted it. As with ``ferbench`` itself, the working
#: directory, where others may write, is not searched for modules.
FERBENCH = ("-P", "-c", "from ferbench.cli import main; main()")


class FerbenchJob:
    """Runs ``ferbench ARGUMENTS`` in a process of its own.

    submitit calls it on the machine of the job, and `checkpoint` when a signal announces the end of the time or a
    preemption: the process saves its run, the job goes back into the queue, and the same command goes on.

    Args:
        arguments: of ferbench.
        directory: where the command works.
        recipe: SHA-256 of the recipe that is the second argument, of which the job then reads its own copy; None: the
            arguments are as they are.
    """

    def __init__(self, arguments: list[str], directory: str, recipe: str | None = None) -> None:
        self.arguments = arguments
        self.directory = directory
        self.recipe = recipe
        self._child: int | None = None

    def plain(self) -> dict[str, Any]:
        """What makes it again, as plain values."""
        return {"arguments": self.arguments, "directory": self.directory, "recipe": self.recipe}

    @property
    def text(self) -> str:
        """The command as a shell would have it."""
        return shlex.join(["ferbench", *self.arguments])

    def __call__(self) -> int:
        """The exit code.

        Raises:
            UserError: its recipe is not what it was.
            SystemExit: a signal ended it; it waits to go on, in a job that the cluster starts again.
        """
        print(self.text, flush=True)
        with self._own_arguments() as arguments:
            process = subprocess.Popen([sys.executable, *FERBENCH, *arguments], cwd=self.directory)
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
        return code

    @contextlib.contextmanager
    def _own_arguments(self) -> Iterator[list[str]]:
        """The arguments, with a recipe that nobody else can change while ferbench reads it."""
        if self.recipe is None:
            yield self.arguments
            return
        command, recipe, *rest = self.arguments
        content = read_checked(Path(self.directory, recipe), self.recipe)
        with tempfile.TemporaryDirectory(prefix="ferbench-") as own:
            copy = Path(own, Path(recipe).name)
            copy.write_bytes(content)
            yield [command, str(copy), *rest]

    def checkpoint(self) -> Submission:
        """Let the process save its run, and give what is to be put into the queue: the same again."""
        self._signal(signal.SIGUSR2)
        if self._child is not None:
            # The main thread is in the middle of waiting for this process: to look on takes nothing away from it.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOWAIT)
        return Submission(self)

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


class Submission(DelayedSubmission):
    """A job with the time that it has. Of it, submitit keeps how often it may still run out of time; no pickle."""

    def dump(self, filepath: str | Path) -> None:
        """Keep that number."""
        replace_file(Path(filepath), json.dumps(self._timeout_countdown).encode())


def read_checked(path: Path, digest: str) -> bytes:
    """The content of a file that nobody may have changed.

    Args:
        path: of the file.
        digest: SHA-256 of its content.

    Raises:
        UserError: it cannot be read, is gone, or is another one.
    """
    try:
        content = path.read_bytes() if path.is_file() else b""  # a pipe in its place would keep the job waiting
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", "submit the jobs again") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise UserError(
            f"{path} is not what was submitted: somebody has changed it since",
            "see who can write there, and submit the jobs again",
        )
    return content
