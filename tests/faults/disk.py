"""The calls of a process that change the disk below some directories: counted, and one of them made to fail.

Python's own file objects write in C, where nobody can look. Below the watched directories files are opened with
``_pyio`` instead, the same in Python, which does everything by the functions of ``os`` that are watched here.
"""

from __future__ import annotations

import _pyio
import builtins
import errno
import io
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: How a process ends that is killed at a call.
KILLED = 77

#: The process stops before a call, until somebody has it go on.
STOP = "stop"

#: What happens at a call: the process ends (half of what a write was to write is on disk then), the call fails once,
#: or it and all later ones fail, as on a disk that stays full or read-only.
FAULTS = ("exit", "ENOSPC", "EACCES", "ENOSPC from then on", "EACCES from then on")

_BY_PATH = ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "link", "symlink", "truncate", "chmod", "utime")
_BY_HANDLE = ("write", "pwrite", "writev", "fsync", "fdatasync", "ftruncate", "fchmod", "sendfile", "copy_file_range")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: What a full disk still does.
_NEEDS_NO_ROOM = ("unlink", "remove", "rmdir")


def _nothing() -> None:
    """What most calls leave when they fail."""


@dataclass
class Disk:
    """Watches ``below``; with ``at``, call number ``at`` (from 1) has the ``fault``: one of `FAULTS`, or `STOP`.

    Attributes:
        count: calls so far.
        log: a file that each call is written to, name and path.
    """

    below: Sequence[Path]
    at: int = 0
    fault: str = "exit"
    count: int = 0
    log: Path | None = None

    def install(self) -> None:
        """Watch this process from now on; for a process that ends with the run."""
        self._roots = tuple(f"{Path(root).resolve()}{os.sep}" for root in self.below)
        self._real = {name: getattr(os, name) for name in ("open", *_BY_PATH, *_BY_HANDLE) if hasattr(os, name)}
        for name in _BY_PATH:
            setattr(os, name, self._watch_path(name))
        for name in _BY_HANDLE:
            if name in self._real:
                setattr(os, name, self._watch_handle(name))
        real_open, real_os_open = io.open, os.open
        self._log = None if self.log is None else os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

        def os_open(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            where = self._place(path, named.get("dir_fd"))
            if flags & _WRITES and where:
                self._reached("open", where)
            return real_os_open(path, flags, *rest, **named)

        def open_in_python(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            watched = set(mode) & set("wax+") and self._place(file)
            return (_pyio.open if watched else real_open)(file, mode, *rest, **named)

        os.open = os_open
        io.open = builtins.open = open_in_python  # type: ignore[assignment]

    def _watch_path(self, name: str) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **named: Any) -> Any:
            where = self._place(path, named.get("dir_fd"))
            if where and not (name == "mkdir" and os.path.isdir(where)):  # noqa: PTH112 - which changes nothing
                self._reached(name, where)
            return self._real[name](path, *rest, **named)

        return call

    def _watch_handle(self, name: str) -> Callable[..., Any]:
        def call(handle: int, *rest: Any, **named: Any) -> Any:
            where = self._place(handle)
            if where:
                written = rest[0] if name == "write" else b""
                half = (lambda: self._real["write"](handle, written[: len(written) // 2])) if written else _nothing
                self._reached(name, where, half)
            return self._real[name](handle, *rest, **named)

        return call

    def _place(self, path: Any, directory: int | None = None) -> str:
        """The path where it is watched, else an empty text."""
        if isinstance(path, int):
            try:
                where = os.readlink(f"/proc/self/fd/{path}")  # noqa: PTH115 - Path.readlink is no faster
            except OSError:
                return ""
        else:
            where = os.fsdecode(path)
            if directory is not None:
                where = os.path.join(os.readlink(f"/proc/self/fd/{directory}"), where)  # noqa: PTH115, PTH118
            where = os.path.abspath(where)  # noqa: PTH100 - a link's target is somebody else's place
        return where if where.startswith(self._roots) else ""

    def _reached(self, name: str, where: str, half: Callable[[], object] = _nothing) -> None:
        self.count += 1
        if self._log is not None:
            self._real["write"](self._log, f"{name} {where}\n".encode())
        later = self.count > self.at
        if not self.at or self.count < self.at or (later and not self.fault.endswith("from then on")):
            return
        if self.fault == STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if self.fault == "exit":
            half()
            os._exit(KILLED)
        if later and self.fault.startswith("ENOSPC") and name in _NEEDS_NO_ROOM:
            return
        number = getattr(errno, self.fault.split()[0])
        if number == errno.ENOSPC:
            half()
        raise OSError(number, os.strerror(number), where)
