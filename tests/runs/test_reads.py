"""Test reads of runs: noted when they happen, found where they happened before there was a ledger, and never lost."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_runs import make_run

from ferbench.records.ledger import LEDGER, read_ledger
from ferbench.runs.directory import RunDirectory
from ferbench.runs.imported import Given, import_predictions, known_test_set
from ferbench.runs.index import summaries
from ferbench.runs.reads import adopt, ledger_faults, with_found
from ferbench.runs.removal import remove


@pytest.fixture
def results(tmp_path):
    """Two runs of a release without a ledger."""
    for seed in (0, 1):
        make_run(tmp_path, seed=seed, name=f"net-{seed}")
    return tmp_path


def imported(results):
    """Predictions of other software for the test set of these runs."""
    test = known_test_set(RunDirectory(results / "runs" / summaries(results)[0].run))
    probabilities = np.full((len(test.ids), len(test.class_names)), 1 / len(test.class_names), np.float32)
    return import_predictions(results, Given(probabilities, False), test, name="both", model="theirs", seed=0)


def test_a_test_is_noted_before_its_scores_are_there(results, monkeypatch):
    monkeypatch.setattr(RunDirectory, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        imported(results)
    assert [read.kind for read in read_ledger(results).reads] == ["trained", "trained", "imported"]


def test_the_first_line_finds_what_older_runs_were_tested_on(results):
    directory, _ = imported(results)
    *older, own = read_ledger(results).reads
    assert [(read.found, read.name) for read in sorted(older, key=lambda read: read.seed)] == [
        (True, "net-0"),
        (True, "net-1"),
    ]
    assert (own.found, own.name, own.how, own.kind, own.samples) == (False, "both", "import", "imported", 350)
    record = directory.load()
    (test,) = (entry for entry in record.evaluations.values() if entry.split == "test")
    assert (own.test_set, own.config, own.training) == (
        test.rows_digest,
        record.identity.config_id,
        record.identity.training_id,
    )
    assert test.read == own.digest


def test_what_is_there_already_is_no_new_reading(results):
    imported(results)
    before = read_ledger(results)
    imported(results)
    assert read_ledger(results) == before


def test_readings_stay_when_runs_go_noted_or_not(results):
    directory, _ = imported(results)
    make_run(results, seed=2, name="late")
    names = [run.run for run in summaries(results)]
    for name in names:
        remove(results, RunDirectory(results / "runs" / name))
    assert not summaries(results)
    assert sorted(read.name for read in read_ledger(results).reads) == ["both", "late", "net-0", "net-1"]
    assert directory.path.name in {read.run for read in read_ledger(results).reads}


def test_runs_tell_of_readings_that_the_ledger_lacks(results):
    assert [(read.found, read.time) for read in with_found(read_ledger(results), summaries(results))] == [
        (True, ""),
        (True, ""),
    ]
    assert adopt(results) == 2
    assert adopt(results) == 0
    assert len(with_found(read_ledger(results), summaries(results))) == 2


def test_a_fold_that_is_not_tested_reads_no_test_set(tmp_path):
    make_run(tmp_path, fold="1/5")
    assert not with_found(read_ledger(tmp_path), summaries(tmp_path))


def test_a_ledger_that_is_gone_is_told_by_the_runs_that_name_it(results):
    directory, _ = imported(results)
    assert not list(ledger_faults(results, summaries(results)))
    (results / LEDGER).unlink()
    ((what, remedy),) = ledger_faults(results, summaries(results))
    assert directory.path.name in what
    assert "doctor --fix" in remedy
    adopt(results)
    assert not list(ledger_faults(results, summaries(results)))
    assert {read.found for read in read_ledger(results).reads} == {True}


def test_a_last_line_that_was_cut_off_is_told_by_its_run(results):
    directory, _ = imported(results)
    path = results / LEDGER
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    ((what, _),) = ledger_faults(results, summaries(results))
    assert directory.path.name in what


def test_a_torn_last_line_is_mended_from_its_run(results):
    imported(results)
    path = results / LEDGER
    path.write_bytes(path.read_bytes()[:-40])
    assert "cut short" in next(ledger_faults(results, summaries(results)))[0]
    adopt(results)
    assert not list(ledger_faults(results, summaries(results)))
    assert [read.found for read in read_ledger(results).reads] == [True, True, True]


def test_verify_and_doctor_say_that_the_ledger_was_changed(results, ferbench_cli):
    imported(results)
    path = results / LEDGER
    path.write_bytes(path.read_bytes().replace(b'"net-0"', b'"other"'))
    finished = ferbench_cli("runs", "verify", "--quiet", "--results", results)
    assert finished.exit_code == 1
    told = [line for line in finished.stdout.splitlines() if LEDGER in line]
    assert len(told) == 1
    assert "is changed: of another SHA-256" in told[0]
    finished = ferbench_cli("doctor", "--json", "--results", results)
    findings = json.loads(finished.stdout)["findings"]
    assert any("is changed: of another SHA-256" in found["what"] for found in findings)


def test_doctor_adds_what_the_ledger_lacks(results, ferbench_cli):
    imported(results)
    (results / LEDGER).unlink()
    assert "it lacks test reads of" in ferbench_cli("doctor", "--quiet", "--results", results).stdout
    ferbench_cli("doctor", "--fix", "--results", results)
    assert LEDGER not in ferbench_cli("doctor", "--quiet", "--results", results).stdout


def test_weights_from_elsewhere_that_were_never_trained_are_foreign(tmp_path):
    run = make_run(tmp_path, options={"weights": "timm"})
    record = run.load()
    assert not record.is_foreign
    record.training.epochs = record.training.best_epoch = 0
    assert record.is_foreign
    run.save(record)
    assert [summary.kind for summary in summaries(tmp_path)] == ["foreign"]
    adopt(tmp_path)
    assert [read.kind for read in read_ledger(tmp_path).reads] == ["foreign"]
    record.components["model"].options["weights"] = "none"
    assert not record.is_foreign
