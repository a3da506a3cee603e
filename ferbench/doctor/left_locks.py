"""What dead processes left of their locks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ferbench.doctor.finding import Finding, entries
from ferbench.locks import LEASE, Held, holder_of, holder_path, holding, is_claim, lock_of
from ferbench.staging import staging_path

_FIX = "'ferbench doctor --fix' removes it"


def check_locks(place: Path) -> Iterator[Finding]:
    """Look for holders that are gone, and what processes left that died while they took a lock over."""
    for path in [] if place.is_symlink() else entries(place):  # nothing is changed through a link
        lock = lock_of(path)
        if lock is None or path == lock:
            continue
        if is_claim(path):
            if _is_old(path):
                what = f"{path} was left behind by a process that died while it took a lock over"
                yield Finding("problem", what, _FIX, partial(path.unlink, missing_ok=True))
        elif path == holder_path(lock) and holder_of(lock) is None:
            yield Finding("problem", f"{path}: the process that it names is gone", _FIX, partial(_give_up, lock))
        elif path == staging_path(lock) and not holder_path(lock).exists() and _is_old(path):
            what = f"{path} was left behind by a process that died while it took a lock, or gave it up"
            yield Finding("problem", what, _FIX, partial(_give_up, lock))


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > LEASE
    except OSError:
        return False


def _give_up(lock: Path) -> None:
    """Take over from the dead, and leave no holder, and nothing of their staging."""
    with contextlib.suppress(Held), holding(lock, lock.name, guarded=staging_path(lock), frees=True):
        pass
