"""One writer for a run directory.

Beside a run's directory lie ``.<run>.lock``, which the operating system locks and gives back when the process ends,
and ``.<run>.holder.json``, which says who that process is. The second is for people, and for file systems where one
host does not see another's locks: its time is renewed while its process lives, and as long as it is fresh it counts.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory
from ferbench.storage import replace_json, writing

#: Seconds between two renewals of a holder's file, and after which the holder on another host counts as gone.
RENEWAL, LEASE = 15.0, 120.0

#: Seconds in which a lock that is only looked at, or whose holder has yet to say who it is, is tried again.
_PATIENCE = 0.5


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that is at work on a run.

    Attributes:
        host: its name; empty where the process does not say who it is, as those of older releases do not.
        pid: on that host.
        since: when it took the run, ISO 8601.
        machine: tells hosts of one name, their boots and their containers apart.
        born: when the process was started, in a unit of that machine: a number that is used again is not the process.
    """

    host: str = ""
    pid: int = 0
    since: str = ""
    machine: str = ""
    born: str = ""

    def __str__(self) -> str:
        if not self.host:
            return "a process that does not say who it is"
        return f"{self.host} pid {self.pid} since {self.since[:19].replace('T', ' ')} UTC"


class AtWork(UserError):
    """Another process is at work on a run."""


@contextlib.contextmanager
def only_writer(directory: RunDirectory, *, to_remove: bool = False) -> Iterator[None]:
    """Keep other processes off a run directory; what a dead process left behind is taken over.

    Args:
        directory: of the run.
        to_remove: nothing is written into it, so that it may have symbolic links in it.

    Raises:
        AtWork: another process holds it (named within a second).
        UserError: the results directory cannot be written, or the run directory has symbolic links, through which
            writing would leave it.
    """
    parent = directory.path.parent
    _refuse_links(directory, inside=not to_remove)
    with writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(lock_path(directory), timeout=0)
        other = _take(directory, lock)
        if other is not None:
            raise AtWork(
                f"another process is at work on run {directory.path.name}: {other}",
                "wait for it, or stop it, and try again",
            )
    ended = threading.Event()
    try:
        replace_json(holder_path(directory), asdict(_this_process()))
        threading.Thread(target=_renew, args=(holder_path(directory), ended), daemon=True).start()
        yield
    except BaseException:
        if not directory.path.exists():  # a run that was refused before it began leaves nothing behind
            with contextlib.suppress(OSError):
                lock_path(directory).unlink(missing_ok=True)
        raise
    finally:
        ended.set()
        with contextlib.suppress(OSError):  # what stays behind is seen to be of a process that is gone
            holder_path(directory).unlink(missing_ok=True)
        lock.release()


def at_work(directory: RunDirectory) -> Holder | None:
    """The process that holds a run directory; None when nobody does. The directory may be somebody else's."""
    holder = _read_holder(directory)
    path = lock_path(directory)
    if path.exists():
        lock = filelock.FileLock(path, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            return holder if holder is not None and _may_live(directory, holder) else Holder()
        except OSError:  # somebody else's results: what the holder says must do
            pass
        else:
            lock.release()
    return holder if holder is not None and _may_live(directory, holder) else None


def is_held(directory: RunDirectory) -> bool:
    """Whether a process is at work on a run directory."""
    return at_work(directory) is not None


def lock_path(directory: RunDirectory) -> Path:
    """The file that the operating system locks."""
    return directory.path.parent / f".{directory.path.name}.lock"


def holder_path(directory: RunDirectory) -> Path:
    """The file that says who holds the lock."""
    return directory.path.parent / f".{directory.path.name}.holder.json"


def _refuse_links(directory: RunDirectory, *, inside: bool) -> None:
    """Refuse to write where symbolic links lead elsewhere; ``results`` itself may be one."""
    path = directory.path
    below = (Path(parent, name) for parent, folders, files in os.walk(path) for name in (*folders, *files))
    for entry in (path.parent, path, *(below if inside else ())):
        if entry.is_symlink():
            raise UserError(
                f"{entry} is a symbolic link, and ferbench writes nothing outside the results directory",
                "put what it leads to in its place, or name that place with --results",
            )


def _take(directory: RunDirectory, lock: filelock.BaseFileLock) -> Holder | None:
    """Acquire the lock; the holder where that cannot be."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            lock.acquire()
        except filelock.Timeout:
            holder = _read_holder(directory)
            alive = holder is not None and _may_live(directory, holder)
            if not alive and time.monotonic() < end:
                time.sleep(0.05)
                continue
            return holder if alive else Holder()
        holder = _read_holder(directory)
        if holder is None or holder == _this_process(holder.since) or not _may_live(directory, holder):
            return None
        lock.release()
        return holder


def _renew(path: Path, ended: threading.Event) -> None:
    while not ended.wait(RENEWAL):
        with contextlib.suppress(OSError):
            os.utime(path)


def _read_holder(directory: RunDirectory) -> Holder | None:
    try:
        holder = Holder(**json.loads(holder_path(directory).read_text(encoding="utf-8")))
        texts = [str(text) for text in (holder.host, holder.since, holder.machine, holder.born)]
        return Holder(texts[0], int(holder.pid), *texts[1:]) if all(texts) else None
    except (OSError, ValueError, TypeError):
        return None


def _may_live(directory: RunDirectory, holder: Holder) -> bool:
    """Whether a holder may still be at work: certain on this machine, elsewhere while its file is fresh."""
    if holder.machine == _machine():
        return _born(holder.pid) == holder.born
    try:
        renewed = holder_path(directory).stat().st_mtime
    except OSError:
        return False
    return _clock(directory) - renewed < LEASE


def _clock(directory: RunDirectory) -> float:
    """The time that the file system gives to what is written now, which on another host's disk is that host's."""
    try:
        os.utime(lock_path(directory))
        return lock_path(directory).stat().st_mtime
    except OSError:
        return time.time()


def _this_process(since: str | None = None) -> Holder:
    now = since or datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Holder(socket.gethostname() or "unnamed", os.getpid(), now, _machine(), _born(os.getpid()) or "")


def _machine() -> str:
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with contextlib.suppress(OSError):  # a number means another process in another container
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return " ".join(parts)


def _born(pid: int) -> str | None:
    """When a process of this machine was started; None when there is none of that number, or only its corpse."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    else:
        state, *rest = text.rpartition(")")[2].split()  # the name before it may have blanks and brackets
        return None if state in "ZX" else f"{rest[18]} ticks"
    import psutil  # type: ignore[import-untyped]

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.0f} s"
    except psutil.Error:
        return None
