"""``ferbench run --workers``: what is asked for, planned and shown; `tests/api/test_side_by_side.py` trains."""

from __future__ import annotations

import re
import sys
from io import StringIO

import pytest
from rich.console import Console

from ferbench.cli import dry_run, progress
from ferbench.cli.grid_progress import SeveralProgress
from ferbench.records.epoch import Epoch

TINY = (
    *("--set", "dataset.train=40", "--set", "dataset.test=14", "--set", "data.image_size=8"),
    *("--set", "training.batch_size=16", "--model", "linear", "--cache", "cache"),
)


@pytest.mark.parametrize(
    ("asked", "wrong", "remedy"),
    [
        (("--workers", "0"), "'--workers': 0 is not in the range 1<=x<=1024", "--help"),
        (("--workers", "two"), "'--workers': 'two' is not a valid integer", "--help"),
        (("--workers", "2000"), "'--workers': 2000 is not in the range", "--help"),
        (("--workers", "2", "--devices", "2"), "--workers 2 with runs over 2 devices", "--workers alone"),
        (("--workers", "2", "--set", "runtime.devices=3"), "--workers 2 with runs over 3 devices", "--devices alone"),
    ],
)
def test_what_cannot_be_takes_two_lines(ferbench_cli, tmp_path, asked, wrong, remedy):
    done = ferbench_cli("run", *TINY, "--seed", "0", "--seed", "1", *asked)
    assert done.exit_code == 2
    said, advice = done.stderr.strip().splitlines()
    assert wrong in said
    assert remedy in advice
    assert not (tmp_path / "results").exists()


def test_a_dry_run_says_what_so_many_at_once_take(ferbench_cli, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    done = ferbench_cli("run", *TINY, "--seed", "0", "--seed", "1", "--seed", "2", "--workers", "2", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "3 to run, 2 at once, 0 to reuse, 0 skipped; about " in done.stdout
    each, both, free = re.search(
        r"^a run takes about (\S+ .B) of memory, 2 at once (\S+ .B); (\S+ .B) are free$", done.stdout, re.MULTILINE
    ).groups()
    assert float(both.split()[0]) == pytest.approx(2 * float(each.split()[0]), rel=0.1) or each[-2:] != both[-2:]
    assert free
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("seconds", "ways", "all_of_it"),
    [([], 2, 0.0), ([5.0], 2, 5.0), ([3.0, 3.0, 3.0], 2, 6.0), ([1.0, 1.0, 4.0], 2, 5.0), ([2.0] * 4, 1, 8.0)],
)
def test_runs_at_once_begin_where_others_end(seconds, ways, all_of_it):
    assert dry_run._together(seconds, ways) == all_of_it


def epoch(number: int) -> Epoch:
    scores = {"loss": 1.0, "accuracy": 0.5, "macro_f1": 0.25, "f1": {}}
    return Epoch.model_validate({"epoch": number, "train": scores, "validation": scores, "images_per_second": 9.0})


def test_lines_of_several_runs_say_whose_they_are(capsys):
    for run in ("1/2 aaa", "2/2 bbb"):
        progress.LineProgress(f"{run} title", 3, quiet=False, prefix=f"{run}  ").epoch_ended(epoch(1))
    first, second, third, fourth = capsys.readouterr().err.splitlines()
    assert (first, third) == ("run 1/2 aaa title", "run 2/2 bbb title")
    assert second.startswith("1/2 aaa  epoch 1/3  loss 1.0000")
    assert fourth.startswith("2/2 bbb  epoch 1/3  loss 1.0000")


def test_a_terminal_has_a_bar_for_each_run_and_one_for_all(monkeypatch):
    screen = StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=screen, force_terminal=True, width=120))
    shown = progress.LiveRuns(2)
    with shown.row("1/2 aaa title", "1/2 aaa", 4) as first, shown.row("2/2 bbb title", "2/2 bbb", 4) as second:
        first.batch_done(2, 30, 60, 0.5)
        second.epoch_ended(epoch(3))
        shown._progress.refresh()
        text = screen.getvalue()
    shown.ended()
    with shown.paused():
        shown._console.print("a result")
    shown.stop()
    assert "the workers are starting" in text
    assert "epoch 2/4" in text
    assert "epoch 3/4  validation macro-F1 0.2500" in text
    assert "1/2" in screen.getvalue().partition("a result")[0].rpartition("runs")[2]


@pytest.mark.parametrize(
    "say",
    [
        lambda shown: shown.warn("a line"),
        lambda shown: shown.interrupted("a line"),
        lambda shown: shown.printed("aaa", "a line"),
    ],
)
def test_lines_that_stay_are_not_written_among_bars(monkeypatch, say):
    screen = StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=screen, force_terminal=True, width=120))
    with SeveralProgress(2, quiet=False, tables=False) as shown:
        shown._live._progress.refresh()
        before = len(screen.getvalue())
        say(shown)
        said, found, after = screen.getvalue()[before:].partition("a line")
    assert found
    assert "\x1b[2K" in said, "bars are still drawn when the line comes, which is drawn over then"
    assert after.startswith("\n")
