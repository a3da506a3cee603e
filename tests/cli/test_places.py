"""Options that name what is written."""

from __future__ import annotations

import json
import os

import pytest
from made_runs import make_run

OPTIONS = [
    ["report", "one", "--output"],
    ["export", "one", "--predictions"],
    ["compare", "one", "two", "--csv"],
]


@pytest.fixture
def runs(tmp_path):
    make_run(tmp_path / "results", name="one")
    make_run(tmp_path / "results", name="two", seed=1)


@pytest.mark.parametrize("command", OPTIONS)
@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_a_file_may_be_standard_output_where_nothing_else_is_then_printed(ferbench_cli, runs, capfd, command, name):
    named = ferbench_cli(*command, "written.csv")
    assert named.exit_code == 0
    done = ferbench_cli(*command, name)
    with open("written.csv", encoding="utf-8") as file:
        assert capfd.readouterr().out == file.read()
    assert (done.exit_code, done.stdout) == (0, "")
    assert "/dev/" in done.stderr
    assert not os.path.lexists("-")


def test_json_makes_way_too(ferbench_cli, runs, capfd):
    done = ferbench_cli("compare", "one", "two", "--csv", "-", "--json")
    assert capfd.readouterr().out.startswith("right,id,")
    assert json.loads(done.stderr.partition("\nsamples: ")[0])["first"]


@pytest.mark.parametrize("command", OPTIONS)
def test_what_lies_there_stays_what_it_is(ferbench_cli, runs, tmp_path, command):
    (tmp_path / "target.csv").write_text("before")
    (tmp_path / "target.csv").chmod(0o600)
    (tmp_path / "link.csv").symlink_to("target.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    assert ferbench_cli(*command, "link.csv").exit_code == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "target.csv").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "target.csv").stat().st_size > 100
    for name in ("pipe.csv", "results"):
        done = ferbench_cli(*command, name)
        assert done.exit_code == 2
        assert [line[:2] for line in done.stderr.splitlines()] == ["er", "  "]
    assert (tmp_path / "pipe.csv").is_fifo()


def test_a_default_page_follows_no_link(ferbench_cli, runs, tmp_path):
    """The results directory may be of anybody's making."""
    page = ferbench_cli("report", "one").stdout.removeprefix("report: ").strip()
    (tmp_path / "own").write_text("before")
    (tmp_path / page).unlink()
    (tmp_path / page).symlink_to(tmp_path / "own")
    ferbench_cli("report", "one")
    assert (tmp_path / "own").read_text() == "before"


def test_tables_and_figures_keep_what_lies_in_their_folder(ferbench_cli, runs, tmp_path):
    ferbench_cli("report", "one", "--tables", "tables")
    (first, *_) = sorted((tmp_path / "tables").glob("*.csv"))
    first.rename(tmp_path / "target")
    first.symlink_to(tmp_path / "target")
    ferbench_cli("report", "one", "--tables", "tables")
    assert first.is_symlink()


def test_a_page_that_is_no_file_is_not_opened(ferbench_cli, runs):
    done = ferbench_cli("report", "one", "--output", "-", "--open")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 2)


@pytest.mark.parametrize("command", [*OPTIONS, ["leaderboard", "--results"], ["runs", "list", "--results"]])
def test_an_empty_name_is_refused_as_empty(ferbench_cli, command):
    done = ferbench_cli(*command, "")
    assert done.exit_code == 2
    assert "the name is empty" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_an_empty_recipe_is_no_recipe_of_that_name(ferbench_cli):
    done = ferbench_cli("run", "")
    assert (done.exit_code, "the name is empty" in done.stderr) == (2, True)
