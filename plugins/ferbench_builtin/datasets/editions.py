"""Editions of a dataset that have unlike classes: with and without contempt, with and without neutral."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ferbench import UserError, expressions

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def with_contempt(found: bool, asked: bool | None, name: str, path: Path) -> bool:
    """Whether contempt is among the classes.

    Args:
        found: the copy has images of it.
        asked: as the option says; None: as the copy has it.
        name: of the dataset.
        path: of the copy.

    Raises:
        UserError: it is asked for, and is not there.
    """
    if asked and not found:
        raise UserError(
            f"{path} holds an edition of {name} without contempt",
            "leave dataset.contempt out, or name the directory of the other edition",
        )
    return found if asked is None else asked


def edition_of(classes: Sequence[str]) -> str:
    """``seven classes, without contempt``."""
    lacking = [name for name in expressions.EXPRESSIONS if name not in classes]
    counted = f"{_WORDS[len(classes)]} classes"
    return f"{counted}, without {' and '.join(lacking)}" if lacking else counted
