"""A study that the release before made goes on, shows and reports (`made_by_0_1/README.md`)."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ferbench.tuning.study import StudyDirectory, find_study
from ferbench.tuning.view import read_view

MADE = Path(__file__).parent / "made_by_0_1"
ID = "40b186b6436a"
SEARCH = (
    *("--only", "--search", "optimizer.lr=1e-3..1e-1:log"),
    *("--search", "loss=cross-entropy,focal", "--search", "loss.gamma=1..3"),
)


@pytest.fixture
def study(tmp_path) -> Path:
    """A copy of the study's directory, with its database."""
    shutil.copytree(MADE, tmp_path, dirs_exist_ok=True)
    directory = tmp_path / "results" / "studies" / ID
    with sqlite3.connect(directory / "study.db") as database:
        database.executescript((directory / "study.sql").read_text())
    database.close()
    return directory


def test_its_records_say_what_they_said(study):
    place = StudyDirectory(study)
    assert place.load().plain() == json.loads((study / "study.json").read_text())
    assert place.outcome().plain() == json.loads((study / "outcome.json").read_text())


def test_its_trials_and_tests_are_read(study, tmp_path):
    view = read_view(find_study(tmp_path / "results", "tiny"), tmp_path / "results")
    assert view.frame["state"].tolist() == ["complete"] * 3
    assert view.frame["params_loss"].tolist() == ["focal", "cross-entropy", "focal"]
    assert view.frame["params_loss.focal.gamma"].isna().tolist() == [False, True, False]
    assert view.frame["chosen_by"].tolist() == ["tpe (start-up)"] * 3
    assert view.frame["epochs"].tolist() == [2, 2, 2]
    (finalist,) = view.finalists
    assert view.scores(finalist)["accuracy"].mean == pytest.approx(0.2143, abs=1e-4)


def test_a_damaged_page_of_its_database_is_an_error_of_two_lines(study, ferbench_cli):
    with contextlib.closing(sqlite3.connect(study / "study.db")) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trial_params'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with (study / "study.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    shown = ferbench_cli("tune", "status", "tiny")
    assert shown.exit_code == 2
    assert "cannot be read" in shown.stderr
    assert len(shown.stderr.splitlines()) == 2


def test_it_shows_and_reports(study, ferbench_cli):
    shown = ferbench_cli("tune", "status", "tiny")
    assert shown.exit_code == 0, shown.stderr
    assert "3 trials tried: 3 complete, 0 pruned, 0 failed" in shown.stdout
    assert "chosen by tpe, pruner median, seed 0" in shown.stdout
    made = ferbench_cli("tune", "report", "tiny", "--output", "page.html")
    assert made.exit_code == 0, made.stderr
    assert "All 3 trials" in Path("page.html").read_text()


def test_its_status_needs_no_torch(study, tmp_path):
    command = ["tune", "status", "tiny", "--results", str(tmp_path / "results")]
    probe = f"import sys; from ferbench.cli import cli; cli({command!r}, standalone_mode=False)"
    probe += "; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_goes_on(study, ferbench_cli, tmp_path):
    tune = ("tune", "tiny.toml", *SEARCH, "--cache", "cache")
    today = json.loads(ferbench_cli(*tune, "--dry-run", "--json").stdout)["study"]
    if today != ID:  # the fingerprint covers the source of the built-in plugins, which has changed since
        with sqlite3.connect(study / "study.db") as database:
            database.execute("UPDATE studies SET study_name = ?", (today,))
        database.close()
        study.rename(study.with_name(today))
    done = ferbench_cli(*tune, "--trials", "4", "--no-final", "--no-report")
    assert done.exit_code == 0, done.stderr
    assert f"going on with study {today} (tiny): 3 dimensions" in done.stderr
    view = read_view(find_study(tmp_path / "results", today), tmp_path / "results")
    assert view.frame["state"].isin(["complete", "pruned"]).tolist() == [True] * 4
    assert view.record.created == "2026-11-30T09:41:24+00:00"
