"""The beginning of a process, most of which is imports.

What they make stays. Looking through it for garbage again and again takes a fifth of the time that they take.
"""

from __future__ import annotations

import atexit
import gc

_USUAL = gc.get_threshold()
_WHILE_IMPORTING = 100_000


def begin() -> None:
    """Look for garbage seldom until `done`; for the first line of a process of ferbench's own."""
    gc.set_threshold(_WHILE_IMPORTING, *_USUAL[1:])


def done() -> None:
    """Look for garbage as usual, but not in what has been imported until the process ends."""
    if gc.get_threshold()[0] == _WHILE_IMPORTING:
        gc.freeze()
        atexit.register(gc.unfreeze)  # extensions in C complain of what is still there in the end
        gc.set_threshold(*_USUAL)
