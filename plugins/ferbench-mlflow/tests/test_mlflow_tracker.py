"""Runs through the command line, into a real SQLite database that MLflow reads back."""

from __future__ import annotations

import importlib.metadata
import json
import socket
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from ferbench.cli import cli
from ferbench.plugin.discovery import load_registry
from ferbench.testing import Subject, check, failed
from ferbench_mlflow.tracker import MlflowTracker, numbers

ENTRY = "ferbench_mlflow.plugin"
INSTALLED = any(entry.value == ENTRY for entry in importlib.metadata.entry_points(group="ferbench"))
PLUGIN = () if INSTALLED else ("--plugin", ENTRY)
QUICK = ("dataset.size=24", "dataset.train=70", "dataset.test=14", "training.epochs=2")


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> str:
    """One for the module: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


def run(folder: Path, uri: str, experiment: str, *flags: str, sets: tuple[str, ...] = QUICK):
    recipe = f"[[trackers]]\nname = 'mlflow'\nuri = '{uri}'\nexperiment = '{experiment}'\n"
    (folder / "recipe.toml").write_text(f"name = 'tracked'\n{recipe}")
    settings = [part for one in sets for part in ("--set", one)]
    places = ["--results", str(folder / "results"), "--cache", str(folder / "cache"), "--quiet"]
    arguments = ["run", str(folder / "recipe.toml"), "--model", "linear", *settings, *flags, *places, *PLUGIN]
    return CliRunner().invoke(cli, arguments)


def stored(uri: str, experiment: str) -> list:
    client = MlflowClient(tracking_uri=uri)
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def test_the_entry_point_names_the_plugin():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"ferbench": {"mlflow": ENTRY}}


def test_it_keeps_the_rules_of_trackers(database):
    component = load_registry(PLUGIN[1:]).find("tracker", "mlflow")
    assert failed(check(Subject(component, {"uri": database, "experiment": "rules"}))) == []


def test_a_run_is_stored_with_settings_metrics_and_scores(database, tmp_path):
    done = run(tmp_path, database, "finished")
    assert done.exit_code == 0, done.output
    (path,) = [found.parent for found in (tmp_path / "results" / "runs").glob("*/run.json")]
    record = json.loads((path / "run.json").read_text())
    history = [json.loads(line) for line in (path / "history.jsonl").read_text().splitlines()]
    (found,) = stored(database, "finished")
    assert (found.info.status, found.info.run_name) == ("FINISHED", "tracked")
    assert found.data.tags["ferbench.training_id"] == record["identity"]["training_id"]
    assert found.data.tags["ferbench.best"] == str(path / "checkpoints" / "best.safetensors")
    assert found.data.params["model"] == "linear"
    assert found.data.params["training.epochs"] == "2"
    assert found.data.params["optimizer.lr"] == str(record["components"]["optimizer"]["options"]["lr"])
    losses = MlflowClient(tracking_uri=database).get_metric_history(found.info.run_id, "validation.loss")
    assert [(one.step, one.value) for one in losses] == [(e["epoch"], e["validation"]["loss"]) for e in history]
    (test,) = [one for one in record["evaluations"].values() if one["split"] == "test"]
    assert found.data.metrics["final_test.macro_f1"] == test["metrics"]["macro_f1"]


def test_a_run_that_fails_is_stored_as_failed_and_one_that_is_interrupted_as_killed(database, tmp_path):
    done = run(tmp_path, database, "diverged", "--set", "optimizer.lr=1e38")
    assert done.exit_code == 1
    (found,) = stored(database, "diverged")
    assert (found.info.status, found.data.tags["ferbench.status"]) == ("FAILED", "diverged")
    tracker = MlflowTracker(uri=database, experiment="interrupted")
    record = {"identity": {"training_id": "v1:a", "config_id": "v1:b"}, "components": {}, "recipe": {}}
    tracker.run_started({**record, "status": "running"})
    tracker.run_failed({**record, "status": "interrupted", "error": {"type": "Interrupted", "message": ""}})
    assert [one.info.status for one in stored(database, "interrupted")] == ["KILLED"]


def test_a_run_that_goes_on_goes_on_in_the_same_mlflow_run(database):
    record = {"identity": {"training_id": "v1:c", "config_id": "v1:d"}, "components": {}, "recipe": {}}
    record["status"] = "running"
    first = MlflowTracker(uri=database, experiment="resumed")
    first.run_started(record)
    first.epoch_ended({"epoch": 1, "train": {"loss": 2.0}})
    second = MlflowTracker(uri=database, experiment="resumed")
    second.run_started({**record, "resumed": [{"epoch": 2}]})
    second.epoch_ended({"epoch": 2, "train": {"loss": 1.0}})
    second.run_finished({**record, "status": "done", "evaluations": {}})
    (found,) = stored(database, "resumed")
    losses = MlflowClient(tracking_uri=database).get_metric_history(found.info.run_id, "train.loss")
    assert [one.step for one in losses] == [1, 2]
    assert found.info.status == "FINISHED"


def test_a_database_that_cannot_be_opened_does_not_fail_the_run(tmp_path):
    done = run(tmp_path, "nonsense://nowhere", "none")
    assert done.exit_code == 0, done.output
    assert "tracker 'mlflow' of plugin 'mlflow' (ferbench-mlflow " in done.stderr
    assert "could not be built and is left out" in done.stderr


def test_a_run_that_a_silent_server_missed_is_sent_later_once(database, tmp_path, monkeypatch):
    from ferbench.training import trackers

    monkeypatch.setattr(trackers, "PATIENCE", 0.5)
    monkeypatch.setattr(trackers, "stuck", [])
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, and says nothing
        done = run(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}", "late")
    assert (done.exit_code, "no answer for" in done.stderr) == (0, True), done.output
    flags = ["--tracker", "mlflow", "--set", f"uri={database}", "--set", "experiment=late", *PLUGIN]
    for _ in range(2):
        sent = CliRunner().invoke(cli, ["runs", "send", "tracked", *flags, "--results", str(tmp_path / "results")])
        assert sent.exit_code == 0, sent.output
    (found,) = stored(database, "late")
    assert (found.info.status, found.data.tags["ferbench.status"]) == ("FINISHED", "done")
    client = MlflowClient(tracking_uri=database)
    assert [metric.step for metric in client.get_metric_history(found.info.run_id, "train.loss")] == [1, 2]
    assert len(client.get_metric_history(found.info.run_id, "final_test.macro_f1")) == 1


def test_names_are_made_of_what_mlflow_takes():
    found = dict(numbers({"f1": {"très heureux(se)": 0.5, "nothing": None}, "rates": [1, 0.5], "bad": float("nan")}))
    assert found == {"f1.très heureux_se_": 0.5, "rates.0": 1.0, "rates.1": 0.5}


def test_classes_whose_names_differ_in_other_characters_stay_apart():
    assert dict(numbers({"f1": {"sad?": 0.25, "sad!": 0.5, "sad_": 0.75}})) == {
        "f1.sad_": 0.25,
        "f1.sad__": 0.5,
        "f1.sad___": 0.75,
    }
