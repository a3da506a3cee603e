"""Run directories from elsewhere: records, evaluations, predictions and weights that somebody has changed."""

from __future__ import annotations

import json
import shutil
import traceback
from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from inputs import Tried
from mutations import mutated, mutated_json
from PIL import Image
from readers import PLACES
from small_run import Whole, fresh, nothing, run

#: Commands that read runs; RUN stands for the changed one, OTHER for another.
CHEAP = (
    ("leaderboard", "--per-class", "--columns", "all"),
    ("leaderboard", "--runs", "--format", "json"),
    ("leaderboard", "--format", "csv"),
    ("leaderboard", "--format", "html"),
    ("runs", "list"),
    ("runs", "show", "RUN"),
    ("runs", "verify"),
    ("compare", "RUN", "OTHER"),
    ("lineage", "OTHER"),
    ("doctor",),
)
DEAR = (
    ("report", "RUN", "OTHER", "--baseline", "OTHER", "--tables", "tables"),
    ("report", "RUN"),
    ("evaluate", "RUN", "--set", "evaluation.tta=flip", "--quiet"),
    ("predict", "RUN", "image.png", "--device", "cpu"),
    ("resume", "RUN", "--quiet"),
    ("ensemble", "RUN", "OTHER"),
)


class Elsewhere:
    """Two finished runs, of which one is changed again and again.

    Args:
        directory: to work in.
        whole: whose cache serves them.
    """

    def __init__(self, directory: Path, whole: Whole) -> None:
        self._directory = fresh(directory, whole.directory)
        for more in ((), ("--name", "other", "--seed", "1")):
            ended = run(directory, nothing, *more)
            assert ended.code == 0, ended.said
        records = {path: json.loads(path.read_text()) for path in directory.glob("results/runs/*/run.json")}
        by_name = {record["name"]: path.parent for path, record in records.items()}
        self._run, self._other = by_name["faulty"], by_name["other"]
        self._kept = directory / "kept"
        shutil.copytree(self._run, self._kept)
        Image.new("L", (16, 16), 90).save(directory / "image.png")

    def changes(self) -> st.SearchStrategy[tuple[str, bytes | str, tuple[str, ...]]]:
        """A file of the run, what it holds after somebody had it or which of `PLACES` it is, and a command that reads
        it."""
        files = [path for path in self._kept.rglob("*") if path.is_file() and not path.name.startswith("step-")]
        names = sorted(str(path.relative_to(self._kept)) for path in files)
        commands = st.one_of(st.sampled_from(CHEAP), st.sampled_from(DEAR))
        return st.sampled_from(names).flatmap(
            lambda name: st.tuples(
                st.just(name), st.one_of(_content(self._kept / name), st.sampled_from([*PLACES])), commands
            )
        )

    def trial(self, name: str, content: bytes | str, command: Sequence[str]) -> str | None:
        """Give the command while the file holds that; None when the answer is no traceback, else its end."""
        shutil.rmtree(self._run)
        shutil.copytree(self._kept, self._run)
        if isinstance(content, str):
            PLACES[content](self._run / name)
        else:
            (self._run / name).write_bytes(content)
        stand = {"RUN": self._run.name, "OTHER": self._other.name, "image.png": str(self._directory / "image.png")}
        stand["tables"] = str(self._directory / "tables")
        arguments = [stand.get(one, one) for one in command] + ["--results", str(self._directory / "results")]
        if command[0] in ("evaluate", "resume", "doctor"):
            arguments += ["--cache", str(self._directory / "cache")]
        said = _told(arguments)
        return None if said is None else f"{' '.join(command)} with another {name}: {content[:2000]!r}\n{said}"

    def tried(self, count: int, number: int = 0) -> Tried:
        """Many changes; ``number`` draws other ones."""
        result = Tried(0, [], 0)

        @seed(number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(self.changes())
        def one(change: tuple[str, bytes | str, tuple[str, ...]]) -> None:
            result.count += 1
            wrong = self.trial(*change)
            if wrong is not None:
                result.wrong.append(wrong)

        one()
        return result


def _content(path: Path) -> st.SearchStrategy[bytes]:
    content = path.read_bytes()
    if path.suffix == ".json":
        # A digest would always tell of the change: whoever makes a file up leaves it out.
        made_up = {key: value for key, value in json.loads(content).items() if key != "own"}
        changed = mutated_json(made_up).map(lambda one: json.dumps(one).encode())
        return st.one_of(changed, changed, mutated([content]))
    return mutated([content])


def _told(arguments: Sequence[str]) -> str | None:
    """What a command answers, in this process; None when that is no traceback, else the traceback's end."""
    from ferbench.cli import cli

    result = CliRunner().invoke(cli, arguments, prog_name="ferbench")
    if result.exception is None or isinstance(result.exception, SystemExit):
        return None
    return "".join(traceback.format_exception(result.exception)[-4:])
