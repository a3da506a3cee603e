"""The cache of packed datasets: where it is, how large, and what in it is of no use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ferbench.bounded import Damaged
from ferbench.data.description import SourceDescription, read_description
from ferbench.data.images import DamagedPack
from ferbench.data.pack import open_pack
from ferbench.data.pack_cache import directory_name, is_built, stamp_of_building
from ferbench.doctor.finding import Finding, entries
from ferbench.doctor.left_locks import check_locks
from ferbench.errors import UserError
from ferbench.runs.listing import size_of
from ferbench.tables.table import size

#: A cache on a disk with less than this has no room for the pack of a large dataset.
_LEAST_ROOM = 1e9


def check_cache(cache: Path, *, deep: bool = False) -> Iterator[Finding]:
    """Look at every pack, and for what builders that crashed left behind.

    Args:
        cache: where packs are kept; there need be none.
        deep: compare every image with its hash, not some.
    """
    if not cache.is_dir():
        yield Finding("ok", f"cache {cache}: empty; datasets are packed when they are first used")
        return
    packs = [path for path in entries(cache / "packs") if not path.name.startswith(".")]
    room = shutil.disk_usage(cache).free
    what = f"cache {cache}: {len(packs)} packs, {size(size_of(cache))}; {size(room)} of room"
    if not os.access(cache, os.W_OK):
        yield Finding(
            "problem", f"{what}; it cannot be written", "correct the permissions, or name another with --cache"
        )
    elif room < _LEAST_ROOM:
        yield Finding(
            "problem", what, "free some space ('ferbench cache rm' removes packs), or name another with --cache"
        )
    else:
        yield Finding("ok", what)
    yield from check_locks(cache / "locks")
    known: dict[str, str] = {}
    for path in entries(cache / "sources"):
        try:
            about = read_description(path, SourceDescription)
        except OSError as error:
            yield Finding("note", f"{path} cannot be read: {error.strerror}")
        except Damaged as error:
            yield Finding("note", f"{path} is damaged: {error}", "nothing: it is made again when its dataset is used")
        else:
            known[directory_name(about.digest)] = about.dataset
    for path in packs:
        yield from _pack(path, known.get(path.name), deep)
    for left in entries(cache / "packs"):
        if left.name.startswith(".building-"):
            yield from _half_pack(cache, left)


def _pack(path: Path, dataset: str | None, deep: bool) -> Iterator[Finding]:
    """What is to be said of one pack; ``dataset`` is what has become it, where that is known."""
    try:
        pack = open_pack(path)
        if directory_name(pack.digest) != path.name:
            raise DamagedPack(path, "it is another one than its name says")
        if deep:
            pack.check()
    except DamagedPack as error:
        if dataset is None:
            remedy = f"remove {path}: no dataset that is known has become it"
        else:
            remedy = f"nothing: it is built again when '{dataset}' is used; where its files are gone, get them again"
        yield Finding("problem", error.message, remedy)
    except UserError as error:
        yield Finding("problem", error.message, error.remedy)
    else:
        if deep:
            of = "" if dataset is None else f" of {dataset}"
            yield Finding("ok", f"pack {path.name}{of}: all {len(pack):,} images are what was packed")
        if dataset is None:
            what = f"pack {path.name} ({size(size_of(path))}) belongs to no dataset that is known"
            yield Finding("note", what, f"'ferbench cache rm {path.name}' if you need the room; it would be made again")


def _half_pack(cache: Path, left: Path) -> Iterator[Finding]:
    built = is_built(cache, stamp_of_building(left))
    if built is None:
        what = f"{left} ({size(size_of(left))}) is another user's, who alone can tell whether it is of any use"
        yield Finding("note", what, "ask them to run 'ferbench doctor --fix'")
    elif not built:
        what = f"{left} ({size(size_of(left))}) was left behind by a process that crashed while packing"
        yield Finding("problem", what, "'ferbench doctor --fix' removes it", partial(_remove, cache, left))


def _remove(cache: Path, left: Path) -> None:
    if is_built(cache, stamp_of_building(left)) is False:
        shutil.rmtree(left)
