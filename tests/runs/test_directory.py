"""The run directory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_records import made_record, typed
from made_runs import make_run

from ferbench.errors import UserError
from ferbench.records.epoch import Epoch
from ferbench.records.evaluation import Evaluation
from ferbench.runs.directory import RunDirectory, all_runs, run_path
from ferbench.runs.find import find_run
from ferbench.runs.predictions import Predictions


def write(path, name, *, model="net", training_id=None, **about):
    record = typed(made_record(path.name, name=name, model=model))
    record.identity.training_id = training_id or record.identity.training_id
    for key, value in about.items():
        setattr(record, key, value)
    RunDirectory(path).save(record)


@pytest.fixture
def results(tmp_path):
    for short_id, name in (("abcd00000000", "first"), ("abce00000000", "twin"), ("ffff00000000", "twin")):
        model, started = f"net-of-{short_id[:4]}", "2026-11-29T21:11:05+00:00"
        write(run_path(tmp_path, short_id), name, model=model, started=started, training_id=f"v1:{short_id:f<64}")
    return tmp_path


@pytest.mark.parametrize("name", ["abcd00000000", "abcd", "v1:abcd00000000ffffff", "v1:abcd", "first"])
def test_a_run_is_found_by_id_prefix_or_name(results, name):
    assert find_run(results, name).path.name == "abcd00000000"


def test_a_run_is_found_by_path(results, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    path = results / "runs" / "ffff00000000"
    assert find_run(results / "none", str(path)).path == path
    assert find_run(results / "none", str(path / "run.json")).path == path


@pytest.mark.parametrize(
    ("name", "said"),
    [("abc", "there is no run 'abc'"), ("abcd0000000g", "there is no run"), ("abcd00000000-1", "there is no run")],
)
def test_what_only_resembles_an_id_is_none(results, name, said):
    with pytest.raises(UserError, match=said):
        find_run(results, name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "twin",
            "2 runs are named 'twin': abce00000000 'twin' (net-of-abce on faces, seed 0, 2026-11-29 21:11); "
            "ffff00000000 'twin' (net-of-ffff on faces, seed 0, 2026-11-29 21:11)",
        ),
        (
            "ab" * 2,
            "'abab' may mean 2 runs, by name, id or path: "
            "bbbb00000000 'abab' (net on faces, seed 0); abab00000000 (net on faces, seed 0)",
        ),
        (
            "abc0",
            "the ids of 2 runs begin with 'abc0': "
            "abc000000000 (net on faces, seed 0); abc011111111 (net on faces, seed 0)",
        ),
    ],
)
def test_a_text_that_may_mean_several_lists_them_by_name_model_dataset_and_date(results, name, message):
    for short_id, called in (
        ("abab00000000", None), ("bbbb00000000", "abab"), ("abc000000000", None), ("abc011111111", None)
    ):  # fmt: skip
        write(run_path(results, short_id), called)
    with pytest.raises(UserError) as found:
        find_run(results, name)
    assert found.value.message == message
    assert "digits" in found.value.remedy or "in full" in found.value.remedy


def test_a_name_of_few_digits_is_never_an_id(results):
    write(run_path(results, "123400000000"), "a")
    write(run_path(results, "a23400000000"), "b")
    assert find_run(results, "a").path.name == "123400000000"


def test_an_id_in_full_is_an_id_whatever_others_are_called(results):
    write(run_path(results, "123400000000"), "abcd00000000")
    assert find_run(results, "abcd00000000").path.name == "abcd00000000"


@pytest.mark.parametrize("length", [13, 63, 64])
def test_more_digits_than_a_directory_has_are_held_against_the_record(results, length):
    whole, other = "abcd00000000" + "1" * 52, "abcd00000000" + "2" * 52
    write(run_path(results, "abcd00000000"), None, training_id=f"v1:{whole}")
    assert find_run(results, f"v1:{whole[:length]}").path.name == "abcd00000000"
    with pytest.raises(UserError, match=f"there is no run of the id {other[:length]};"):
        find_run(results, other[:length])


def test_a_directory_here_does_not_hide_a_run_of_that_name(results, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    write(Path("first").absolute(), "other")
    with pytest.raises(UserError, match="'first' may mean 2 runs"):
        find_run(results, "first")
    assert find_run(results, "./first").load().name == "other"
    monkeypatch.chdir(results / "runs")
    assert find_run(results, "abcd00000000").path.name == "abcd00000000"


def test_an_unknown_run_is_an_error(results):
    with pytest.raises(UserError, match="there is no run 'zzz'"):
        find_run(results, "zzz")


def test_a_directory_without_a_record_is_no_run(results):
    (results / "runs" / "eee000000000").mkdir()
    assert [run.path.name for run in all_runs(results)] == ["abcd00000000", "abce00000000", "ffff00000000"]


def evaluation(n=1, **metrics):
    about = {"evaluation_id": "v1:e1", "training_id": "v1:t", "split": "test", "rows_digest": "v1:r"}
    return Evaluation(**about, n=n, metrics=metrics, per_class={}, class_names=["a", "b"])


def test_predictions_come_back_and_are_readable_without_pickle(tmp_path):
    run = RunDirectory(tmp_path)
    given = Predictions(
        ids=np.array(["a/1", "b/longer-é"]),
        truth=np.array([0, 1]),
        probabilities=np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32),
        affect_truth=np.array([[0.1, np.nan], [0, 0]], dtype=np.float32),
        columns={"subject": np.array(["p1", "p-é"])},
    )
    entry = run.save_evaluation(evaluation(n=2), given)
    read = run.predictions("e1")
    assert list(read.columns) == ["subject"]
    assert read.columns["subject"].tolist() == ["p1", "p-é"]
    for field in ("ids", "truth", "probabilities", "affect_truth"):
        np.testing.assert_array_equal(getattr(read, field), getattr(given, field))
    assert read.affect is None
    held = run.load_evaluation("e1")
    assert held.entry() == entry
    assert (held.n, entry.id) == (2, "v1:e1")


def test_damaged_predictions_are_named(tmp_path):
    path = tmp_path / "evaluations" / "e1" / "predictions.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(UserError, match="damaged"):
        RunDirectory(tmp_path).predictions("e1")
    with pytest.raises(UserError, match="no predictions"):
        RunDirectory(tmp_path).predictions("e2")


def epoch(number, **train):
    return Epoch.model_validate({"epoch": number, "train": {"loss": 0.5, **train}, "validation": {}})


def test_history_survives_a_line_cut_short(tmp_path):
    run = RunDirectory(tmp_path)
    run.start_history()
    run.append_history(epoch(1))
    run.append_history(epoch(2))
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"epoch": 3, "tr')
    assert run.epochs() == [epoch(1), epoch(2)]
    run.keep_history(1, epoch(2, accuracy=1.0))
    assert run.epochs() == [epoch(1), epoch(2, accuracy=1.0)]
    run.keep_history(2, epoch(2))
    assert run.epochs() == [epoch(1), epoch(2, accuracy=1.0)]


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "damaged"), ('{"schema": 99}', "schema version 99"), ("[]", "schema version None")],
)
def test_a_record_that_cannot_be_read_says_why(tmp_path, content, message):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=message):
        RunDirectory(tmp_path).load()


def test_a_record_is_replaced_whole(tmp_path, monkeypatch):
    run, record = RunDirectory(tmp_path), typed(made_record(status="running"))
    run.save(record)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    record.status = "interrupted"
    with pytest.raises(UserError, match="No space left"):
        run.save(record)
    monkeypatch.undo()
    assert run.load().status == "running"
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_a_score_that_is_no_number_becomes_null(tmp_path):
    run = RunDirectory(tmp_path)
    run.start_history()
    run.append_history(epoch(1, part=float("nan")))
    assert run.epochs()[0].train.metrics == {"part": None, "loss": 0.5}
    predictions = Predictions(np.array(["a"]), np.array([0]), np.array([[1.0]], dtype=np.float32))
    run.save_evaluation(evaluation(loss=float("inf"), accuracy=1.0), predictions)
    assert run.load_evaluation("e1").metrics == {"loss": None, "accuracy": 1.0}


def test_numbers_that_json_has_not_are_refused(tmp_path):
    with pytest.raises(ValueError):
        RunDirectory(tmp_path).save(typed(made_record(data={"validation": float("nan")})))


def test_the_record_is_plain_json(tmp_path):
    record = typed(made_record(name="é"))
    RunDirectory(tmp_path).save(record)
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == record.plain()
    assert record.plain()["name"] == "é"


def test_a_damaged_record_does_not_hide_a_run_with_another_name(tmp_path):
    make_run(tmp_path, name="good")
    damaged = make_run(tmp_path, name="bad")
    damaged.record_path.write_text("{")
    assert find_run(tmp_path, "good").load().name == "good"


@pytest.mark.parametrize("ids", [np.arange(2), np.array([["a"], ["b"]]), np.array(["a", "b"]).astype(">U1")])
def test_ids_that_are_no_texts_are_damage(ids, tmp_path):
    run = RunDirectory(tmp_path)
    path = tmp_path / "evaluations" / "e" / "predictions.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, ids=ids, truth=np.zeros(2, int), probabilities=np.ones((2, 1)))
    with pytest.raises(UserError, match="is damaged: ids"):
        run.predictions("e")


def test_ids_of_what_is_no_character_are_damage(tmp_path):
    run = RunDirectory(tmp_path)
    path = tmp_path / "evaluations" / "e" / "predictions.npz"
    path.parent.mkdir(parents=True)
    np.savez(
        path, ids=np.array([0x110000], np.uint32).view("<U1"), truth=np.zeros(1, int), probabilities=np.ones((1, 1))
    )
    with pytest.raises(UserError, match="is damaged: ids hold what is no character"):
        run.predictions("e")


@pytest.mark.parametrize("place", [6, 8])
def test_an_archive_of_another_kind_is_damage(place, tmp_path):
    """The version and the flags of its entries, as its central directory has them."""
    run = RunDirectory(tmp_path)
    path = tmp_path / "evaluations" / "e" / "predictions.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, ids=np.array(["a"]), truth=np.zeros(1, int), probabilities=np.ones((1, 1)))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + place] |= 0x61
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        run.predictions("e")
