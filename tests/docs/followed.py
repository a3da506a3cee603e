"""What a page tells a reader to do, done in its order: titled files are written, commands in ``sh`` blocks run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

SMALL = ("--set", "training.epochs=1", "--set", "data.image_size=16", "--cache", "cache", "--quiet", "--no-report")
FACES = ("--set", "dataset.train=70", "--set", "dataset.test=35", "--set", "dataset.size=16")


def text_of(page: str) -> str:
    """``page`` as in ``how-to/own-data.md``."""
    return (DOCS / page).read_text(encoding="utf-8")


def do(
    ferbench_cli,
    tmp_path: Path,
    page: str,
    small: Sequence[str] | Callable[[list[str]], Sequence[str]],
    others: Mapping[str, Callable[[], None]] | None = None,
) -> dict[str, str]:
    """Do what the text of a page says. Lines of a ``text`` block must be in what the command before it printed.

    Args:
        ferbench_cli: the fixture.
        tmp_path: where.
        page: its text.
        small: what every ``ferbench run`` is given besides, so that it is quick.
        others: what to do for lines that are no command of ferbench.

    Returns:
        By command, what it printed.
    """
    printed: dict[str, str] = {}
    said = ""
    for kind, title, text in BLOCK.findall(page):
        if title:
            (tmp_path / title).write_text(text)
        elif kind == "text":
            assert [line for line in text.splitlines() if line not in said] == [], said
        for line in text.splitlines() if kind == "sh" else ():
            program, *arguments = shlex.split(line)
            if program != "ferbench":
                assert others is not None
                others[line]()
                continue
            added = small(arguments) if callable(small) else small
            finished = ferbench_cli(*arguments, *(added if arguments[0] == "run" else ()))
            assert finished.exit_code == 0, (line, finished.stderr)
            printed[line] = said = finished.stdout
    return printed
