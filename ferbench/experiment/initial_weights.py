"""What the ids cover of initial weights: their content, not where they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.plugin.specs import InitialWeights

_BLOCK = 1 << 20


def identify_weights(marked: InitialWeights, value: Any, options: Mapping[str, Any]) -> Any:
    """What stands in the ids for the value of an option that names initial weights.

    Args:
        marked: the option's annotation.
        value: the option's value.
        options: every option of the component.

    Returns:
        ``sha256:…`` of the file or folder that ``value`` is the path of; else what ``marked.identify`` says, or the
        value.

    Raises:
        UserError: the file or folder cannot be read.
    """
    if not isinstance(value, str):
        return value
    path = Path(value).expanduser()
    if value in marked.names or not path.exists():
        return value if marked.identify is None else marked.identify(value, options)
    return f"sha256:{content_digest(path)}"


def content_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of the names and bytes of a folder's files; hidden ones are left out.

    Raises:
        UserError: it cannot be read.
    """
    try:
        if path.is_file():
            return _file_digest(path)
        whole = hashlib.sha256()
        for file in _files(path):
            whole.update(f"{_file_digest(file)} {file.relative_to(path).as_posix()}\n".encode())
        return whole.hexdigest()
    except OSError as error:
        raise UserError(
            f"cannot read initial weights {path}: {error.strerror or error}", "name a file or folder that can be read"
        ) from error


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not hidden:
            yield file


def _file_digest(path: Path) -> str:
    facts = path.stat()
    return _digest_of(path.resolve(), facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)  # the cells of a grid share their weights
def _digest_of(path: Path, size: int, changed: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
