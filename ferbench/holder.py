"""Which process it is that holds something, and whether it lives."""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
from dataclasses import dataclass, fields
from pathlib import Path

from ferbench.bounded import Damaged, from_json


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock.

    Attributes:
        host: its name; empty where the process does not say who it is, as those of older releases do not.
        pid: on that host.
        since: when it took the lock, ISO 8601, so finely that no process does so twice.
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


def read_holder(content: bytes | None) -> Holder | None:
    """Whom a file names; None where it names nobody."""
    try:
        about = from_json(content or b"")
    except Damaged:
        return None
    if not isinstance(about, dict):
        return None
    host, pid, *more = (about.get(field.name) for field in fields(Holder))
    if not (isinstance(host, str) and host) or type(pid) is not int or not 0 < pid < 2**31:
        return None
    texts = [text for text in more if isinstance(text, str) and text]
    return Holder(host, pid, *texts) if len(texts) == len(more) else None


def this_process(since: str | None = None) -> Holder:
    """This process as a holder, since now or as given."""
    now = since or datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    return Holder(socket.gethostname() or "unnamed", os.getpid(), now, this_machine(), born(os.getpid()) or "unknown")


def this_machine() -> str:
    """Tells this host, its boot and its container from others."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with contextlib.suppress(OSError):  # a number means another process in another container
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return " ".join(parts)


def born(pid: int) -> str | None:
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
