"""Runs through the command line, into real event files that TensorBoard's own reader reads back."""

from __future__ import annotations

import importlib.metadata
import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ferbench.cli import cli
from ferbench.plugin.discovery import load_registry
from ferbench.testing import Subject, check, failed
from ferbench_tensorboard.tracker import TensorBoardTracker

ENTRY = "ferbench_tensorboard.plugin"
INSTALLED = any(entry.value == ENTRY for entry in importlib.metadata.entry_points(group="ferbench"))
PLUGIN = () if INSTALLED else ("--plugin", ENTRY)
QUICK = ("dataset.size=24", "dataset.train=70", "dataset.test=14", "training.epochs=2")
RECORD = {"identity": {"training_id": "v1:" + "a" * 64}, "components": {}, "recipe": {}, "status": "running"}


def run(folder: Path, *flags: str):
    (folder / "recipe.toml").write_text(
        f"name = 'tracked'\n[[trackers]]\nname = 'tensorboard'\nlogdir = '{folder / 'events'}'\n"
    )
    settings = [part for one in QUICK for part in ("--set", one)]
    places = ["--results", str(folder / "results"), "--cache", str(folder / "cache"), "--quiet"]
    arguments = ["run", str(folder / "recipe.toml"), "--model", "linear", *settings, *flags, *places, *PLUGIN]
    return CliRunner().invoke(cli, arguments)


def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def text(found: EventAccumulator, tag: str) -> str:
    (event,) = found.Tensors(tag)
    return event.tensor_proto.string_val[0].decode()


def test_the_entry_point_names_the_plugin():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"ferbench": {"tensorboard": ENTRY}}


def test_it_keeps_the_rules_of_trackers():
    component = load_registry(PLUGIN[1:]).find("tracker", "tensorboard")
    assert failed(check(Subject(component))) == []


def test_a_run_is_stored_with_settings_metrics_and_scores(tmp_path):
    done = run(tmp_path)
    assert done.exit_code == 0, done.output
    (path,) = [found.parent for found in (tmp_path / "results" / "runs").glob("*/run.json")]
    record = json.loads((path / "run.json").read_text())
    history = [json.loads(line) for line in (path / "history.jsonl").read_text().splitlines()]
    (folder,) = (tmp_path / "events").iterdir()
    assert folder.name == f"tracked-{path.name}"
    found = events(folder)
    for tag, part, key in (("validation/loss", "validation", "loss"), ("train/accuracy", "train", "accuracy")):
        told = [(event.step, event.value) for event in found.Scalars(tag)]
        assert told == [(one["epoch"], pytest.approx(one[part][key])) for one in history]
    (test,) = [one for one in record["evaluations"].values() if one["split"] == "test"]
    (final,) = found.Scalars("final_test/macro_f1")
    assert (final.step, final.value) == (record["training"]["best_epoch"], pytest.approx(test["metrics"]["macro_f1"]))
    settings = json.loads("\n".join(line[4:] for line in text(found, "settings").splitlines()))
    assert settings["components"]["model"]["name"] == "linear"


def test_how_a_run_failed_is_stored_as_text(tmp_path):
    done = run(tmp_path, "--set", "optimizer.lr=1e38")
    assert done.exit_code == 1
    (folder,) = (tmp_path / "events").iterdir()
    assert text(events(folder), "error").startswith("diverged: Diverged: the ")


def test_a_run_that_goes_on_adds_to_its_folder(tmp_path):
    for epoch in (1, 2):
        tracker = TensorBoardTracker(logdir=str(tmp_path))
        tracker.run_started({**RECORD, "name": "../a b"})
        tracker.epoch_ended({"epoch": epoch, "train": {"loss": 1.0 / epoch, "f1": {"happy": 0.5, "sad": None}}})
        tracker.run_finished({**RECORD, "evaluations": {}})
    (folder,) = tmp_path.iterdir()
    assert folder.name == "_a_b-aaaaaaaaaaaa"
    assert [event.step for event in events(folder).Scalars("train/loss")] == [1, 2]
    assert "train/f1/sad" not in events(folder).Tags()["scalars"]


def test_epochs_that_are_told_again_count_once(tmp_path):
    for number, (first, last) in enumerate(((1, 3), (3, 3), (1, 3))):  # trained, gone on with, and sent later
        tracker = TensorBoardTracker(logdir=str(tmp_path))
        tracker.run_started({**RECORD, "name": "again"})
        for epoch in range(first, last + 1):
            tracker.checkpoint_written({"kind": "best", "epoch": epoch})
            tracker.epoch_ended({"epoch": epoch, "train": {"loss": 1.0 / epoch}})
        final = {"own": {"split": "test", "metrics": {"macro_f1": 0.5}}}
        tracker.run_finished({**RECORD, "evaluations": final, "training": {"best_epoch": 2}})
        (folder,) = tmp_path.iterdir()
        (file,) = folder.glob("events.out.tfevents.??*")
        file.rename(folder / f"events.out.tfevents.{number}")  # names begin with the second, and three were made in one
    found = events(folder)
    assert [event.step for event in found.Scalars("train/loss")] == [1, 2, 3]
    assert [event.step for event in found.Scalars("best_epoch")] == [1, 2, 3]
    assert [event.step for event in found.Scalars("final_test/macro_f1")] == [2]
