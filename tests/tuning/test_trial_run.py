"""Trials as ordinary runs: what a run has is not made again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ferbench.runs.directory import RunDirectory

TUNE = (
    *("tune", "--dataset", "synthetic-faces", "--model", "linear", "--algorithm", "random", "--pruner", "none"),
    *(
        "--set",
        "dataset.train=48",
        "--set",
        "dataset.test=20",
        "--set",
        "dataset.size=16",
        "--set",
        "data.image_size=16",
    ),
    *("--set", "training.epochs=2", "--set", "training.batch_size=16", "--only", "--search", "optimizer.lr=1e-4..1e-1"),
    *("--trials", "2", "--no-final", "--no-report", "--results", "results", "--cache", "cache"),
)


def trials(database: Path) -> list[tuple[int, str, float]]:
    with sqlite3.connect(database) as connection:
        query = "SELECT number, state, value FROM trials LEFT JOIN trial_values USING (trial_id) ORDER BY number"
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_a_result_that_was_never_told_is_taken_from_the_run_without_training(ferbench_cli):
    assert ferbench_cli(*TUNE).exit_code == 0
    (database,) = Path("results/studies").glob("*/study.db")
    before = trials(database)
    runs = {path: RunDirectory(path).load() for path in Path("results/runs").glob("[!.]*")}
    with sqlite3.connect(database) as connection:  # as where the process was killed when the second run had ended
        connection.execute("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE number = 1")
        for table in ("trial_values", "trial_intermediate_values"):
            connection.execute(f"DELETE FROM {table} WHERE trial_id = (SELECT trial_id FROM trials WHERE number = 1)")
    connection.close()
    again = ferbench_cli(*TUNE)
    assert again.exit_code == 0, again.stderr
    assert trials(database) == before
    assert {path: RunDirectory(path).load() for path in Path("results/runs").glob("[!.]*")} == runs
