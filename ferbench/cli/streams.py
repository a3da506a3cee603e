"""Output in whatever encoding a terminal or pipe has: what it lacks is replaced, and never ends a command."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata

from ferbench import display

_NAME = "ferbench-replace"

#: Signs of ours that many encodings lack, by what reads the same; as wide as they are, so that tables stay tables.
_ALIKE = {"−": "-", "–": "-", "—": "-", "→": ">", "×": "x", "·": ".", "…": ".", "±": "~", "≤": "<", "≥": ">", "’": "'"}

_lost: set[str] = set()


def prepare_streams() -> None:
    """Let stdout and stderr replace what their encoding lacks; ASCII, which nobody chooses, becomes UTF-8.

    Whoever watches them may go away: see `ferbench.display`.
    """
    _lost.clear()
    display.watch()
    codecs.register_error(_NAME, _replaced)
    for stream in (sys.stdout, sys.stderr):
        change = getattr(stream, "reconfigure", None)  # a stream may be closed, or another's
        if change is None:
            continue
        encoding = codecs.lookup(stream.encoding).name
        if encoding == "ascii":
            change(encoding="utf-8", errors=_NAME)
        elif (encoding, stream.errors) != ("utf-8", "surrogateescape"):  # which loses nothing
            change(errors=_NAME)


def is_live_terminal() -> bool:
    """Whether stderr is a terminal in which lines can be drawn over: pipes, files and dumb terminals are none, nor is
    the output of a notebook's cell, which seems to be a terminal and does not move its cursor up."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and "JPY_PARENT_PID" not in os.environ


def note_lost() -> None:
    """Say so where characters were replaced by question marks."""
    if _lost:
        print(
            "note: what the encoding of the output lacks is printed as '?'; PYTHONIOENCODING=utf-8 keeps it",
            file=sys.stderr,
        )


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    # Bytes of a path that are no text come as surrogates, which no encoding has.
    _lost.update(
        character for character in lacking if character not in _ALIKE and unicodedata.category(character) != "Cs"
    )
    return "".join(_ALIKE.get(character, "?") for character in lacking), error.end
