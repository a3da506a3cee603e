"""The packs of a cache: what they are of, how large they are, when they were last read; and their removal."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ferbench.bounded import Damaged
from ferbench.data.description import PackDescription, SourceDescription, read_description
from ferbench.data.images import IMAGES_FILE
from ferbench.data.pack_cache import directory_name, turn
from ferbench.errors import UserError
from ferbench.storage import remedy_for


@dataclass(frozen=True, slots=True)
class Kept:
    """One pack of a cache.

    Attributes:
        path: its directory, whose name is the pack's.
        datasets: names of the datasets that have become it; empty where no source of it is known any more.
        sources: the files that say so.
        rows: samples; None where its description is damaged.
        shape: (channels, height, width) of its images; None where that is damaged.
        bytes: of its files.
        used: when its images were last read as far as the file system notes it, else written; seconds since 1970.
    """

    path: Path
    datasets: tuple[str, ...]
    sources: tuple[Path, ...]
    rows: int | None
    shape: tuple[int, int, int] | None
    bytes: int
    used: float


def kept_packs(cache: Path) -> list[Kept]:
    """Every pack of a cache, the largest first; none where there is no cache.

    Raises:
        UserError: the cache cannot be read.
    """
    of: dict[str, list[tuple[str, Path]]] = {}
    for path in _entries(cache / "sources"):
        try:
            about = read_description(path, SourceDescription)
        except (OSError, Damaged):
            continue
        of.setdefault(directory_name(about.digest), []).append((about.dataset, path))
    packs = [_kept(path, of.get(path.name, [])) for path in _entries(cache / "packs") if not path.name.startswith(".")]
    return sorted(packs, key=lambda pack: (-pack.bytes, pack.path.name))


def _kept(path: Path, known: Iterable[tuple[str, Path]]) -> Kept:
    try:
        about = read_description(path / "pack.json", PackDescription)
        names, rows = {about.dataset}, about.rows
        channels, height, width = about.image_shape
        shape: tuple[int, int, int] | None = (channels, height, width)
    except (OSError, Damaged):
        names, rows, shape = set(), None, None
    files = [Path(parent, name) for parent, _, within in os.walk(path) for name in within]
    facts = [file.stat() for file in files if file.exists()]
    return Kept(
        path,
        tuple(sorted({name for name, _ in known} or names)),
        tuple(source for _, source in known),
        rows,
        shape,
        sum(fact.st_size for fact in facts),
        _last_read(path / IMAGES_FILE),
    )


def _last_read(images: Path) -> float:
    """Of the images: to list packs is to read their descriptions."""
    try:
        facts = images.stat()
    except OSError:
        return 0.0
    return max(facts.st_atime, facts.st_mtime)


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"cannot read {directory}: {error.strerror}", remedy_for(error)) from error


def remove_pack(cache: Path, pack: Kept) -> None:
    """Remove a pack and what says which source has become it. A run that has it open keeps reading it where the
    operating system keeps open files; it is packed anew when its dataset is used again.

    Raises:
        UserError: it cannot be removed.
    """
    try:
        with turn(cache, "publish"):
            hidden = pack.path.with_name(
                f".building-publish-{secrets.token_hex(6)}"
            )  # what a crash leaves, doctor clears
            for source in pack.sources:
                source.unlink(missing_ok=True)
            pack.path.replace(hidden)
        shutil.rmtree(hidden)
    except FileNotFoundError:  # somebody else has removed it
        return
    except OSError as error:
        raise UserError(f"{error.filename} cannot be removed: {error.strerror}", remedy_for(error)) from error
