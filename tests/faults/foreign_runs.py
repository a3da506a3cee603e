"""Run directories from elsewhere: records, evaluations, predictions and weights that somebody has changed."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner
from hypothesis import strategies as st
from mutations import mutated, mutated_json

#: Commands that read runs; RUN stands for the changed one.
CHEAP = (
    ("leaderboard", "--per-class", "--columns", "all"),
    ("leaderboard", "--runs", "--format", "json"),
    ("leaderboard", "--format", "csv"),
    ("leaderboard", "--format", "html"),
)
DEAR = (
    ("report", "RUN", "OTHER", "--baseline", "OTHER", "--tables", "tables"),
    ("report", "RUN"),
    ("evaluate", "RUN", "--set", "evaluation.tta=flip", "--quiet"),
    ("predict", "RUN", "image.png", "--device", "cpu"),
    ("resume", "RUN", "--quiet"),
    ("ensemble", "RUN", "OTHER"),
)


def changes(run: Path) -> st.SearchStrategy[tuple[str, bytes]]:
    """A file of a run directory, by its path in it, and what it holds after somebody had it."""
    files = sorted(path for path in run.rglob("*") if path.is_file() and not path.name.startswith("step-"))
    return st.sampled_from(files).flatmap(lambda path: st.tuples(st.just(str(path.relative_to(run))), _content(path)))


def _content(path: Path) -> st.SearchStrategy[bytes]:
    content = path.read_bytes()
    if path.suffix == ".json":
        changed = mutated_json(json.loads(content)).map(lambda one: json.dumps(one).encode())
        return st.one_of(changed, changed, mutated([content]))
    return mutated([content])


def told(arguments: Sequence[str], places: Sequence[str]) -> str | None:
    """What a command answers, in this process; None when that is no traceback, else the traceback's end."""
    from ferbench.cli import cli

    result = CliRunner().invoke(cli, [*arguments, *places], prog_name="ferbench")
    if result.exception is None or isinstance(result.exception, SystemExit):
        return None
    return "".join(traceback.format_exception(result.exception)[-4:])
