"""The run on disks that really are full or read-only, where this process may make them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from disk import Disk
from injection import unclear
from small_run import BATCHES, Ended, Whole, finish, fresh, run, start, unlike

#: Of full disks, in KiB: from one that holds next to nothing to one that nearly holds the run.
SIZES = range(16, 257, 16)
#: Nobody: a user who may write nowhere.
_NOBODY = 65534


def full_disk(directory: Path, whole: Whole, kib: int) -> str | None:
    """The run on a tmpfs of that size, and again once it has become larger; None when all is as it should be."""
    fresh(directory, whole.directory)
    place = directory / "results"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(place)], check=True)
    try:
        ended = run(directory)
        if ended.code == 0:
            return "there was room enough"
        wrong = unclear(ended, directory)
        subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
        return wrong or _again(directory, whole, ended)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def read_only_disk(directory: Path, whole: Whole) -> str | None:
    """A killed run on a disk that is read-only when it is to go on, and again once it can be written."""
    fresh(directory, whole.directory)
    place = directory / "results"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], check=True)
    try:
        killed = run(directory, Disk([place], at=100).install)
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        ended = run(directory)
        wrong = unclear(ended, directory)
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        return wrong or _again(directory, whole, killed)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def forbidden_directory(directory: Path, whole: Whole) -> str | None:
    """The run by a user who may not write there, and again by one who may."""
    fresh(directory, whole.directory)
    (directory / "results").mkdir(mode=0o755)
    ended = finish(start(directory, lambda: os.setuid(_NOBODY)), directory)
    return unclear(ended, directory) or _again(directory, whole, ended)


def may_mount(directory: Path) -> bool:
    """Whether this process may mount a disk of its own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    place = directory / "mounted"
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(place)], capture_output=True)
    if done.returncode == 0:
        subprocess.run(["umount", str(place)], check=True)
    return done.returncode == 0


def _again(directory: Path, whole: Whole, before: Ended) -> str | None:
    ended = run(directory)
    if ended.code != 0:
        return f"it does not go on: exit code {ended.code}: {ended.said.strip().splitlines()[-1:]}"
    # A snapshot that did not fit leaves the one before it: an interval more at most.
    if before.batches + ended.batches - BATCHES > 2:
        return f"{before.batches + ended.batches - BATCHES} batches were trained again"
    wrong = unlike(directory, whole)
    return f"not the same: {', '.join(wrong)}" if wrong else None
