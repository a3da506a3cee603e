"""Output in whatever encoding a terminal or pipe has: what it lacks is replaced, and never ends a command."""

from __future__ import annotations

import codecs
import sys

_NAME = "ferbench-replace"

#: Signs of ours that many encodings lack, by what reads the same; as wide as they are, so that tables stay tables.
_ALIKE = {"−": "-", "–": "-", "—": "-", "→": ">", "×": "x", "·": ".", "…": ".", "±": "~", "≤": "<", "≥": ">", "’": "'"}

_lost: set[str] = set()


def prepare_streams() -> None:
    """Let stdout and stderr replace what their encoding lacks; ASCII, which nobody chooses, becomes UTF-8."""
    _lost.clear()
    codecs.register_error(_NAME, _replaced)
    for stream in (sys.stdout, sys.stderr):
        change = getattr(stream, "reconfigure", None)  # a stream may be closed, or another's
        if change is None:
            continue
        if codecs.lookup(stream.encoding).name == "ascii":
            change(encoding="utf-8", errors=_NAME)
        elif stream.errors != "surrogateescape":  # which loses nothing
            change(errors=_NAME)


def note_lost() -> None:
    """Say so where characters were replaced by question marks."""
    if _lost:
        print(
            f"note: {len(_lost)} characters that the encoding of the output lacks are printed as '?'; "
            "PYTHONIOENCODING=utf-8 keeps them",
            file=sys.stderr,
        )


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    _lost.update(set(lacking) - set(_ALIKE))
    return "".join(_ALIKE.get(one, "?") for one in lacking), error.end
