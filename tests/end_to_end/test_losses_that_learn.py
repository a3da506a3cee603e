"""Runs with a loss that has parameters and a memory, and that corrects labels."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from shared_runs import ended, history, only_run, record_of

from ferbench.errors import UserError
from ferbench.runs.corrections import read_corrections
from ferbench.runs.directory import RunDirectory
from ferbench.runs.verify import Verification
from ferbench.training.interruption import Interrupted
from ferbench.training.saving import RunSaver

PLUGIN = Path(__file__).with_name("learning.py")
SETTINGS = (
    "dataset.size=16",
    "dataset.train=80",
    "dataset.test=30",
    "data.image_size=16",
    "training.batch_size=16",
    "training.epochs=3",
    "training.loss_lr_factor=3",
    "training.clip_norm=1.0",
    "training.accumulate=2",
    "runtime.checkpoint_every=1",
    "runtime.device=cpu",
    "optimizer.name=sgd",
    "optimizer.lr=0.2",
    "optimizer.momentum=0.9",
    "schedule.name=cosine",
)


def asked(*settings: str) -> list[str]:
    sets = [part for setting in (*SETTINGS, *settings) for part in ("--set", setting)]
    return ["run", "--plugin", str(PLUGIN), "--model", "two-wide", "--loss", "margins", *sets, "--no-report"]


@pytest.fixture(scope="module")
def one(tmp_path_factory, cache) -> Path:
    results = tmp_path_factory.mktemp("one")
    done = ended(asked(), results, cache)
    assert done.exit_code == 0, done.output
    return only_run(results)


def tensors(run: Path, name: str) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(run / "checkpoints" / f"{name}.safetensors")


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "corrections.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_parameters_of_the_loss_are_trained_and_counted_apart(one):
    record = record_of(one)
    assert record["model"]["loss_parameters"] == 7
    assert record["model"]["parameters"] == record["model"]["trainable"] == 6 * 16 + 6 + 96 * 2 + 2 + 2 * 7 + 7
    model, loss = history(one)[0]["learning_rates"]
    assert loss == pytest.approx(3 * model)
    kept = tensors(one, "best-loss")
    assert {name.removeprefix("loss.") for name in kept} == {"margins", "memory"}


def test_two_devices_learn_what_one_does(one, tmp_path, cache):
    """The loss asks at every batch whether all ranks have the same weights, its own and the classifier's."""
    done = ended([*asked(), "--devices", "2"], tmp_path, cache)
    assert done.exit_code == 0, done.output
    two = only_run(tmp_path)
    assert two.name == one.name
    for name in ("best", "best-loss"):
        expected, found = tensors(one, name), tensors(two, name)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5, err_msg=key)
    assert rows(two) == rows(one)
    assert [epoch["corrected"] for epoch in history(two)] == [epoch["corrected"] for epoch in history(one)]


def test_what_was_corrected_stands_in_the_run_and_is_vouched_for(one):
    record, found = record_of(one), rows(one)
    ids = [row["id"] for row in found]
    assert len(set(ids)) == len(ids) == record["training"]["corrected"] == history(one)[-1]["corrected"]["samples"] > 0
    assert all(row["given"] != row["corrected"] and row["epoch"] in "123" for row in found)
    assert "corrections.csv" in record["files"]
    assert Verification.of(RunDirectory(one)).verdict == "whole"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace(",1\n", ",2\n", 1), "its SHA-256 is another"),
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], "corrected labels, run.json"),
        (lambda text: text[:-3], "it was cut short"),
        (lambda text: text.replace("given", "label"), "it has not the columns id, given, corrected, epoch"),
        (lambda text: text.replace("happy", "hungry"), "it has other classes than run.json"),
    ],
)
def test_a_file_of_corrections_that_was_changed_is_found(one, tmp_path, change, said):
    run = tmp_path / one.name
    shutil.copytree(one, run)
    text = (run / "corrections.csv").read_text()
    assert change(text) != text
    (run / "corrections.csv").write_text(change(text))
    (finding,) = [each for each in Verification.of(RunDirectory(run)).findings if each.damage]
    assert finding.file == "corrections.csv"
    assert said in finding.what


def test_a_file_of_corrections_that_was_cut_is_damaged_wherever_it_is_read(one, tmp_path, ferbench_cli):
    shutil.copytree(one.parent.parent, tmp_path / "r")
    path = tmp_path / "r" / "runs" / one.name / "corrections.csv"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match=r"corrections\.csv is damaged: it was cut short"):
        read_corrections(RunDirectory(path.parent))
    done = ferbench_cli("report", one.name, "--results", tmp_path / "r")
    assert done.exit_code == 2
    assert "corrections.csv is damaged: it was cut short" in done.stderr


def test_people_are_shown_how_many_labels_were_corrected_and_how_many_parameters_the_loss_has(
    one, tmp_path, ferbench_cli
):
    results = one.parent.parent
    shown = ferbench_cli("runs", "show", one.name, "--results", results).stdout
    record = record_of(one)
    corrected, learnt = record["training"]["corrected"], sum(record["data"]["counts"]["train"].values())
    assert f"{corrected} of {learnt} training labels, by the loss: corrections.csv says which" in shown
    assert "loss_parameters" in shown
    made = ferbench_cli("report", one.name, "--results", results, "-o", tmp_path / "page.html", "--tables", tmp_path)
    assert made.exit_code == 0, made.stderr
    assert "and 7 of the loss" in (tmp_path / "page.html").read_text()
    (table,) = tmp_path.glob("corrections-*.csv")
    with table.open(newline="") as file:
        counted = {line["given"]: int(line["all"]) for line in csv.DictReader(file)}
    assert sum(counted.values()) == corrected
    assert counted == {name: sum(row["given"] == name for row in rows(one)) for name in counted}


@pytest.mark.parametrize("batches", [0, 2])
def test_a_run_that_was_stopped_ends_with_the_same_bits(one, tmp_path, cache, monkeypatch, batches):
    real = RunSaver._save

    def stop(self, training):
        real(self, training)
        if (training.at.epoch, training.at.batches) == (2, batches):
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "_save", stop)
    assert ended(asked(), tmp_path, cache).exit_code != 0
    monkeypatch.setattr(RunSaver, "_save", real)
    done = ended(asked(), tmp_path, cache)
    assert done.exit_code == 0, done.output
    again = only_run(tmp_path)
    assert len(record_of(again)["resumed"]) == 1
    assert history(again) == history(one)
    assert (again / "corrections.csv").read_bytes() == (one / "corrections.csv").read_bytes()
    for name in ("best", "best-loss"):
        expected, found = tensors(one, name), tensors(again, name)
        assert all(np.array_equal(found[key], value) for key, value in expected.items())
    assert Verification.of(RunDirectory(again)).verdict == "whole"


def test_the_kept_weights_are_tested_with_the_parameters_that_the_loss_had_then(one):
    record = record_of(one)
    best = record["training"]["best_epoch"]
    (validation,) = [each for each in record["evaluations"].values() if each["split"] == "validation"]
    assert validation["metrics"]["loss"] == pytest.approx(history(one)[best - 1]["validation"]["loss"], rel=1e-6)


def test_a_run_that_begins_anew_keeps_no_corrections_of_the_one_before(one, tmp_path, cache):
    shutil.copytree(one.parent.parent, tmp_path / "r")
    run = tmp_path / "r" / "runs" / one.name
    shutil.rmtree(run / "checkpoints")
    for settings in (asked(), asked("loss.correct=false")):
        done = ended(settings, tmp_path / "r", cache)
        assert done.exit_code == 0, done.output
    assert rows(run) == rows(one)
    (other,) = [path.parent for path in tmp_path.glob("r/runs/*/run.json") if path.parent != run]
    assert not (other / "corrections.csv").exists()
    assert "corrected" not in json.loads((other / "run.json").read_text())["training"]
    assert all("corrected" not in epoch for epoch in history(other))
