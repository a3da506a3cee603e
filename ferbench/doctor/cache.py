"""The cache of packed datasets: where it is, how large, and what in it is of no use."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ferbench.data.pack import open_pack
from ferbench.data.pack_cache import directory_name, lock_path
from ferbench.doctor.finding import Finding, entries
from ferbench.doctor.left_locks import check_locks
from ferbench.errors import UserError
from ferbench.locks import holder_of
from ferbench.runs.listing import size_of
from ferbench.tables.table import size

#: A cache on a disk with less than this has no room for the pack of a large dataset.
_LEAST_ROOM = 1e9


def check_cache(cache: Path) -> Iterator[Finding]:
    """Look at every pack, and for what builders that crashed left behind."""
    if not cache.is_dir():
        yield Finding("ok", f"cache {cache}: empty; datasets are packed when they are first used")
        return
    packs = [path for path in entries(cache / "packs") if not path.name.startswith(".") and path.is_dir()]
    room = shutil.disk_usage(cache).free
    what = f"cache {cache}: {len(packs)} packs, {size(size_of(cache))}; {size(room)} of room"
    if not os.access(cache, os.W_OK):
        yield Finding(
            "problem", f"{what}; it cannot be written", "correct the permissions, or name another with --cache"
        )
    elif room < _LEAST_ROOM:
        yield Finding("problem", what, "free some space, remove packs that are not used, or name another with --cache")
    else:
        yield Finding("ok", what)
    yield from check_locks(cache / "locks")
    known = set(_known(cache))
    for path in packs:
        try:
            open_pack(path)
        except UserError as error:
            yield Finding("problem", error.message, error.remedy)
            continue
        if path.name not in known:
            what = f"pack {path.name} ({size(size_of(path))}) belongs to no dataset that is known"
            yield Finding("note", what, f"remove {path} if you need the room; it would be made again")
    for left in entries(cache / "packs"):
        if left.name.startswith(".building-") and not _is_built(cache, left):
            what = f"{left} ({size(size_of(left))}) was left behind by a process that crashed while packing"
            yield Finding("problem", what, "'ferbench doctor --fix' removes it", partial(_remove, cache, left))


def _known(cache: Path) -> Iterator[str]:
    """Names of the packs that sources have become."""
    for path in entries(cache / "sources"):
        try:
            yield directory_name(json.loads(path.read_bytes())["digest"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue


def _is_built(cache: Path, left: Path) -> bool:
    """Whether a process is at work in a ``.building-<stamp>-…`` directory."""
    return holder_of(lock_path(cache, left.name.split("-")[1])) is not None


def _remove(cache: Path, left: Path) -> None:
    if not _is_built(cache, left):
        shutil.rmtree(left)
