"""Text that somebody else wrote, in a message."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor movement
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # window titles, hyperlinks
    r"|\x1b[ -/]*[0-~]"
)


def one_line(text: str) -> str:
    """``text`` in one line, without terminal escapes, control characters and invisible marks."""
    plain = _ESCAPES.sub("", text)
    return " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in plain).split())


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``"did you mean 'x'? "`` for the choice nearest to ``word``, or nothing."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean '{by_lower[near[0]]}'? " if near else ""


def number_of(count: int, thing: str) -> str:
    """``1 run``, ``2,000 runs``."""
    return f"1 {thing}" if count == 1 else f"{count:,} {thing}s"


def few_of(names: Iterable[str], most: int = 5) -> str:
    """Names, each once, with commas between them; of over ``most`` the first, and a count: ``a, b, 7 more``."""
    every = list(dict.fromkeys(names))
    if len(every) > most:
        every[most - 1 :] = [f"{len(every) - most + 1:,} more"]
    return ", ".join(every)
