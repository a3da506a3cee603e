"""One damaged run is one damaged row: whatever somebody has made of it, every command goes on with the others."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from made_runs import make_run
from readers import CONTENTS, PLACES, Reader

import ferbench
from ferbench.runs.directory import RunDirectory

if TYPE_CHECKING:
    from conftest import CommandLine  # at run time each directory of tests has a conftest


@dataclass(frozen=True)
class Damaged:
    """A results directory.

    Attributes:
        whole: two runs without a fault.
        records: runs whose record was spoiled, by the way in which it was.
        predictions: likewise, of the predictions of their test.
    """

    results: Path
    whole: tuple[RunDirectory, RunDirectory]
    records: dict[str, RunDirectory]
    predictions: dict[str, RunDirectory]


def spoil(path: Path, kind: str, file: str, number: str = "") -> bool:
    """Whether a file of that kind can be spoiled so."""
    if kind in PLACES:
        PLACES[kind](path)
        return True
    content = CONTENTS[kind](path.read_bytes(), Reader(file, path, lambda: None, number=number))
    if content is not None:
        path.write_bytes(content)
    return content is not None


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    results = tmp_path_factory.mktemp("damaged") / "results"
    first, second = (make_run(results, name=name, model=name, n=70) for name in ("first", "second"))
    records, predictions = {}, {}
    for seed, kind in enumerate((*CONTENTS, *PLACES), 1):
        run = make_run(results, name=f"record-{seed}", seed=seed, n=70)
        if spoil(run.record_path, kind, "run.json", "skipped_faulty"):
            records[kind] = run
        else:
            shutil.rmtree(run.path)
        run = make_run(results, name=f"predictions-{seed}", model=f"net-{seed}", seed=seed, n=70)
        (test,) = run.load().own_evaluations("test")
        if spoil(run.evaluation_path(test) / "predictions.npz", kind, "predictions.npz"):
            predictions[kind] = run
        else:
            shutil.rmtree(run.path)
    assert len(records) >= 14
    assert len(predictions) >= 12
    return Damaged(results, (first, second), records, predictions)


def test_lists_name_what_is_damaged_and_what_to_do(damaged: Damaged, ferbench_cli: CommandLine) -> None:
    done = ferbench_cli("runs", "list", "--json", "--results", damaged.results)
    assert done.exit_code == 0
    rows = {row["run"]: row for row in json.loads(done.stdout)}
    assert [rows[run.path.name]["status"] for run in damaged.whole] == ["done", "done"]
    for kind, run in damaged.records.items():
        row = rows[run.path.name]
        assert row["status"] == "damaged", kind
        assert f"ferbench runs verify {run.path.name}" in row["note"], kind
        assert f"ferbench runs rm {run.path.name}" in row["note"], kind


def test_a_leaderboard_ranks_the_others(damaged: Damaged, ferbench_cli: CommandLine) -> None:
    done = ferbench_cli("leaderboard", "--format", "json", "--results", damaged.results)
    assert done.exit_code == 0
    board = json.loads(done.stdout)
    rows = {row["runs"][0]["run"]: row for group in board["groups"] for row in group["rows"]}
    assert all(rows[run.path.name]["rank"] is not None for run in damaged.whole)
    for kind, run in damaged.predictions.items():
        row = rows[run.path.name]
        assert row["rank"] is None, kind
        assert "damaged" in row["unranked"], kind
    unfinished = {row["run"]: row for row in board["unfinished"]}
    for kind, run in damaged.records.items():
        assert unfinished[run.path.name]["status"] == "damaged", kind
        assert "ferbench runs rm" in unfinished[run.path.name]["reason"], kind


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("leaderboard", "--per-class", "--runs"), 0),
        (("leaderboard", "--format", "csv"), 0),
        (("lineage", "first"), 0),
        (("compare", "first", "second"), 0),
        (("report", "first", "second"), 0),
        (("runs", "show", "first"), 0),
        (("runs", "verify"), 1),
        (("doctor",), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_no_command_fails_because_of_them(
    command: tuple[str, ...], code: int, damaged: Damaged, ferbench_cli: CommandLine
) -> None:
    done = ferbench_cli(*command, "--results", damaged.results)
    assert done.exit_code == code, done.stderr
    if command[-1] in ("verify", "doctor"):
        for kind, run in {**damaged.records, **damaged.predictions}.items():
            if command == ("runs", "verify") or run in damaged.records.values():
                assert f"{run.path.name}" in done.stdout, kind


def test_python_has_a_row_for_each(damaged: Damaged) -> None:
    runs = ferbench.load_results(damaged.results)
    status = {run.id: run.status for run in runs}
    assert all(status[run.path.name] == "damaged" for run in damaged.records.values())
    frame = runs.frame().set_index("run")
    reasons = frame.loc[[run.path.name for run in damaged.records.values()], "reason"]
    assert reasons.str.contains("ferbench runs rm").all()
    repr(runs), runs._repr_html_()


@pytest.mark.parametrize("given", ["id", "path"])
def test_each_can_be_looked_at_and_removed(given: str, damaged: Damaged, ferbench_cli: CommandLine) -> None:
    runs = [*damaged.records.values()]
    for run in runs[:: 2 if given == "id" else 3]:
        if not run.path.exists():
            continue
        name = run.path.name if given == "id" else run.path
        looked = ferbench_cli("runs", "verify", name, "--results", damaged.results)
        assert looked.exit_code == 1
        assert "run.json" in looked.stdout
        removed = ferbench_cli("runs", "rm", name, "--yes", "--results", damaged.results)
        assert removed.exit_code == 0, removed.stderr
        assert not run.path.exists()
