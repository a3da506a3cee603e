"""What the ids cover of a file or folder: its content, not where it lies."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from ferbench.errors import UserError

#: Of a folder; one with more is none that somebody meant to be read for an id.
MOST_FILES = 10_000


def content_digest(path: Path, what: str) -> str:
    """SHA-256 of a file's bytes, or of the names and bytes of a folder's files; hidden ones are left out.

    Args:
        path: of the file or folder.
        what: to call it in messages.

    Raises:
        UserError: it cannot be read, or the folder holds more than `MOST_FILES` files.
    """
    try:
        if path.is_file():
            return _file_digest(path)
        whole = hashlib.sha256()
        for file in sorted(_files(path, what)):
            whole.update(
                f"{_file_digest(file)} {file.relative_to(path).as_posix()}\n".encode("utf-8", "surrogateescape")
            )
        return whole.hexdigest()
    except OSError as error:
        raise UserError(
            f"cannot read {what} {path}: {error.strerror or error}", "name a file or folder that can be read"
        ) from error


def _files(folder: Path, what: str) -> list[Path]:
    paths: list[Path] = []
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [file for name in files if not name.startswith(".") and (file := Path(place, name)).is_file()]
        if len(paths) > MOST_FILES:
            raise UserError(
                f"{what} {folder} holds more than {MOST_FILES:,} files, and all of them would have to be read for the "
                "run's id",
                "name a file, or a folder with nothing else in it",
            )
    return paths


def _fail(error: OSError) -> None:
    raise error


def _file_digest(path: Path) -> str:
    facts = path.stat()
    return _digest_of(path.resolve(), facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=MOST_FILES)  # the cells of a grid share their weights
def _digest_of(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
