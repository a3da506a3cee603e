"""Checkpoints that only going on needs."""

from __future__ import annotations

import pytest
from made_runs import make_run
from record_files import read_record, write_record
from torch import nn

from ferbench.runs.lock import only_writer
from ferbench.runs.trimming import trim, trimmed
from ferbench.training.checkpoints import save_weights

SNAPSHOTS = ("step-00000004-end", "step-00000008-end")


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def trained(results, **about):
    run = make_run(results, **about)
    run.checkpoints.mkdir()
    for name in ("best", *SNAPSHOTS):
        save_weights(run.checkpoints, name, nn.Linear(2, 2), {"epoch": 1, "select": "macro_f1", "value": 0.5})
    return run


def left(run):
    return sorted(path.stem for path in run.checkpoints.glob("*.json"))


def test_snapshots_go_and_the_best_weights_stay(results):
    run = trained(results, name="one")
    before = sum(path.stat().st_size for path in run.checkpoints.iterdir())
    found = trimmed(results, run, asked=False)
    assert found.kept == ""
    trim(found)
    assert left(run) == ["best"]
    assert sum(path.stat().st_size for path in run.checkpoints.iterdir()) == before - found.bytes
    assert trimmed(results, run, asked=False) is None


@pytest.mark.parametrize("status", ["failed", "interrupted", "diverged", "running"])
def test_runs_that_may_go_on_keep_theirs(results, status):
    assert "not done" in trimmed(results, trained(results, status=status), asked=True).kept


def test_a_run_whose_best_weights_are_damaged_keeps_them(results):
    run = trained(results)
    (run.checkpoints / "best.safetensors").write_bytes(b"cut")
    assert "best weights" in trimmed(results, run, asked=True).kept


def test_what_was_kept_on_purpose_goes_only_by_name(results):
    run = trained(results)
    record = read_record(run)
    record["recipe"]["training"]["keep"] = "epochs"
    write_record(run, record)
    assert "training.keep is epochs" in trimmed(results, run, asked=False).kept
    assert trimmed(results, run, asked=True).kept == ""


def test_an_unfinished_child_still_needs_its_parent(results):
    parent = trained(results)
    about = {"run": parent.path.name, "training_id": "v1:1", "config_id": "v1:2", "at": "2", "epoch": 2}
    about["weights_sha256"] = "0" * 64
    child = make_run(results, model="child", status="interrupted", parents=[about])
    assert child.path.name in trimmed(results, parent, asked=True).kept


def test_a_run_at_work_keeps_them(results):
    run = trained(results)
    with only_writer(run):
        assert "at work" in trimmed(results, run, asked=True).kept


def test_the_command_says_what_it_frees_and_then_frees_it(results, ferbench_cli):
    run = trained(results, name="one")
    shown = ferbench_cli("runs", "trim", "--dry-run")
    assert "'one'" in shown.stdout
    assert "would be removed: checkpoints of 1 run" in shown.stdout
    assert len(left(run)) == 3
    assert "removed: checkpoints of 1 run" in ferbench_cli("runs", "trim", "one", "--yes").stdout
    assert left(run) == ["best"]
    assert "nothing to remove" in ferbench_cli("runs", "trim").stdout
