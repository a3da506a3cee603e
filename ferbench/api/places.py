"""Where data and packs are, as Python users say it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path


def cache_directory(given: str | PathLike[str] | None) -> Path:
    """Where packed datasets are kept: as given, as ``FERBENCH_CACHE`` says, or in the user's cache directory."""
    if given is not None:
        return Path(given)
    if named := os.environ.get("FERBENCH_CACHE"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("ferbench"))


def data_places(data: str | PathLike[str] | Mapping[str, str | PathLike[str]] | Sequence[str] | None) -> list[str]:
    """Where datasets lie, as ``--data`` has it: a directory, directories by dataset, or texts such as ``NAME=DIR``."""
    if data is None:
        return []
    if isinstance(data, (str, PathLike)):
        text = os.fspath(data)
        return [str(Path(text).absolute()) if "=" in text else text]  # a directory, whatever it is called
    if isinstance(data, Mapping):
        return [f"{name}={os.fspath(place)}" for name, place in data.items()]
    return list(data)
