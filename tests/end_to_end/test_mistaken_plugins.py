"""Runs with plugins that do what they must not: the record is right, or there is an error that names the plugin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from record_files import write_record

from ferbench.runs.directory import RunDirectory
from ferbench.training.interruption import Interrupted
from ferbench.training.saving import RunSaver

PLUGIN = Path(__file__).with_name("mistaken.py")
NAMED = f"of plugin 'mistaken' ({PLUGIN})"
SMALL = ("data.image_size=16", "training.epochs=3", "training.batch_size=16")
FACES = ("dataset.size=16", "dataset.train=60", "dataset.test=30")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(ferbench_cli, cache, tmp_path):
    def call(*settings: str, results: str = "r", fresh: bool = False, flags: tuple[str, ...] = ()):
        own = () if any(one.startswith("dataset.name") for one in settings) else FACES
        chosen = () if any(one.startswith("model.name") for one in settings) else ("model.name=linear",)
        sets = [part for setting in (*own, *SMALL, *chosen, *settings) for part in ("--set", setting)]
        where = ("--results", tmp_path / results, "--cache", cache, "--plugin", PLUGIN)
        return ferbench_cli("run", "--no-report", *where, *flags, *sets, fresh=fresh)

    return call


def directory(results: Path) -> Path:
    (path,) = results.glob("runs/*/run.json")
    return path.parent


def record(results: Path) -> dict:
    return json.loads((directory(results) / "run.json").read_text())


def history(results: Path) -> list[dict]:
    epochs = [json.loads(line) for line in (directory(results) / "history.jsonl").read_text().splitlines()]
    return [{key: value for key, value in epoch.items() if "second" not in key} for epoch in epochs]


def evaluation(results: Path, split: str) -> dict:
    (found,) = [one for one in record(results)["evaluations"].values() if one["split"] == split]
    return found


def probabilities(results: Path) -> np.ndarray:
    with np.load(
        directory(results) / "evaluations" / evaluation(results, "test")["id"][3:15] / "predictions.npz"
    ) as at:
        return at["probabilities"]


FLIP = ("evaluation.tta=flip", "training.accumulate=2")
TWO = ("--devices", "2", "--set", "runtime.device=cpu")


@pytest.mark.parametrize(
    ("settings", "flags"), [((), ()), (FLIP, ()), (FLIP, TWO)], ids=["plain", "flip", "flip on two devices"]
)
def test_a_margin_that_is_written_into_the_logits_is_the_same_run_as_one_that_is_not(run, tmp_path, flags, settings):
    for apart in ("false", "true"):
        done = run("loss.name=margin", f"loss.apart={apart}", *settings, results=apart, flags=flags)
        assert done.exit_code == 0, done.stderr
    np.testing.assert_array_equal(probabilities(tmp_path / "false"), probabilities(tmp_path / "true"))
    assert history(tmp_path / "false") == history(tmp_path / "true")


def test_a_sampler_that_sorts_its_labels_trains_on_the_right_ones(run, tmp_path):
    assert run("sampler.name=sorting", results="sorting").exit_code == 0
    assert run("sampler.name=shuffled", results="plain").exit_code == 0
    np.testing.assert_array_equal(probabilities(tmp_path / "sorting"), probabilities(tmp_path / "plain"))


STATEFUL = ("loss.name=moving", "training.select=loss", "runtime.checkpoint_every=1")


def test_the_kept_weights_are_tested_with_the_loss_that_they_were_validated_with(run, tmp_path):
    done = run(*STATEFUL, "optimizer.lr=1e-6", results="r")
    assert done.exit_code == 0, done.stderr
    best = record(tmp_path / "r")["training"]["best_epoch"]
    assert best == 1, "the loss grows with every epoch"
    expected = history(tmp_path / "r")[best - 1]["validation"]["loss"]
    assert evaluation(tmp_path / "r", "validation")["metrics"]["loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("flags", [(), TWO], ids=["one", "two"])
def test_an_evaluation_that_is_asked_for_later_has_that_loss_too(run, tmp_path, flags):
    assert run(*STATEFUL, "optimizer.lr=1e-6", flags=flags).exit_code == 0
    now = evaluation(tmp_path / "r", "test")["metrics"]["loss"]
    path = directory(tmp_path / "r")
    whole = record(tmp_path / "r")
    whole["evaluations"] = {}
    shutil.rmtree(path / "evaluations")
    write_record(RunDirectory(path), whole)
    assert run(*STATEFUL, "optimizer.lr=1e-6", flags=flags).exit_code == 0
    assert evaluation(tmp_path / "r", "test")["metrics"]["loss"] == pytest.approx(now, rel=1e-6)


@pytest.mark.parametrize("average", [(), ("training.ema=0.9", "training.patience=2")], ids=["plain", "average"])
@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_loss_with_a_state_goes_on_with_it(run, tmp_path, monkeypatch, batches, average):
    assert run(*STATEFUL, *average, results="whole").exit_code == 0
    real = RunSaver._save

    def stop(self, training):
        real(self, training)
        if (training.at.epoch, training.at.batches) == (2, batches):
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "_save", stop)
    assert run(*STATEFUL, *average, results="resumed").exit_code != 0
    monkeypatch.setattr(RunSaver, "_save", real)
    assert run(*STATEFUL, *average, results="resumed").exit_code == 0
    assert history(tmp_path / "whole") == history(tmp_path / "resumed")
    for file in ("best.safetensors", "best-loss.safetensors"):
        kept = [directory(tmp_path / name) / "checkpoints" / file for name in ("whole", "resumed")]
        one, two = (safetensors.numpy.load_file(path) for path in kept)
        assert one.keys() == two.keys()
        assert all(np.array_equal(one[name], two[name]) for name in one)


def test_a_damaged_state_of_the_loss_is_found_and_the_run_trained_anew(run, ferbench_cli, tmp_path):
    assert run(*STATEFUL).exit_code == 0
    before = evaluation(tmp_path / "r", "test")["metrics"]["loss"]
    kept = directory(tmp_path / "r") / "checkpoints" / "best-loss.safetensors"
    whole = kept.read_bytes()
    assert ferbench_cli("runs", "verify", "--results", tmp_path / "r").exit_code == 0
    kept.write_bytes(whole[:-1] + b"\xff")
    done = ferbench_cli("runs", "verify", "--results", tmp_path / "r")
    assert done.exit_code == 1
    assert "best-loss.safetensors is not what was written" in done.stdout + done.stderr
    assert run(*STATEFUL).exit_code == 0
    assert kept.read_bytes() == whole
    assert evaluation(tmp_path / "r", "test")["metrics"]["loss"] == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("loss.name=named",), f"loss 'named' {NAMED} returns a component 'loss' that has the name of something else"),
        (("loss.name=learnt",), f"loss 'learnt' {NAMED} has parameters that would never be trained: scales.affect"),
        (("loss.name=late",), f"loss 'late' {NAMED} makes parameters at its first batch, which the optimiser does not"),
        (("training.loss_lr_factor=2",), "training.loss_lr_factor = 2.0: loss 'cross-entropy' of plugin"),
        (("sampler.name=growing",), f"sampler 'growing' {NAMED} gives 44 positions for epoch 2, but 22 for epoch 1"),
    ],
)
def test_what_cannot_be_trained_or_recorded_is_refused_before_anything_is_written(run, tmp_path, settings, said):
    for flags in ((), ("--dry-run",)):
        done = run(*settings, flags=flags)
        assert done.exit_code == 2, done.stderr
        assert said in done.stderr
        assert not list(tmp_path.glob("r/runs/*/*"))


def test_a_sampler_that_turns_out_to_draw_more_fails_the_run_and_keeps_its_checkpoints(run, tmp_path):
    done = run("sampler.name=growing", "sampler.late=true")
    assert done.exit_code == 2
    assert f"sampler 'growing' {NAMED} gives 44 positions for epoch 2, but 22 for epoch 1" in done.stderr
    assert record(tmp_path / "r")["status"] == "failed"
    assert [epoch["epoch"] for epoch in history(tmp_path / "r")] == [1]
    assert list((directory(tmp_path / "r") / "checkpoints").glob("*-end.json"))


KINDS = ("loss", "sampler", "model", "augmentation", "optimizer", "schedule")


@pytest.mark.parametrize("where", ["building", "calling"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_names_the_component_and_its_plugin(run, tmp_path, kind, where):
    with pytest.raises((ValueError, RuntimeError)) as raised:
        run(f"{kind}.name=failing-{kind}", f"{kind}.where={where}")
    (note,) = raised.value.__notes__
    kind_of = type(raised.value).__name__
    assert note.startswith(f"{kind} 'failing-{kind}' {NAMED} raised {kind_of}: {str(raised.value)[:20]}")
    assert note.endswith("\n  → correct the plugin; the trace shows where")
    if list(tmp_path.glob("r/runs/*/run.json")):
        error = record(tmp_path / "r")["error"]
        assert error["message"] == note.partition("\n")[0]
        assert error["traceback"].rstrip().endswith(note)


def test_a_plugin_that_ends_the_program_fails_the_run(run, tmp_path):
    with pytest.raises(RuntimeError, match=r"it ends the program: SystemExit\(0\)"):
        run("loss.name=failing-loss", "loss.where=ending")
    error = record(tmp_path / "r")["error"]
    assert record(tmp_path / "r")["status"] == "failed"
    assert error["message"].startswith(f"loss 'failing-loss' {NAMED} raised RuntimeError: it ends the program")


@pytest.mark.parametrize("where", ["building", "calling"])
def test_an_exception_in_a_dataset_is_shown_with_its_trace_and_its_plugin(run, where):
    done = run("dataset.name=failing-dataset", f"dataset.where={where}", fresh=True)
    assert done.exit_code == 1
    trace, _, note = done.stderr.partition("ValueError: boom\n")
    assert trace.startswith("Traceback (most recent call last):")
    assert note == (
        f"dataset 'failing-dataset' {NAMED} raised ValueError: boom\n  → correct the plugin; the trace shows where\n"
    )


def test_one_failing_combination_of_several_says_whose_fault_it_is(run):
    done = run("loss.name=cross-entropy", flags=("--loss", "cross-entropy", "--loss", "failing-loss", "--quiet"))
    assert f"loss 'failing-loss' {NAMED} raised ValueError: boom" in done.stdout + done.stderr


def test_a_dry_run_says_whose_fault_it_is(run):
    done = run("loss.name=failing-loss", flags=("--dry-run",))
    assert done.exit_code == 2
    assert f"loss 'failing-loss' {NAMED} raised ValueError: boom" in done.stderr


def test_an_exception_on_another_device_names_the_plugin_too(run):
    with pytest.raises(Exception, match=r"device [12] of 2: ") as raised:
        run("loss.name=failing-loss", flags=("--devices", "2", "--set", "runtime.device=cpu"))
    assert f"loss 'failing-loss' {NAMED} raised ValueError: boom" in str(raised.value)


def test_a_model_whose_predictions_depend_on_their_neighbours_is_not_ranked(run, ferbench_cli, tmp_path):
    done = run("model.name=sociable-model")
    assert done.exit_code == 0, done.stderr
    reason = evaluation(tmp_path / "r", "test")["contaminated"]
    assert reason.startswith("predictions depend on the other images of a batch: alone, one of 8 images has")
    assert f"CONTAMINATED: {reason}; it is not ranked" in done.stdout
    board = ferbench_cli("leaderboard", "--results", tmp_path / "r").stdout
    assert board.startswith("not ranked:")
    assert "predictions depend on the other images" in " ".join(board.split())


def test_a_plain_model_is_of_no_batch(run, tmp_path):
    assert run("model.name=linear", "evaluation.tta=flip").exit_code == 0
    assert "contaminated" not in evaluation(tmp_path / "r", "test")
