"""Which files a record covers, and when."""

from __future__ import annotations

import hashlib
import json

import pytest
from made_runs import make_run
from record_files import read_record

from ferbench.runs.covered import has_evaluation, uncover
from ferbench.runs.verify import Verification
from ferbench.storage import replace_json


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "results", name="one", epochs=2)


def test_every_file_of_a_run_that_has_ended_has_its_digest(run):
    there = {path.relative_to(run.path).as_posix(): path for path in run.path.rglob("*") if path.is_file()}
    del there["run.json"]
    expected = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in there.items()}
    assert read_record(run)["files"] == expected
    assert len(expected) == 5


@pytest.mark.parametrize("status", ["failed", "diverged", "interrupted", "pruned"])
def test_files_of_a_run_that_ended_early_are_covered_as_they_are(tmp_path, status):
    run = make_run(tmp_path, status=status)
    assert list(run.load().files) == ["history.jsonl"]
    run.append_history(run.epochs()[-1])
    assert [(one.file, one.damage) for one in Verification.of(run).findings if one.file == "history.jsonl"] == [
        ("history.jsonl", True)
    ]


def test_a_run_that_goes_on_covers_none(tmp_path):
    run = make_run(tmp_path, status="running")
    assert run.load().files == {}


def test_a_digest_stays_when_the_record_is_written_again_whatever_became_of_the_file(run):
    history = run.path / "history.jsonl"
    history.write_bytes(history.read_bytes().replace(b"0.", b"1."))
    record = run.load()
    record.name = "another"
    run.save(record)
    assert run.load().name == "another"
    assert [one.file for one in Verification.of(run).findings if one.damage and one.file != "run.json"] == [
        "checkpoints/best.safetensors",  # which no made run has
        "history.jsonl",
    ]


def test_a_file_that_is_written_anew_is_covered_anew(run):
    record = run.load()
    name = next(iter(record.evaluations))
    evaluation, predictions = run.load_evaluation(name), run.predictions(name)
    before = dict(record.files)
    evaluation.seconds = 3.0
    run.save_evaluation(evaluation, predictions)
    assert not has_evaluation(run, record, name)
    uncover(record, name)
    run.save(record)
    changed = {key for key, value in run.load().files.items() if value != before[key]}
    assert changed == {f"evaluations/{name}/metrics.json"}
    assert has_evaluation(run, run.load(), name)


@pytest.mark.parametrize("file", ["metrics.json", "predictions.npz"])
def test_an_evaluation_that_is_not_what_was_covered_is_not_there(run, file):
    record = run.load()
    name = next(iter(record.evaluations))
    path = run.evaluation_path(name) / file
    path.write_bytes(path.read_bytes() + b"\n")
    assert not has_evaluation(run, record, name)
    path.unlink()
    assert not has_evaluation(run, record, name)


def test_what_an_older_release_wrote_is_never_covered(run):
    record = {key: value for key, value in read_record(run).items() if key not in ("files", "own")}
    replace_json(run.record_path, {**record, "schema": 2})
    older = run.load()
    assert older.files is None
    older.name = "named today"
    run.save(older)
    assert json.loads(run.record_path.read_bytes())["schema"] == 3
    assert run.load().files is None
