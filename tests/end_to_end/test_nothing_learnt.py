"""A run that has learnt nothing says so, with what usually causes it."""

from __future__ import annotations

from pathlib import Path

import pytest

SMALL = ("dataset.train=500", "dataset.test=140", "dataset.size=24", "training.select=accuracy")


@pytest.fixture
def run(ferbench_cli):
    def call(*args):
        sets = [part for size in SMALL for part in ("--set", size)]
        return ferbench_cli("run", "--model", "linear", "--loss", "cross-entropy", *sets, *args)

    return call


def test_a_learning_rate_that_is_far_too_high_is_named(run, ferbench_cli):
    done = run("--lr", "1000", "--epochs", "2", "--batch-size", "400", "--optimizer", "sgd", "--name", "lost")
    assert "no epoch is told apart from guessing on validation" in done.stdout
    assert "usual causes: a learning rate (optimizer.lr = 1000)" in done.stdout
    (report,) = [line.removeprefix("report: ") for line in done.stdout.splitlines() if line.startswith("report: ")]
    assert "usual causes" in Path(report).read_text().lower()
    board = ferbench_cli("leaderboard").stdout.replace("\n", " ")
    assert "lost" in board.partition("guessing in balanced accuracy")[2] + board.partition("is predicted as")[2]


def test_a_run_that_learns_says_nothing_of_it(run):
    done = run("--epochs", "8", "--batch-size", "16", "--lr", "0.003")
    assert "usual causes" not in done.stdout
