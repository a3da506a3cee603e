"""What stands between the fields of a CSV file that somebody wrote."""

from __future__ import annotations


def delimiter(header: str) -> str:
    """A comma, unless more semicolons or tabs stand in the line with the names of the columns."""
    return max(",;\t", key=header.count)
