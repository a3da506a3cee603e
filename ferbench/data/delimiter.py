"""The first line of a CSV file that somebody wrote: what stands between its fields, and the names of its columns."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.errors import UserError


def delimiter(header: str) -> str:
    """A comma, unless more semicolons or tabs stand in the line with the names of the columns."""
    return max(",;\t", key=header.count)


def refuse_repeated(names: Sequence[str], where: str) -> None:
    """Refuse columns of which one name is there twice: which of them counts would be a guess. Nameless ones may be.

    Args:
        names: as they are looked for, so without blanks around them where those do not count.
        where: the file, as messages begin.

    Raises:
        UserError: there are such columns.
    """
    twice = next((name for place, name in enumerate(names) if name and name in names[:place]), None)
    if twice is not None:
        raise UserError(f"{where}: column '{twice}' is there twice", "remove one of them, or give it another name")
