"""``ferbench resume``: go on with a run by its name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from record_files import write_record

from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory
from ferbench.runs.epoch_predictions import read_epoch_predictions, write_epoch_predictions
from ferbench.runs.sealed import seal
from ferbench.runs.verify import Verification
from ferbench.storage import json_bytes
from ferbench.training.interruption import Interrupted
from ferbench.training.position import Position
from ferbench.training.saving import RunSaver

TINY = ("run", "--model", "linear", "--results", "r", "--cache", "c", "--quiet", "--no-report", "--name", "mine")
SMALL = (
    "--set",
    "dataset.train=60",
    "--set",
    "dataset.test=30",
    "--set",
    "training.epochs=4",
    "--set",
    "dataset.size=16",
)


@pytest.fixture
def stopped(ferbench_cli, monkeypatch):
    """A run that a signal ended after its second epoch."""
    real = RunSaver.epoch_done

    def stop(self, training, improved):
        real(self, training, improved)
        if training.at.epoch == 3:
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "epoch_done", stop)
    assert ferbench_cli(*TINY, *SMALL).exit_code != 0
    monkeypatch.setattr(RunSaver, "epoch_done", real)
    (path,) = Path("r/runs").glob("*/run.json")
    assert json.loads(path.read_text())["status"] == "interrupted"
    return path


def test_a_stopped_run_goes_on_by_its_name_and_loses_no_epoch(stopped, ferbench_cli):
    done = ferbench_cli("resume", "mine", "--results", "r", "--cache", "c")
    assert done.exit_code == 0, done.stderr
    assert "resumed at epoch 3" in done.stderr
    record = json.loads(stopped.read_text())
    assert record["status"] == "done"
    assert [one["epoch"] for one in record["resumed"]] == [3]
    epochs = [json.loads(line)["epoch"] for line in (stopped.parent / "history.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3, 4]


def test_a_run_that_is_done_is_only_shown(stopped, ferbench_cli):
    ferbench_cli("resume", "mine", "--results", "r", "--cache", "c", "--quiet")
    before = stopped.read_bytes()
    again = ferbench_cli("resume", "mine", "--results", "r", "--cache", "c", "--quiet")
    assert again.exit_code == 0
    assert "reused" in again.stdout
    assert stopped.read_bytes() == before


def test_a_run_whose_data_changed_cannot_go_on(stopped, ferbench_cli):
    record = json.loads(stopped.read_text())
    record["identity"]["training_id"] = "v1:" + "0" * 64
    record["identity"]["covers"]["rows"]["train"] = "v1:other"
    record["identity"]["covers"]["components"]["model"]["version"] = "0.0.1"
    write_record(RunDirectory(stopped.parent), record)
    done = ferbench_cli("resume", "mine", "--results", "r", "--cache", "c")
    assert done.exit_code == 2
    assert "no longer the same experiment (components.model.version, rows.train)" in done.stderr


def test_a_damaged_best_checkpoint_and_history_are_mended_from_the_last_snapshot(stopped, ferbench_cli):
    best = json.loads((stopped.parent / "checkpoints" / "best.json").read_text())
    assert best["epoch"] == 2, "the second epoch is the best of this run"
    (stopped.parent / "checkpoints" / "best.safetensors").write_bytes(b"gone")
    history = stopped.parent / "history.jsonl"
    history.write_text(history.read_text().splitlines()[0] + "\n")
    done = ferbench_cli("resume", "mine", "--results", "r", "--cache", "c", "--quiet")
    assert done.exit_code == 0, done.stderr
    epochs = [json.loads(line)["epoch"] for line in history.read_text().splitlines()]
    assert epochs == [1, 2, 3, 4]


def test_damaged_checkpoints_are_named_and_the_one_before_is_used(stopped, ferbench_cli):
    newest = max((stopped.parent / "checkpoints").glob("step-*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1])
    done = ferbench_cli("resume", "mine", "--results", "r", "--cache", "c")
    assert done.exit_code == 0, done.stderr
    assert newest.stem in done.stderr
    assert "resumed at epoch 2" in done.stderr
    epochs = [json.loads(line)["epoch"] for line in (stopped.parent / "history.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3, 4]


def test_a_damaged_checkpoint_after_a_new_best_epoch_loses_only_what_came_after_the_one_before(
    ferbench_cli, monkeypatch
):
    """The best weights on disk are then of an epoch that the older checkpoint has not come to."""
    args = (*TINY, *SMALL, "--set", "training.select=loss", "--set", "training.batch_size=8")
    args += ("--set", "runtime.checkpoint_every=4", "--set", "data.group_by=none")
    assert ferbench_cli(*args, "--results", "whole").exit_code == 0
    real = RunSaver.epoch_done

    def stop(self, training, improved):
        real(self, training, improved)
        if training.at.epoch == 3:
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "epoch_done", stop)
    assert ferbench_cli(*args).exit_code != 0
    monkeypatch.setattr(RunSaver, "epoch_done", real)
    (path,) = Path("r/runs").glob("*/checkpoints")
    assert json.loads((path / "best.json").read_text())["epoch"] == 2, "the second epoch is the best of this run"
    before, newest = sorted(path.glob("step-*.safetensors"))
    assert newest.stem.endswith("-end")
    assert not before.stem.endswith("-end")
    newest.write_bytes(b"gone")
    done = ferbench_cli(*args, "--results", "r")
    assert done.exit_code == 0, done.stderr
    assert newest.stem in done.stderr
    (record,) = Path("r/runs").glob("*/run.json")
    assert [one["epoch"] for one in json.loads(record.read_text())["resumed"]] == [2]
    (expected,) = Path("whole/runs").glob("*/checkpoints/best.safetensors")
    assert (path / "best.safetensors").read_bytes() == expected.read_bytes()


def test_a_local_plugin_that_is_not_given_again_is_named(ferbench_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import ferbench\nfrom ferbench_builtin.losses.cross_entropy import cross_entropy\n"
        "@ferbench.hookimpl\ndef ferbench_losses():\n"
        "    yield ferbench.LossSpec('my-loss', build='mine:build', summary='as ever')\n"
        "def build(task):\n    return cross_entropy(task)\n"
    )
    made = ferbench_cli(*TINY, *SMALL, "--plugin", "mine.py", "--loss", "my-loss")
    assert made.exit_code == 0, made.stderr
    asked = ("resume", "mine", "--results", "r", "--cache", "c", "--quiet")
    refused = ferbench_cli(*asked)
    assert refused.exit_code == 2
    assert "needs the local plugin mine, which was not given" in refused.stderr
    assert "--plugin mine.py" in refused.stderr
    assert ferbench_cli(*asked, "--plugin", "mine.py").exit_code == 0


@pytest.fixture
def go_on(ferbench_cli):
    return lambda: ferbench_cli("resume", "mine", "--results", "r", "--cache", "c", "--quiet")


def test_a_history_that_was_changed_does_not_go_on_and_is_not_covered_anew(stopped, go_on):
    history = stopped.parent / "history.jsonl"
    whole = history.read_bytes()
    first, rest = whole.split(b"\n", 1)
    history.write_bytes(first.replace(b"0.", b"1.", 1) + b"\n" + rest)
    for _ in range(2):
        refused = go_on()
        assert refused.exit_code == 2
        assert "history.jsonl is not what was written" in refused.stderr
        found = Verification.of(RunDirectory(stopped.parent)).findings
        assert [one.file for one in found if one.damage] == ["history.jsonl"]
    history.write_bytes(whole)
    assert go_on().exit_code == 0
    assert Verification.of(RunDirectory(stopped.parent)).verdict == "whole"


def test_a_failure_before_a_run_goes_on_covers_nothing_anew(stopped, go_on, monkeypatch):
    history = stopped.parent / "history.jsonl"
    history.write_bytes(history.read_bytes().replace(b"0.", b"1.", 1))

    def fail(plan):
        raise UserError("no room", "wait")

    monkeypatch.setattr("ferbench.training.run.checked_model", fail)
    assert go_on().exit_code == 2
    assert json.loads(stopped.read_text())["status"] == "failed"
    assert "history.jsonl" in [one.file for one in Verification.of(RunDirectory(stopped.parent)).findings if one.damage]


def test_a_checkpoint_that_was_sealed_anew_is_not_used(stopped, go_on):
    *_, newest = sorted((stopped.parent / "checkpoints").glob("step-*.json"))
    about = json.loads(newest.read_text())
    newest.write_bytes(json_bytes(seal({**about, "note": "mine"})))
    done = go_on()
    assert done.exit_code == 0, done.stderr
    assert f"{newest.stem}.json is damaged: its SHA-256 in run.json is another" in done.stderr
    assert [one["epoch"] for one in json.loads(stopped.read_text())["resumed"]] == [2]


def test_a_resumed_run_has_the_same_predictions_after_each_epoch_and_says_the_same_of_them(stopped, ferbench_cli):
    assert ferbench_cli("resume", "mine", "--results", "r", "--cache", "c", "--quiet").exit_code == 0
    assert ferbench_cli(*TINY, *SMALL, "--results", "whole").exit_code == 0
    (whole,) = Path("whole/runs").glob("*/run.json")
    assert (stopped.parent / "epochs.npz").read_bytes() == (whole.parent / "epochs.npz").read_bytes()
    resumed, once = (json.loads(path.read_text())["training"]["on_test"] for path in (stopped, whole))
    assert resumed == once


def test_a_run_whose_first_epochs_an_older_release_trained_says_nothing_of_them(ferbench_cli, monkeypatch, request):
    with monkeypatch.context() as older:
        older.setattr(Position, "predictions", None)
        stopped = request.getfixturevalue("stopped")
    done = ferbench_cli("resume", "mine", "--results", "r", "--cache", "c", "--quiet")
    assert done.exit_code == 0, done.stderr
    assert not (stopped.parent / "epochs.npz").exists()
    assert "on_test" not in json.loads(stopped.read_text())["training"]
    assert Verification.of(RunDirectory(stopped.parent)).verdict == "whole"


def test_other_predictions_after_an_epoch_are_found_though_the_digest_was_changed_too(stopped, ferbench_cli):
    ferbench_cli("resume", "mine", "--results", "r", "--cache", "c", "--quiet")
    run = RunDirectory(stopped.parent)
    predicted = read_epoch_predictions(run)
    predicted[1] = (predicted[1] + 1) % 7
    write_epoch_predictions(run, predicted)
    record = json.loads(stopped.read_text())
    record["files"]["epochs.npz"] = hashlib.sha256((run.path / "epochs.npz").read_bytes()).hexdigest()
    write_record(run, record)
    (finding,) = Verification.of(run).findings
    assert finding.file == "epochs.npz"
    assert "the accuracy after epoch 2 is" in finding.what
    record["training"]["on_test"]["gains"]["accuracy"]["mean"] += 0.01
    predicted[1] = (predicted[1] + 6) % 7
    write_epoch_predictions(run, predicted)
    record["files"]["epochs.npz"] = hashlib.sha256((run.path / "epochs.npz").read_bytes()).hexdigest()
    write_record(run, record)
    (finding,) = Verification.of(run).findings
    assert "what choosing the epoch on test would have bought" in finding.what
