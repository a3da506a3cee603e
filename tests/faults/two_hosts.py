"""Locks that the file system does not have, or shows to one host only, and processes that are stopped or killed.

A preloaded library stands for the file system and gives a process the name of another host; all else is real.
"""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import injection
from disk import STOP, Disk
from small_run import BATCHES, INTERVAL, Ended, Whole, _main, finish, fresh, outcome, run, start

from ferbench import locks
from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import holder_path
from ferbench.runs.verify import verify

#: What ``flock`` says where there are no locks, and nothing: it succeeds, as on another host that does not see them.
ERRORS = ("ENOSYS", "ENOLCK", "EOPNOTSUPP", "")

_LIBRARY = r"""
#include <errno.h>
#include <stdlib.h>
#include <string.h>
int flock(int handle, int how) {
    (void)handle, (void)how;
    errno = atoi(getenv("FLOCK_ERRNO"));
    return errno ? -1 : 0;
}
int gethostname(char *name, size_t size) {
    strncpy(name, getenv("HOST_NAME"), size);
    return 0;
}
"""

#: What lies in a staging directory.
_STAGED = re.compile(r"\.staging/[0-9a-f]+/")

#: Holds a run, and adds an epoch to its history for each line that it reads.
_WRITER = """
import sys
from pathlib import Path
from ferbench.errors import UserError
from ferbench.records.epoch import Epoch, EpochScores
from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import only_writer
run = RunDirectory(Path(sys.argv[1]))
try:
    with only_writer(run):
        run.path.mkdir(exist_ok=True)
        print("held", flush=True)
        for line in sys.stdin:
            run.append_history(Epoch(epoch=int(line), train=EpochScores(), validation=EpochScores()))
            print("written", flush=True)
except UserError as error:
    print(f"refused: {error.message}", flush=True)
    sys.exit(2)
"""


def library(directory: Path) -> Path | None:
    """The library, compiled; None where there is no compiler, or nothing can be preloaded."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    source, made = directory / "flock.c", directory / "flock.so"
    source.write_text(_LIBRARY)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    return made


def elsewhere(preloaded: Path, host: str, error: str = "") -> Mapping[str, str]:
    """The environment of a process on a host of that name, where ``flock`` gives that error."""
    number = str(getattr(errno, error)) if error else "0"
    return {**os.environ, "LD_PRELOAD": str(preloaded), "HOST_NAME": host, "FLOCK_ERRNO": number}


class Writer:
    """A process that holds a run, on a host of its own.

    Attributes:
        said: its first line: ``held``, or why not.
    """

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _WRITER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self.said = self._line()

    def write(self, epoch: int) -> str:
        """Have it add an epoch; what it says then."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{epoch}\n")
        self.process.stdin.flush()
        return self._line()

    def end(self) -> int:
        """Let it end; its exit code."""
        self.process.communicate()
        return self.process.returncode

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()


def forget(path: Path) -> None:
    """Let the lease of whoever holds a run be over, as if time had passed."""
    then = time.time() - locks.LEASE - 1
    os.utime(holder_path(RunDirectory(path)), (then, then))


@dataclass(frozen=True)
class Trial:
    """What came of two runs of one recipe on two hosts.

    Attributes:
        wrong: what is not as it should be; None when all is.
        ending: of the first: ``taken over``, ``killed``, or ``done`` where it was over by then.
    """

    wrong: str | None
    ending: str


def taken_over(directory: Path, whole: Whole, draw: random.Random, error: str, number: signal.Signals) -> Trial:
    """The run on one host, stopped or killed at an instant, finished on another, and then going on on the first; one
    that was over by then is done again with another instant, a few times."""
    for _ in range(5):
        trial = _taken_over(directory, whole, draw, error, number)
        if trial.wrong is not None or trial.ending != "done":
            break
    return trial


def _taken_over(directory: Path, whole: Whole, draw: random.Random, error: str, number: signal.Signals) -> Trial:
    first = fresh(directory / "a", whole.directory)
    second = fresh(directory / "b", whole.directory)
    (first / "results").mkdir()
    (second / "results").symlink_to(first / "results")
    child = start(first, _on_host("a", error))
    time.sleep(draw.random() * whole.seconds)
    os.kill(child, number)
    over = any(b'"status": "done"' in path.read_bytes() for path in first.glob("results/runs/*/run.json"))
    held = list((first / "results" / "runs").glob(".*.holder.json"))
    if held and not over:  # a run that is done is shown, whoever has its lock
        refused = run(second, _on_host("b", error))
        if refused.code != 2 or "another process is at work on run" not in refused.said:
            os.kill(child, signal.SIGKILL)
            wrong = f"the second was not refused: {refused.code} {refused.said[-500:]}"
            return Trial(wrong, _ending(finish(child, first)))
        then = time.time() - locks.LEASE - 1
        os.utime(held[0], (then, then))
    other = run(second, _on_host("b", error))
    if number == signal.SIGSTOP:
        os.kill(child, signal.SIGCONT)
    one = finish(child, first)
    return Trial(_wrong(first, whole, one, other, bool(held) and not over), _ending(one))


def log_of_calls(directory: Path, whole: Whole) -> list[str]:
    """The paths, below the directory of runs, of the calls of a run that change the disk."""
    (fresh(directory, whole.directory) / "results").mkdir()
    return [str(Path(path).relative_to(directory / "results")) for _, path in injection.calls(directory)]


def stopped_at(directory: Path, whole: Whole, paths: Sequence[str], at: int, other_at: int = 0) -> Trial:
    """The run on one host, stopped before a call that changes the disk, taken over on another, and then going on.

    Args:
        directory: to work in.
        whole: the run without faults.
        paths: as `log_of_calls` has them.
        at: at which call, from 1.
        other_at: at which of its own calls the other host is stopped when the first goes on, to go on when that has
            ended; 0: the first goes on when the other has ended.
    """
    first, second = fresh(directory / "a", whole.directory), fresh(directory / "b", whole.directory)
    (first / "results").mkdir()
    (second / "results").symlink_to(first / "results")
    begun = at > next(number for number, path in enumerate(paths, 1) if _STAGED.search(path))
    one = _Stopped(first, "a", at)
    over = any(b'"status": "done"' in path.read_bytes() for path in first.glob("results/runs/*/run.json"))
    for path in first.glob("results/runs/.*.holder.json"):
        os.utime(path, (1, 1))
    two = _Stopped(second, "b", other_at)
    other = None if two.stopped else two.end()
    named = [path.read_bytes() for path in first.glob("results/runs/.*.holder.json")]
    stagings = list(first.glob("results/runs/.*.staging/*"))
    lost = other is not None or (any(b'"host": "b"' in content for content in named) and len(stagings) == 1)
    before = _tree(first / "results")
    ended = one.end()
    if lost and begun and not over:
        if _ending(ended) != "taken over":
            return _ended(two, f"the first went on though it was taken over: {ended.code} {ended.said[-500:]}")
        if changed := [name for name, content in _tree(first / "results").items() if before.get(name) != content]:
            return _ended(two, f"the first changed {changed} after it was taken over")
        if gone := before.keys() - _tree(first / "results").keys():
            return _ended(two, f"the first removed {sorted(gone)} after it was taken over")
    other = other or two.end()
    if _ending(other) in ("refused", "taken over") and not lost:  # by the first, which was still at work
        other = run(second, _on_host("b", ""))
    return Trial(_wrong(first, whole, ended, other, False), _ending(ended))


class _Stopped:
    """The run on a host of its own, which stops before a call that changes the disk, unless it ends first.

    Attributes:
        stopped: whether it does.
    """

    def __init__(self, directory: Path, host: str, at: int) -> None:
        def before() -> None:
            _on_host(host, "")()
            Disk([directory.parent / "a" / "results", directory / "results"], at, STOP).install()

        self._directory, self._child = directory, start(directory, before)
        seen = os.waitid(os.P_PID, self._child, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert seen is not None
        self.stopped = seen.si_code == os.CLD_STOPPED

    def end(self) -> Ended:
        """Let it go on to its end."""
        os.kill(self._child, signal.SIGCONT)
        return finish(self._child, self._directory)

    def kill(self) -> None:
        os.kill(self._child, signal.SIGKILL)
        finish(self._child, self._directory)


def together(directory: Path, whole: Whole, error: str, hosts: int = 12) -> str | None:
    """The run begun by so many hosts at once, after one that is dead; None when one of them did it all."""
    first = fresh(directory / "0", whole.directory)
    (first / "results").mkdir()
    killed = start(first, _on_host("gone", error))
    while not list(first.glob("results/runs/.*.holder.json")):
        time.sleep(0.01)
    os.kill(killed, signal.SIGKILL)
    before = finish(killed, first).batches
    for path in first.glob("results/runs/.*.holder.json"):
        os.utime(path, (1, 1))
    places = [fresh(directory / str(number), whole.directory) for number in range(1, hosts + 1)]
    for place in places:
        (place / "results").symlink_to(first / "results")
    children = [start(place, _on_host(f"host-{number}", error)) for number, place in enumerate(places)]
    ended = [finish(child, place) for child, place in zip(children, places, strict=True)]
    for one in ended:
        refused = one.code == 2 and "another process is at work on run" in one.said
        if "Traceback" in one.said or not (refused or one.code == 0):
            return f"one ended with {one.code}: {one.said[-500:]}"
        if refused and one.batches:
            return "one was refused after it had begun"
    if (several := sum(one.batches > 0 for one in ended)) != 1:
        return f"{several} of {hosts} trained"
    trained = sum(one.batches for one in ended)
    if trained + before - BATCHES > INTERVAL:
        return f"{before} and then {trained} batches were trained"
    return None if outcome(first) == whole.left else "not the same"


def _ended(two: _Stopped, wrong: str) -> Trial:
    if two.stopped:
        two.kill()
    return Trial(wrong, "wrong")


def _tree(directory: Path) -> dict[str, bytes]:
    """What is there, by name, with its content."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in directory.rglob("*")}


def _refused(ended: Ended) -> bool:
    return "another process is at work on run" in ended.said


def _ending(one: Ended) -> str:
    if "was taken over by" in one.said:
        return "taken over"
    if _refused(one):
        return "refused"
    return "killed" if one.code == -signal.SIGKILL else "done"


def _wrong(directory: Path, whole: Whole, one: Ended, other: Ended, held: bool) -> str | None:
    if other.code != 0 or "Traceback" in other.said or "Warning" in other.said:
        return f"the second ended with {other.code}: {other.said[-500:]}"
    ending = _ending(one)
    if (
        "Traceback" in one.said
        or one.code != {"taken over": 2, "refused": 2, "killed": -signal.SIGKILL, "done": 0}[ending]
    ):
        return f"the first ended with {one.code}: {one.said[-500:]}"
    if held and ending in ("done", "refused"):
        return "the first went on though it was taken over"
    left = outcome(directory)
    if left != whole.left:
        return f"not the same: {[key for key in left if left[key] != whole.left[key]]}"
    (path,) = (path.parent for path in directory.glob("results/runs/*/run.json"))
    damaged = [finding for finding in verify(RunDirectory(path)) if finding.damage]
    locks_left = [beside.name for beside in path.parent.iterdir() if beside.name.endswith((".holder.json", ".claim"))]
    return f"damaged: {damaged}, left: {locks_left}" if damaged or locks_left else None


def _on_host(name: str, error: str) -> Callable[[], None]:
    """Puts a forked process on a host of that name; what is not called by C can be replaced in Python."""

    def before() -> None:
        import fcntl
        import socket

        def flock(handle: Any, how: int) -> None:
            if error:
                raise OSError(getattr(errno, error), os.strerror(getattr(errno, error)))

        fcntl.flock = flock
        socket.gethostname = lambda: name

    return before


def alone(directory: Path, whole: Whole, preloaded: Path, error: str) -> str | None:
    """The run in a process of its own with the library; None when all is as it should be, else what is not."""
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import two_hosts; two_hosts.small_run()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)],
        env=elsewhere(preloaded, "a", error),
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    if done.returncode != 0 or "Traceback" in said or "Warning" in said:
        return f"it ended with {done.returncode}: {said[-500:]}"
    return None if outcome(directory) == whole.left else "it left something else"


def small_run() -> None:
    """What `alone` starts."""
    sys.exit(_main(Path(sys.argv[1]), ()))
