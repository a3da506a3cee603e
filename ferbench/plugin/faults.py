"""What is said of a broken plugin: one plain line."""

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
_LONGEST_CAUSE = 400


class PluginFault(Exception):
    """What a plugin did wrong, in one line."""


def one_line(text: str) -> str:
    """``text`` in one line, without terminal escapes, control characters and invisible marks."""
    plain = _ESCAPES.sub("", text)
    return " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in plain).split())


def describe(error: BaseException, own_module: str = "") -> str:
    """The cause of a failed import or hook in one line.

    Args:
        error: what was raised.
        own_module: the module that was to be imported; any other missing module is a missing dependency.
    """
    if isinstance(error, PluginFault):
        return one_line(str(error))
    if isinstance(error, SystemExit):
        return one_line(f"it ends the program when loaded: SystemExit({error.code!r})")
    if isinstance(error, ModuleNotFoundError) and error.name and not _contains(error.name, own_module):
        return one_line(f"missing dependency: no module named '{error.name}'")
    try:
        text = one_line(str(error))
    except Exception:  # a __str__ that raises must not take the listing down
        text = ""
    if len(text) > _LONGEST_CAUSE:
        text = text[: _LONGEST_CAUSE - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``"did you mean 'x'? "`` for the choice nearest to ``word``, or nothing."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean '{by_lower[near[0]]}'? " if near else ""


def _contains(missing: str, own_module: str) -> bool:
    return own_module == missing or own_module.startswith(missing + ".")
