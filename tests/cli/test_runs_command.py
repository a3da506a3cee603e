"""``ferbench runs``: list, show, rm, verify."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest
from made_runs import make_run
from record_files import read_record, write_record

from ferbench.runs.directory import RunDirectory
from ferbench.runs.lock import holder_path, lock_path, only_writer


@pytest.fixture
def listed(ferbench_cli):
    """Runs by name, as ``runs list --json`` has them."""

    def call(*options):
        done = ferbench_cli("runs", "list", "--json", *options)
        assert done.exit_code == 0, done.stderr
        return {one["name"]: one for one in json.loads(done.stdout)}

    return call


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def hold(run):
    """Another process at work on a run."""
    code = (
        "import sys, time; from pathlib import Path; from ferbench.runs.directory import RunDirectory\n"
        "from ferbench.runs.lock import only_writer\n"
        "with only_writer(RunDirectory(Path(sys.argv[1]))): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_list_has_finished_and_unfinished_runs(results, listed):
    done = make_run(results, name="good", epochs=3)
    make_run(results, name="bad", status="failed", message="out of luck\nline two")
    found = listed()
    assert (found["good"]["status"], found["good"]["epochs"], found["good"]["planned"]) == ("done", 3, 3)
    scores = {entry["split"]: entry["metrics"]["macro_f1"] for entry in read_record(done)["evaluations"].values()}
    assert found["good"]["test_macro_f1"] == scores["test"]
    assert found["good"]["validation_macro_f1"] == scores["validation"]
    on_disk = sum(path.stat().st_size for path in done.path.rglob("*") if path.is_file())
    assert found["good"]["bytes"] == on_disk
    assert found["good"]["started"] == "2026-11-23 10:00:00"
    assert (found["bad"]["status"], found["bad"]["note"]) == ("failed", "out of luck")


def test_a_run_that_only_says_it_is_running_is_abandoned(results, listed):
    run = make_run(results, name="lost", status="running", epochs=4)
    assert listed()["lost"]["status"] == "abandoned"
    with only_writer(run):
        found = listed()["lost"]
    assert found["status"] == "running"
    assert " pid " in found["note"]
    assert (found["epochs"], found["seconds"]) == (4, 6.0)  # 1.5 s each, as its history says


def test_a_list_is_filtered_as_the_leaderboard_is(results, listed, ferbench_cli):
    for seed in (0, 1):
        make_run(results, name=f"seed-{seed}", seed=seed)
    make_run(results, name="other", model="other-net", status="running")
    assert set(listed("--where", "model=some-net", "--where", "seed=1")) == {"seed-1"}
    assert set(listed("--status", "abandoned")) == {"other"}
    assert set(listed("--where", "status=abandoned")) == {"other"}
    assert set(listed("--status", "done", "--status", "abandoned")) == {"seed-0", "seed-1", "other"}
    wrong = ferbench_cli("runs", "list", "--where", "model=none")
    assert wrong.exit_code == 2
    assert "other-net" in wrong.stderr


def test_every_format_has_every_run(results, ferbench_cli):
    make_run(results, name="=cmd()|calc")
    make_run(results, name="b<script>", seed=1)
    rows = list(csv.DictReader(io.StringIO(ferbench_cli("runs", "list", "--format", "csv").stdout)))
    assert sorted(row["name"] for row in rows) == ["'=cmd()|calc", "b<script>"]
    assert {row["status"] for row in rows} == {"done"}
    text = ferbench_cli("runs", "list").stdout
    assert "b<script>" in text
    assert "2 runs, " in text.splitlines()[-1]
    markdown = ferbench_cli("runs", "list", "--format", "md").stdout
    assert "<script>" not in markdown
    assert markdown.count("\n|") == 4


def test_an_empty_list_is_no_error(ferbench_cli):
    done = ferbench_cli("runs", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "no runs in results yet" in done.stderr


def test_a_damaged_record_is_listed(results, listed):
    run = make_run(results, name="whole")
    run.record_path.write_text("{")
    assert [one["status"] for one in listed().values()] == ["damaged"]


def test_show_tells_what_a_run_is_and_what_can_be_done(results, ferbench_cli):
    parent = make_run(results, name="parent")
    child = make_run(results, name="child", parents=[{"run": parent.path.name, "at": "best", "epoch": 1}])
    shown = ferbench_cli("runs", "show", "parent").stdout
    record = read_record(parent)
    for text in (
        record["identity"]["training_id"],
        "some-net",
        "batch_size",
        "3.11.7",
        *record["evaluations"],
        f"needed by  {child.path.name}",
        f"ferbench report {parent.path.name}",
    ):
        assert text in shown
    page = json.loads(ferbench_cli("runs", "show", "child", "--json").stdout)
    assert page["lineage"]["parents"][0]["run"] == parent.path.name
    assert all(entry["stored"] for entry in page["evaluations"].values())


def test_show_says_who_is_at_work_and_how_to_go_on(results, ferbench_cli):
    run = make_run(results, name="stopped", status="interrupted", message="SIGTERM")
    assert f"ferbench resume {run.path.name}" in ferbench_cli("runs", "show", "stopped").stdout
    with only_writer(run):
        shown = ferbench_cli("runs", "show", "stopped").stdout
    assert "at work" in shown
    assert "ferbench resume" not in shown


def test_rm_removes_a_run_its_lock_and_its_entry(results, ferbench_cli):
    run = make_run(results, name="one")
    kept = make_run(results, name="two", seed=1)
    with only_writer(run):
        pass
    ferbench_cli("leaderboard")  # writes the index
    done = ferbench_cli("runs", "rm", "one", "--yes")
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in run.path.parent.iterdir()} == {kept.path.name}
    assert run.path.name not in ferbench_cli("leaderboard", "--json").stdout
    index = results / ".index.json"
    assert not index.exists() or run.path.name not in index.read_text()


def test_rm_says_what_goes_before_and_after(results, ferbench_cli):
    run = make_run(results, name="one", model="some-net", dataset="faces", seed=3)
    line = f"{run.path.name} 'one' (some-net on faces, seed 3, 2026-11-23 10:00)"
    assert ferbench_cli("runs", "rm", "one", "--dry-run").stdout.startswith(f"{line}, ")
    first, second, _ = ferbench_cli("runs", "rm", "one", "--yes").stdout.splitlines()
    assert first.startswith(f"{line}, ")
    assert second == f"removed: {line}"


def called(results, run, identifier, name=None):
    """Give a made run another id and a name that may be anything."""
    moved = RunDirectory(run.path.rename(run.path.with_name(identifier)))
    write_record(moved, {**read_record(moved), "name": name})
    return moved


def test_rm_never_guesses_between_a_name_and_an_id(results, ferbench_cli):
    named = called(results, make_run(results), "0123456789ab", "beef")
    begun = called(results, make_run(results, seed=1), "beef00000000", "other")
    done = ferbench_cli("runs", "rm", "beef", "--yes", "--force")
    assert done.exit_code == 2
    assert "0123456789ab 'beef' (some-net on made-up" in done.stderr
    assert "beef00000000 'other' (some-net on made-up" in done.stderr
    assert named.exists()
    assert begun.exists()


def test_rm_given_twice_does_not_remove_another_run_by_the_beginning_of_its_id(results, ferbench_cli):
    called(results, make_run(results), "0123456789ab", "beef")
    ferbench_cli("runs", "rm", "beef", "--yes")
    other = called(results, make_run(results, seed=1), "beef00000000", "other")
    done = ferbench_cli("runs", "rm", "beef", "--yes", "--force")
    assert done.exit_code == 2
    assert "ferbench runs rm beef00000000" in done.stderr
    assert other.exists()


def test_rm_does_not_take_an_id_that_is_the_name_of_another_run(results, ferbench_cli):
    first = called(results, make_run(results), "beef00000000", "other")
    second = called(results, make_run(results, seed=1), "0123456789ab", "beef00000000")
    done = ferbench_cli("runs", "rm", "beef00000000", "--yes", "--force")
    assert done.exit_code == 2
    assert (first.exists(), second.exists()) == (True, True)
    assert ferbench_cli("runs", "rm", str(first.path), "--yes").exit_code == 0
    assert (first.exists(), second.exists()) == (False, True)


@pytest.mark.parametrize(("answer", "left"), [("n\n", True), ("", True), ("y\n", False)])
def test_rm_asks_first(results, tmp_path, monkeypatch, answer, left):
    from click.testing import CliRunner

    from ferbench.cli import cli

    run = make_run(results, name="one")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["runs", "rm", "one"], input=answer)
    assert run.exists() == left
    assert (done.exit_code == 0) == (not left)


def test_rm_says_what_to_do_where_nobody_can_answer(results, ferbench_cli):
    run = make_run(results, name="one")
    done = ferbench_cli("runs", "rm", "one", fresh=True)
    assert done.exit_code == 2
    assert "→ say --yes" in done.stderr
    assert run.exists()


def test_a_dry_run_removes_nothing(results, ferbench_cli):
    run = make_run(results, name="one")
    done = ferbench_cli("runs", "rm", "one", "--dry-run")
    assert run.path.name in done.stdout
    assert "would be removed: 1 run" in done.stdout
    assert run.exists()


def test_rm_refuses_a_run_that_is_being_written_and_removes_none(results, ferbench_cli):
    idle, busy = make_run(results, name="idle"), make_run(results, name="busy", seed=1)
    process = hold(busy)
    try:
        done = ferbench_cli("runs", "rm", "idle", "busy", "--yes", "--force")
    finally:
        process.kill()
        process.communicate()
    assert done.exit_code == 2
    assert f"pid {process.pid}" in done.stderr
    assert idle.exists()
    assert busy.exists()


def test_rm_refuses_a_run_that_others_were_made_from(results, ferbench_cli):
    parent = make_run(results, name="parent")
    child = make_run(results, name="child", parents=[{"run": parent.path.name, "at": "best", "epoch": 1}])
    refused = ferbench_cli("runs", "rm", "parent", "--yes")
    assert refused.exit_code == 2
    assert re.search(f"{parent.path.name} 'parent' .* is needed by {child.path.name}", refused.stderr)
    assert f"needed by {child.path.name}" in ferbench_cli("runs", "rm", "parent", "--dry-run").stdout
    assert parent.exists()
    assert ferbench_cli("runs", "rm", "parent", "--yes", "--force").exit_code == 0
    assert not parent.exists()


def make_study(results, tested):
    """A study that says it tested these runs, with a database of its own."""
    folder = results / "studies" / "0123456789ab"
    folder.mkdir(parents=True)
    about = {"id": folder.name, "label": "tiny", "objectives": ["macro_f1"]}
    how = {"algorithm": "random", "pruner": "none", "dataset": "faces", "protocol": "official", "space": []}
    samples = {"train": 10, "validation": 5}
    (folder / "study.json").write_text(json.dumps({"schema": 1, **about, **how, "samples": samples}))
    runs = [{"seed": seed, "run": run.path.name} for seed, run in enumerate(tested)]
    first = {"rank": 1, "trial": 0, "values": [0.5], "chosen": {}, "runs": runs}
    tally = {"all": 1, "complete": 1, "pruned": 0, "failed": 0}
    outcome = {"study": folder.name, "label": "tiny", "objectives": ["macro_f1"], "trials": tally}
    (folder / "outcome.json").write_text(json.dumps({**outcome, "finalists": [first]}))
    connection = sqlite3.connect(folder / "study.db")
    connection.execute("CREATE TABLE trials (number INTEGER)")
    connection.executemany("INSERT INTO trials VALUES (?)", [(n,) for n in range(5000)])
    connection.commit()
    connection.close()
    return folder


def test_rm_refuses_a_run_that_a_study_tested_and_no_other_trial(results, ferbench_cli):
    tested, trial = make_run(results, name="tested"), make_run(results, name="trial", seed=7)
    make_study(results, [tested])
    refused = ferbench_cli("runs", "rm", "tested", "--yes")
    assert refused.exit_code == 2
    assert re.search(f"{tested.path.name} 'tested' .* is needed by study 0123456789ab", refused.stderr)
    assert re.search(r"needed by +study 0123456789ab", ferbench_cli("runs", "show", "tested").stdout)
    assert ferbench_cli("runs", "rm", "trial", "--yes").exit_code == 0
    assert not trial.exists()
    assert ferbench_cli("runs", "rm", "tested", "--yes", "--force").exit_code == 0
    found = ferbench_cli("runs", "verify")
    assert found.exit_code == 0
    assert f"note: studies/0123456789ab/outcome.json: runs that it tested are gone: {tested.path.name}" in found.stdout


@pytest.mark.parametrize("file", ["study.json", "outcome.json", "study.db"])
def test_verify_finds_a_damaged_file_of_a_study(results, ferbench_cli, file):
    (results / "runs").mkdir(parents=True)
    folder = make_study(results, [])
    assert ferbench_cli("runs", "verify").exit_code == 0
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    found = ferbench_cli("runs", "verify")
    assert found.exit_code == 1
    assert f"damaged: studies/0123456789ab/{file}: " in found.stdout
    assert "0 runs checked, 0 whole" in found.stdout


def test_a_list_chooses_pruned_runs(results, listed):
    make_run(results, name="hopeless", status="pruned", message="others were better")
    make_run(results, name="good")
    assert set(listed("--status", "pruned")) == {"hopeless"}


def test_rm_takes_parent_and_child_together(results, ferbench_cli):
    parent = make_run(results, name="parent")
    make_run(results, name="child", parents=[{"run": parent.path.name, "at": "best", "epoch": 1}])
    assert ferbench_cli("runs", "rm", "parent", "child", "--yes").exit_code == 0
    assert list(parent.path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["..", ".", "../..", "/", "", ".index.json", "../../outside", "no-such-run", "outside"]
)
def test_rm_removes_nothing_that_is_no_run(results, tmp_path, ferbench_cli, name):
    run = make_run(results, name="one")
    make_run(tmp_path / "elsewhere", name="outside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "run.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    done = ferbench_cli("runs", "rm", name, "--yes", "--force")
    assert done.exit_code == 2
    assert sorted(path for path in tmp_path.rglob("*") if path.name != ".index.json") == before
    assert run.exists()


def test_rm_leaves_what_links_lead_to(results, tmp_path, ferbench_cli):
    run = make_run(results, name="one")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    (run.path / "link").symlink_to(tmp_path / "mine")
    assert ferbench_cli("runs", "rm", "one", "--yes").exit_code == 0
    assert not run.path.exists()
    assert (tmp_path / "mine" / "file").read_text() == "precious"


def test_a_run_without_a_record_goes_by_its_full_id(results, ferbench_cli):
    run = make_run(results, name="one")
    run.record_path.unlink()
    assert ferbench_cli("runs", "rm", run.path.name, "--yes").exit_code == 0
    assert not run.path.exists()


def test_a_removal_that_is_cut_short_leaves_no_half_run(results, ferbench_cli, monkeypatch):
    run = make_run(results, name="one")

    def cut_short(path, *rest, **named):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", cut_short)
        done = ferbench_cli("runs", "rm", "one", "--yes")
    assert done.exit_code == 2
    assert "ferbench doctor --fix" in done.stderr
    assert not run.path.exists()
    assert json.loads(ferbench_cli("runs", "list", "--json").stdout) == []


def test_verify_ends_with_1_when_something_is_damaged(results, ferbench_cli):
    run = make_run(results, name="one", status="running")
    run.record_path.write_text("{")
    done = ferbench_cli("runs", "verify")
    assert done.exit_code == 1
    assert done.stdout.startswith(f"damaged: {run.path.name}/run.json: ")
    assert "→" in done.stdout
    assert "1 run checked, 0 whole" in done.stdout
    assert json.loads(ferbench_cli("runs", "verify", "--json").stdout)["damaged"] == 1


def test_what_is_left_of_a_removed_run_is_no_run_to_verify(results, ferbench_cli):
    run = make_run(results, name="one")
    run.path.rename(run.path.with_name(f".{run.path.name}.removing-0a1b2c3d"))
    done = ferbench_cli("runs", "verify")
    assert (done.exit_code, done.stdout) == (0, "0 runs checked, 0 whole\n")


def test_verify_leaves_a_run_alone_that_is_being_written(results, ferbench_cli):
    run = make_run(results, name="one", status="running")
    with only_writer(run):
        done = ferbench_cli("runs", "verify")
    assert done.exit_code == 0
    assert f"not checked: {run.path.name}" in done.stdout


def test_a_path_and_an_id_meet_at_one_lock(results, tmp_path):
    from ferbench.runs.find import find_run

    run = make_run(results, name="one")
    (tmp_path / "latest").symlink_to(run.path)
    found = find_run(tmp_path / "nowhere", str(tmp_path / "latest"))
    assert lock_path(found).resolve() == lock_path(RunDirectory(run.path)).resolve()
    assert holder_path(found).parent == run.path.parent.resolve()
