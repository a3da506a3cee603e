"""Settings as people read and write them: one value, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ferbench.ids import VERSION, digest

_LONGEST = 40
_BARE = re.compile(r"[^\s,\"'\[\]{}=]+")
_WORDS = {"true", "false", "none"}


def text(value: Any) -> str:
    """A value as it is written on a command line: ``true``, ``none``, ``0.001``, ``[happy,sad]``. Text that could be
    taken for something else, or would break a list or a line, stands in quotes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(text, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{text(str(key))}={text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    return repr(value)


def shortened(value: Any, others: Iterable[Any] | None = None, *, always_text: bool = False) -> str:
    """`text`, a long one without its middle, but still unlike the texts of all ``others`` that are unlike it.

    Args:
        value: to be shown.
        others: what it is shown among; None: not known, so that a digest of the whole stands beside what is cut.
        always_text: it can be nothing but text, such as a version: ``0.10`` needs no quotes.
    """
    whole = value if always_text and isinstance(value, str) and _is_word(value) else text(value)
    cut = _cut(whole)
    if cut == whole:
        return whole
    beside = set() if others is None else {text(other) for other in others} - {whole, text(value)}
    if others is not None and cut not in beside | set(map(_cut, beside)):
        return cut
    return f"{cut} ({digest(whole).removeprefix(VERSION)[:6]})"


def _cut(whole: str) -> str:
    half = _LONGEST // 2
    return whole if len(whole) <= _LONGEST else f"{whole[:half]}…{whole[1 - half :]}"


def _is_word(value: str) -> bool:
    return _BARE.fullmatch(value) is not None and value.isprintable()


def _is_plain(value: str) -> bool:
    """Text that is taken for nothing but itself."""
    if not _is_word(value) or value.lower() in _WORDS:
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _quoted(value: str) -> str:
    """In quotes; what is invisible, or a second blank, is written as an escape."""
    letters = (f"\\{c}" if c in '"\\' else c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return '"' + "".join(letters).replace("  ", " \\x20") + '"'
