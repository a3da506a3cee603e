"""What to say of files that are not the dataset they are taken for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ferbench import UserError

_SHOWN = 8


def directory_of(path: Path | None, dataset: str, remedy: str) -> Path:
    """The directory that ``--data`` names.

    Raises:
        UserError: none was named, or it is not there.
    """
    if path is None:
        raise UserError(f"dataset '{dataset}' needs its files", remedy)
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path} is not a directory" if path.exists() else f"{path} does not exist", remedy)
    return path


def no_such_layout(dataset: str, path: Path, expected: str, remedy: str) -> UserError:
    """The error for a directory that holds none of a dataset's layouts: what was expected and what is there."""
    present = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in path.iterdir())
    return UserError(f"no {dataset} in {path}: looked for {expected}; found {listed(present, 'nothing')}", remedy)


def listed(names: Sequence[str], none: str) -> str:
    """The first few names and how many more there are; ``none`` where there is none."""
    if not names:
        return none
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
