"""Cells of a notebook, executed without one."""

from __future__ import annotations

import linecache
import textwrap
from itertools import count
from typing import Any

_NUMBERS = count()


class Kernel:
    """A namespace that cells are executed in one after the other, as a notebook's."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.names: dict[str, Any] = {"__name__": f"cells_{next(_NUMBERS)}"}

    def run(self, *cells: str) -> dict[str, Any]:
        """Execute cells; gives what is defined then."""
        for cell in cells:
            text, name = textwrap.dedent(cell), f"<cell {next(_NUMBERS)}>"
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
            self.cells.append(text)
            exec(compile(text, name, "exec"), self.names)  # noqa: S102
        return self.names
