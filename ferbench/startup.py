"""The beginning of a process, most of which is imports.

What they make stays. Looking through it for garbage again and again takes a fifth of the time that they take.
"""

from __future__ import annotations

import atexit
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

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


class _Announcer(MetaPathFinder):
    """Shows on the terminal that torch is being imported, while it is: that takes seconds, on a busy machine many."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def announced(module: ModuleType) -> None:
                with _shown("loading PyTorch…"):
                    execute(module)

            spec.loader.exec_module = announced  # type: ignore[method-assign]
        return spec


@contextmanager
def _shown(text: str) -> Iterator[None]:
    sys.stderr.write(text)
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def announce() -> None:
    """Let people who wait at a terminal know when torch is imported; where output goes elsewhere nothing is added."""
    there = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if there and "torch" not in sys.modules and not any(isinstance(one, _Announcer) for one in sys.meta_path):
        sys.meta_path.insert(0, _Announcer())
