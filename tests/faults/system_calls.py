"""What the system sees of a run, held against the calls that `disk.Disk` watches."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

_CHANGING = (
    "open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,"
    "rmdir,link,linkat,symlink,symlinkat,truncate,ftruncate,fallocate,fsync,fdatasync,chmod,fchmod,fchmodat,utimensat,"
    "sendfile,copy_file_range,splice,mknod,mknodat"
)
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
#: What the calls of the system are called by their users.
_NAMES = {
    "openat": "open",
    "renameat": "replace",
    "renameat2": "replace",
    "rename": "replace",
    "unlinkat": "unlink",
    "linkat": "link",
    "utimensat": "utime",
    "mkdirat": "mkdir",
    "pwrite64": "pwrite",
    "remove": "unlink",
}


def may_trace() -> bool:
    """Whether strace is there and may be used."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True).returncode == 0


def unwatched(directory: Path) -> tuple[int, list[str]]:
    """Run in ``directory`` from an empty cache under strace.

    Returns:
        How many calls of the system changed the disk below it, and those that `disk.Disk` did not see.
    """
    directory.mkdir(parents=True)
    trace, log = directory / "trace.txt", directory / "calls.txt"
    python = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import system_calls as s; s.watched_run()"
    )
    command = ["strace", "-f", "-y", "-qq", "--seccomp-bpf", "-s", "0", "-e", f"trace={_CHANGING}", "-o", str(trace)]
    done = subprocess.run([*command, sys.executable, "-c", python, str(directory), str(log)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    seen = Counter(_called(name, path) for name, _, path in (line.partition(" ") for line in _lines(log)))
    happened = Counter(call for call in map(_system_call, _lines(trace)) if call is not None)
    happened = Counter(
        {
            call: n
            for call, n in happened.items()
            if call[1].startswith((f"{directory}/results/", f"{directory}/cache/"))
        }
    )
    missing = happened - seen
    return happened.total(), [f"{n} × {name} {path}" for (name, path), n in missing.items()]


def watched_run() -> None:
    """What the traced process does."""
    from disk import Disk
    from small_run import _main

    directory, log = Path(sys.argv[1]), Path(sys.argv[2])
    Disk([directory / "results", directory / "cache"], log=log).install()
    sys.exit(_main(directory, ("--quiet",)))


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()


def _called(name: str, path: str) -> tuple[str, str]:
    return _NAMES.get(name, name), path


def _system_call(line: str) -> tuple[str, str] | None:
    """Name and path of a call that did change something; None for all others."""
    found = re.match(r"(?:\d+\s+)?(\w+)\((.*?)\)?\s+= (-?\d+)", line)
    if found is None or found[3].startswith("-"):
        return None
    name, arguments = _NAMES.get(found[1], found[1]), found[2]
    if name == "open" and not _WRITES.search(arguments):
        return None
    handle = re.match(r"(?:AT_FDCWD|\d+)<([^>]*)>(?:, \"([^\"]*)\")?", arguments)
    if handle is None:
        plain = re.match(r"\"([^\"]*)\"", arguments)
        return (name, plain[1]) if plain else None
    return name, str(Path(handle[1], handle[2])) if handle[2] else handle[1]
