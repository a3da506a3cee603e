"""Names and ids that try to lead out of the results directory, at every place that takes one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from made_runs import make_run
from PIL import Image
from record_files import read_record

from ferbench.cli.naming import warn_of_names
from ferbench.errors import UserError
from ferbench.experiment.settings import check_run_name
from ferbench.report.export import report_path
from ferbench.runs.find import find_run

HOSTILE = (
    "../escape", "..", ".", ".hidden", "a/b", "/tmp/escape", "a\\b", "a b", "", "a\n", "a\x00b", "a\x1b[31m", "é", "１",
    "x" * 81, "$(touch escape)", "`touch escape`", "a;b", "<script>", "=cmd()", "con:", "a*", "0123456789ab",
    "deadbeef" * 8,
)  # fmt: skip

SMALL = ["--model", "linear", "--set", "dataset.train=30", "--set", "dataset.test=14", "--set", "dataset.size=16"]
SMALL += ["--cache", "cache", "--no-report", "--quiet"]


def tree(path: Path) -> list[str]:
    return sorted(one.relative_to(path).as_posix() for one in path.rglob("*"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_wherever_a_run_gets_one(ferbench_cli, tmp_path, name):
    """Before anything is written, packed data included."""
    home = tmp_path / "home"
    home.mkdir()
    members = [make_run(tmp_path / "results", name=f"member-{seed}", seed=seed).path.name for seed in (0, 1)]
    (tmp_path / "recipe.toml").write_text(f"name = {json.dumps(name)}\n", encoding="utf-8")
    before = tree(tmp_path)
    for command in (
        ["run", f"--name={name}", *SMALL],
        ["run", f"--name={name}", "--seed", "0", "--seed", "1", *SMALL],
        ["run", "recipe.toml", *SMALL],
        ["ensemble", *members, f"--name={name}"],
    ):
        done = ferbench_cli(*command)
        assert done.exit_code == 2, command
        assert "run name" in done.stderr, command
        assert "\x1b" not in done.stderr
    assert tree(tmp_path) == before


def test_a_grid_whose_numbers_make_a_name_too_long_is_refused(ferbench_cli):
    done = ferbench_cli("run", "--name", "x" * 79, "--seed", "0", "--seed", "1", *SMALL)
    assert done.exit_code == 2
    assert "run name" in done.stderr


@given(st.text(max_size=90))
def test_a_name_that_is_let_pass_is_a_plain_file_name(name):
    try:
        check_run_name(name)
    except UserError:
        return
    assert 1 <= len(name) <= 80
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert not name.startswith(".")
    assert Path("results", name).parent == Path("results")


@given(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}", fullmatch=True))
def test_a_plain_name_is_let_pass(name):
    assume(not re.fullmatch("[0-9a-f]{12,64}", name))
    check_run_name(name)


@pytest.mark.parametrize(
    "run",
    ["../../outside", "..", "../results", "v1:../../outside", "runs/../../outside", "0123456789a/", "\x00", "a\x1b[2J"],
)
@pytest.mark.parametrize(
    "command",
    [
        ["resume", "RUN"],
        ["evaluate", "RUN"],
        ["ensemble", "RUN", "one"],
        ["predict", "RUN", "face.png"],
        ["report", "RUN"],
        ["runs", "show", "RUN"],
        ["runs", "verify", "RUN"],
        ["runs", "rm", "--yes", "--force", "RUN"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_an_id_that_leads_elsewhere_names_no_run(ferbench_cli, tmp_path, command, run):
    make_run(tmp_path / "results", name="one")
    (tmp_path / "outside").mkdir()
    Image.new("L", (16, 16)).save(tmp_path / "face.png")
    before = tree(tmp_path)
    done = ferbench_cli(*[run if part == "RUN" else part for part in command])
    assert done.exit_code == 2
    assert "there is no run" in done.stderr
    assert "\x1b" not in done.stderr
    assert tree(tmp_path) == before


@pytest.mark.parametrize(("name", "warned"), [("beef", True), ("2024", True), ("bee", False), ("beefy", False)])
def test_a_name_that_reads_as_the_beginning_of_an_id_is_warned_of(ferbench_cli, tmp_path, name, warned):
    done = ferbench_cli("run", "--name", name, "--dry-run", *SMALL)
    assert done.exit_code == 0
    assert (f"warning: the name '{name}' also reads as the beginning of an id" in done.stderr) == warned


def test_a_name_that_another_run_has_is_numbered(ferbench_cli, tmp_path):
    taken = make_run(tmp_path / "results", name="mine", model="some-net", dataset="faces")
    make_run(tmp_path / "results", name="mine-2", model="other-net")
    done = ferbench_cli("run", "--name", "mine", "--set", "training.epochs=0", "--json", *SMALL)
    assert done.exit_code == 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("warning: the name")]
    assert line.startswith(f"warning: the name 'mine' is taken: {taken.path.name} 'mine' (some-net on faces, seed 0, ")
    assert line.endswith("; the new name is mine-3")
    (made,) = json.loads(done.stdout)
    assert (made["name"], read_record(find_run(tmp_path / "results", made["run"]))["name"]) == ("mine-3", "mine-3")
    again = ferbench_cli("run", "--name", "mine", "--set", "training.epochs=0", "--json", *SMALL)
    assert [(one["name"], one["reused"]) for one in json.loads(again.stdout)] == [("mine-3", True)]


def test_a_grid_has_the_number_of_a_taken_name_before_what_varies(ferbench_cli, tmp_path):
    make_run(tmp_path / "results", name="mine-s1", model="some-net")
    grid = ("--seed", "0", "--seed", "1", "--set", "training.epochs=0")
    done = ferbench_cli("run", "--name", "mine", "--json", *grid, *SMALL)
    assert [one["name"] for one in json.loads(done.stdout)] == ["mine-2-s0", "mine-2-s1"]
    assert ferbench_cli("compare", "mine-2", "mine-s1").stderr.count("several") == 0


def test_seeds_of_one_configuration_may_share_a_name(tmp_path, capsys):
    first, second = (make_run(tmp_path, name=name, seed=seed) for name, seed in (("cnn", 0), (None, 1)))
    config = read_record(first)["identity"]["config_id"]
    warn_of_names(tmp_path, [("cnn", second.path.name, config)])
    assert capsys.readouterr().err == ""
    warn_of_names(tmp_path, [("cnn", "0123456789ab", "v1:another")])
    assert f"the name 'cnn' is taken: {first.path.name} 'cnn'" in capsys.readouterr().err


def test_the_page_of_a_run_is_not_written_through_a_link(ferbench_cli, tmp_path):
    run = make_run(tmp_path / "results", name="one")
    (tmp_path / "outside").mkdir()
    (tmp_path / "results" / "reports").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="symbolic link"):
        report_path(tmp_path / "results", [run])
    assert ferbench_cli("report", "one").exit_code == 2
    assert tree(tmp_path / "outside") == []
    assert ferbench_cli("report", "one", "--output", "outside/page.html").exit_code == 0  # the user's own choice


def test_a_run_that_is_a_link_is_read_and_not_written(ferbench_cli, tmp_path):
    member, other = (make_run(tmp_path / "results", name=f"member-{seed}", seed=seed) for seed in (0, 1))
    (tmp_path / "outside").mkdir()
    moved = tmp_path / "outside" / member.path.name
    member.path.rename(moved)
    member.path.symlink_to(moved)
    before = tree(tmp_path / "outside")
    assert read_record(find_run(tmp_path / "results", "member-0"))["name"] == "member-0"
    done = ferbench_cli("runs", "rm", "member-0", "--yes")
    assert done.exit_code == 2
    assert "symbolic link" in done.stderr or "is no run of the results directory" in done.stderr
    assert tree(tmp_path / "outside") == before
    assert other.exists()
