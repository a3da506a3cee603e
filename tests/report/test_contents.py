"""What is read of runs for a report."""

from __future__ import annotations

import json

import pytest
from made_runs import make_run
from record_files import write_record

from ferbench import UserError
from ferbench.report.contents import read_runs
from ferbench.report.page import compose
from ferbench.runs.lock import only_writer


def labels(*runs):
    return [run.label for run in read_runs(runs).runs]


def test_a_name_labels_a_run_and_else_its_model(tmp_path):
    assert labels(make_run(tmp_path, name="mine"), make_run(tmp_path, model="cnn4")) == ["mine", "cnn4"]


def test_runs_that_look_the_same_are_told_apart_by_what_differs(tmp_path):
    runs = [make_run(tmp_path, loss=loss, seed=seed) for loss in ("focal", "plain") for seed in (0, 1)]
    assert labels(*runs) == [
        "some-net, focal, seed 0",
        "some-net, focal, seed 1",
        "some-net, plain, seed 0",
        "some-net, plain, seed 1",
    ]


def test_runs_of_one_name_are_told_apart_by_an_option(tmp_path):
    runs = [make_run(tmp_path, name="same", options={"width": width}) for width in (1, 2)]
    assert labels(*runs) == ["same, width 1", "same, width 2"]


def test_at_last_the_id_tells_runs_apart(tmp_path):
    runs = [make_run(tmp_path, name="same", skill=skill) for skill in (0.1, 0.2)]
    assert labels(*runs) == [f"same, {run.path.name[:6]}" for run in runs]


def test_a_run_named_twice_counts_once(tmp_path):
    run = make_run(tmp_path)
    assert len(read_runs([run, run]).runs) == 1


def test_a_baseline_that_was_not_named_comes_first(tmp_path):
    run, base = make_run(tmp_path, name="run"), make_run(tmp_path, name="base")
    contents = read_runs([run], base)
    assert [one.label for one in contents.runs] == ["base", "run"]
    assert contents.baseline is contents.runs[0]


def test_runs_on_unlike_samples_classes_or_kinds_of_image_are_not_compared(tmp_path):
    runs = [
        make_run(tmp_path),
        make_run(tmp_path, seed=1),
        make_run(tmp_path, test="other test"),
        make_run(tmp_path, classes=("a", "b")),
        make_run(tmp_path, synthetic=True),
    ]
    assert sorted(len(group.runs) for group in read_runs(runs).comparisons) == [1, 1, 1, 2]


def test_a_baseline_holds_for_its_own_group_alone(tmp_path):
    runs = [make_run(tmp_path), make_run(tmp_path, seed=1), make_run(tmp_path, test="other test")]
    groups = read_runs(runs, runs[0]).comparisons
    assert [group.baseline is None for group in groups] == [False, True]


def test_a_baseline_without_a_result_is_refused(tmp_path):
    run, base = make_run(tmp_path), make_run(tmp_path, name="base", status="failed")
    with pytest.raises(UserError, match=r"base .*failed"):
        read_runs([run], base)


def test_an_unfinished_run_has_no_result(tmp_path):
    (run,) = read_runs([make_run(tmp_path, status="running")]).runs
    assert run.result is None
    assert len(run.history) == 5


def test_a_fold_is_judged_on_validation(tmp_path):
    (run,) = read_runs([make_run(tmp_path, fold="1/5")]).runs
    assert run.result.split == "validation"


def test_a_lost_evaluation_leaves_the_scores_of_the_record(tmp_path):
    run = make_run(tmp_path)
    for path in run.path.glob("evaluations/*/metrics.json"):
        path.unlink()
    result = read_runs([run]).runs[0].result
    assert result.confusion is None
    assert set(result.per_class) == set(result.class_names)


@pytest.mark.parametrize("lacking", ["data", "components", "recipe"])
def test_a_record_that_lacks_something_is_an_error_that_names_it(lacking, tmp_path):
    run = make_run(tmp_path)
    record = json.loads(run.record_path.read_text())
    del record[lacking]
    run.record_path.write_text(json.dumps(record))
    with pytest.raises(UserError, match=lacking) as caught:
        read_runs([run])
    assert str(run.record_path) in caught.value.message


@pytest.mark.parametrize(
    "content", [b'{"epoch": 1}\n', b"[1]\n", b'{"epoch": 1, "train": {}, "validation": {"f1": 3}}\n', b"\xff\xfe"]
)
def test_a_damaged_history_is_an_error_that_names_the_file(content, tmp_path):
    run = make_run(tmp_path)
    (run.path / "history.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=r"history\.jsonl is damaged") as caught:
        read_runs([run])
    assert "remove that file" in caught.value.remedy


def test_of_several_runs_a_damaged_one_is_left_out_and_named(tmp_path):
    whole, bad = make_run(tmp_path, name="whole"), make_run(tmp_path, name="bad", seed=1)
    bad.record_path.write_bytes(b"[" * 100_000)
    contents = read_runs([bad, whole])
    assert [run.id for run in contents.runs] == [whole.path.name]
    assert list(contents.damaged) == [bad.path.name]
    (note,) = compose(contents).notes
    assert f"Run {bad.path.name} is left out" in note
    with pytest.raises(UserError, match="is damaged"):
        read_runs([whole], bad)
    with pytest.raises(UserError, match="is damaged"):
        read_runs([bad])


def test_a_run_without_a_history_has_no_epochs(tmp_path):
    run = make_run(tmp_path)
    (run.path / "history.jsonl").unlink()
    assert read_runs([run]).runs[0].history == []


@pytest.mark.parametrize("beside", ["000000000000", "ffffffffffff"])
def test_a_run_that_was_tested_in_two_ways_is_judged_on_the_plain_one(beside, tmp_path):
    run = make_run(tmp_path)
    record = json.loads(run.record_path.read_text())
    plain = next(key for key, one in record["evaluations"].items() if one["split"] == "test")
    record["evaluations"][beside] = {**record["evaluations"][plain], "options": {"tta": "flip"}}
    write_record(run, record)
    (one,) = read_runs([run]).runs
    assert one.result.id == plain
    assert [scored.how for scored in one.evaluations] == ["", "", "tta flip"]


def test_a_run_that_says_it_is_running_is_asked_whether_it_is(tmp_path):
    run = make_run(tmp_path, status="running")
    with only_writer(run):
        assert read_runs([run]).runs[0].at_work
    assert not read_runs([run]).runs[0].at_work
