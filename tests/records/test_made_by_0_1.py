"""Run directories of the release before, one of each kind (`made_by_0_1/README.md`), read with the code of today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from ferbench.cli import cli
from ferbench.records.run import Kind
from ferbench.runs.directory import RunDirectory, all_runs
from ferbench.runs.index import summaries

MADE = Path(__file__).parent / "made_by_0_1"
RUNS = sorted(path.parent for path in MADE.glob("runs/*/run.json"))

#: What a record is of, where ferbench did not train it.
KINDS = {"52fcc95f7da1": "ensemble", "3e1d7a228c2f": "imported", "0cff1cd76915": "imported"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A copy, since reading writes an index."""
    results = tmp_path_factory.mktemp("made") / "results"
    shutil.copytree(MADE / "runs", results / "runs")
    return results


@pytest.fixture
def ferbench(results):
    def call(*arguments: str):
        ended = CliRunner().invoke(cli, [*arguments, "--results", str(results)])
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    return call


def test_there_is_one_of_each_kind():
    records = [json.loads((path / "run.json").read_text()) for path in RUNS]
    assert all(record["schema"] == 1 for record in records)
    assert {record["status"] for record in records} == {"done", "failed", "diverged", "interrupted", "pruned"}
    assert {RunDirectory(path).load().kind for path in RUNS} == set(get_args(Kind)) - {"pooled"}  # that came later
    assert len(RUNS) == 18


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_a_record_says_what_it_said(path):
    raw = json.loads((path / "run.json").read_text())
    run = RunDirectory(path).load()
    assert run.kind == KINDS.get(path.name, "trained")
    assert run.plain() == {key: value for key, value in raw.items() if key != "imported"} | {
        "schema": 3,
        "kind": run.kind,
        "files": None,
    }
    assert run.identity.training_id == raw["identity"]["training_id"]
    assert run.data.counts == raw["data"]["counts"]
    assert run.seed == raw["recipe"]["training"]["seed"]
    assert list(run.evaluations) == list(raw["evaluations"])
    for name, entry in run.evaluations.items():
        assert entry.metrics == raw["evaluations"][name]["metrics"]
        for class_name, scores in entry.per_class.items():
            stated = raw["evaluations"][name]["per_class"][class_name]
            assert {key: getattr(scores, key) for key in stated} == stated
    if run.training is not None:
        assert {key: getattr(run.training, key) for key in raw["training"] if key != "stopped"} == {
            key: value for key, value in raw["training"].items() if key != "stopped"
        }


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_epochs_say_what_they_said(path):
    history = path / "history.jsonl"
    lines = [json.loads(line) for line in history.read_text().splitlines()] if history.exists() else []
    epochs = RunDirectory(path).epochs()
    assert [epoch.plain() for epoch in epochs] == lines
    for epoch, line in zip(epochs, lines, strict=True):
        assert {**epoch.validation.metrics, "f1": epoch.validation.f1} == line["validation"]
        assert epoch.learning_rates == line["learning_rates"]


@pytest.mark.parametrize(
    "file", sorted(MADE.glob("runs/*/evaluations/*/metrics.json")), ids=lambda file: file.parent.name
)
def test_evaluations_say_what_they_said(file):
    raw = json.loads(file.read_text())
    directory = RunDirectory(file.parents[2])
    evaluation = directory.load_evaluation(file.parent.name)
    assert evaluation is not None
    assert evaluation.plain() == raw
    assert evaluation.confusion == raw["confusion"]
    predictions = directory.predictions(file.parent.name)
    assert len(predictions.ids) == raw["n"]
    assert predictions.probabilities.shape == (raw["n"], len(raw["class_names"]))


def test_nothing_contradicts_them_and_no_digest_vouches_for_them(ferbench):
    said = json.loads(ferbench("runs", "verify", "--json"))
    assert (said["checked"], said["not_covered"]) == (len(RUNS), len(RUNS))
    assert (said["whole"], said["damaged"]) == (0, 0)
    assert set(said["runs"].values()) == {"not covered"}
    assert {(one["file"], one["damage"], one["covered"]) for one in said["findings"]} == {("run.json", False, False)}
    assert f"{len(RUNS)} runs checked, 0 whole, {len(RUNS)} not covered" in ferbench("runs", "verify")


def test_the_list_is_the_same(ferbench):
    rows = json.loads(ferbench("runs", "list", "--json"))
    listed = [{key: value for key, value in row.items() if key != "bytes"} for row in rows]
    assert listed == json.loads((MADE / "listing.json").read_text())


def test_the_leaderboard_is_the_same(ferbench):
    known = ("config", "name", "rank", "kind", "seeds")
    rows = [
        {
            "rows_digest": group["rows_digest"],
            "n": group["n"],
            **{key: row[key] for key in known},
            "runs": [one["run"] for one in row["runs"]],
            **{key: row[key]["mean"] for key in ("macro_f1", "accuracy")},
        }
        for group in json.loads(ferbench("leaderboard", "--json"))["groups"]
        for row in group["rows"]
    ]
    expected = json.loads((MADE / "leaderboard.json").read_text())
    assert sorted(rows, key=lambda row: (row["rows_digest"], row["config"])) == expected


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_a_run_is_shown(path, ferbench):
    raw = json.loads((path / "run.json").read_text())
    page = json.loads(ferbench("runs", "show", path.name, "--json"))
    assert page["kind"] == ("imported" if KINDS.get(path.name) == "imported" else "measured")
    for key in ("name", "started", "finished", "data", "components", "recipe", "environment"):
        assert page[key] == raw[key]
    for name, entry in raw["evaluations"].items():
        assert page["evaluations"][name] == {**entry, "stored": True}
    assert path.name in ferbench("runs", "show", path.name)


def test_the_family_is_known(ferbench):
    family = json.loads(ferbench("lineage", "plain-1", "--json"))
    assert {one["run"]: one["relation"] for one in family} == {"ce6404967bcc": "self", "52fcc95f7da1": "descendant"}
    later = json.loads(ferbench("lineage", "later", "--json"))
    assert {one["run"]: one["relation"] for one in later} == {"42580dd9f715": "ancestor", "3413b57da6d6": "self"}


def test_summaries_say_what_the_records_say(results):
    known = {one.run: one for one in summaries(results)}
    for directory in all_runs(results):
        run, summary = directory.load(), known[directory.path.name]
        assert (summary.status, summary.training, summary.seed) == (run.status, run.identity.training_id, run.seed)
        assert list(summary.data.class_names) == run.data.class_names
        for scores in summary.scores:
            entry = run.evaluations[scores.evaluation]
            assert scores.n == entry.n
            assert {key: value for key, value in scores.values.items() if ":" not in key} == {
                key: value for key, value in entry.metrics.items() if value is not None
            }
