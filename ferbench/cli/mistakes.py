"""What a user gave that no file system and no number can be, wherever it is found out."""

from __future__ import annotations

import errno
import os
import re

from ferbench.errors import UserError, is_out_of_memory, out_of_memory

_LONGEST_WORD = 256


def mistake_of(error: OSError | ValueError | RuntimeError | MemoryError) -> UserError | None:
    """The mistake behind an error of the system or of Python; None where there is none behind it."""
    if is_out_of_memory(error):
        return out_of_memory(error)
    if isinstance(error, OSError):
        if error.errno != errno.ENAMETOOLONG or error.filename is None:
            return None
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
        return UserError(f"'{name}' is too long for the name of a file", "give a shorter name or path")
    message = str(error)
    if isinstance(error, MemoryError):
        what = f": {message}" if message else ""
        return UserError(f"there is not enough memory{what}", "ask for fewer or smaller images, or a smaller model")
    if message.startswith("embedded null"):  # byte or character
        return UserError("a path holds the character of code 0, which no file's name can", "leave it out")
    if message == "Could not determine home directory.":  # `Path.expanduser` says no more
        return UserError("a path begins with '~' and a name that no user has", "write the path in full")
    if message.startswith("Exceeds the limit"):
        return UserError("a number has thousands of digits", "give a number that a computer reckons with")
    return None


def shortened(text: str) -> str:
    """The text with what nobody can have meant as one word cut in the middle."""
    return re.sub(rf"\S{{{_LONGEST_WORD + 1},}}", lambda match: f"{match[0][:80]}…{match[0][-40:]}", text)
