"""What the user has said here before, in commands, recipes and calls of their own.

Values are kept as digests, in a folder of the user's own cache directory that nobody else may write into: what lies in
a results directory, or in a cache that several share, cannot add to them.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Any

from ferbench.ids import digest


def remember(*said: Any) -> None:
    """Keep that the user has said these plain values together. Where nothing can be written, it is asked for again."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        place = _place(said)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not place.exists():
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600))


def is_known(*said: Any) -> bool:
    """Whether the user has said these plain values together."""
    try:
        place = _place(said)
        return _is_own(place.parent) and stat.S_ISREG(place.lstat().st_mode)
    except (OSError, ValueError, TypeError):
        return False


def _place(said: tuple[Any, ...]) -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("ferbench"), "said", digest(list(said)).partition(":")[2])


def _is_own(folder: Path) -> bool:
    if os.name == "nt":
        return True
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
