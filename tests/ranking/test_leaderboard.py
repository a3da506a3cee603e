"""Grouping finished runs."""

from __future__ import annotations

import json

from ferbench.ranking.leaderboard import collect
from ferbench.runs.directory import RunDirectory, run_path


def record(
    test="v1:t1", f1=0.5, synthetic=False, fold=None, status="done", classes=("a", "b"), protocol="official", rate=0.1
):
    split = "validation" if fold else "test"
    covers = {
        "components": {"model": {"options": {"width": 3}}, "optimizer": {"options": {"lr": rate}}},
        "data": {"image_size": None},
        "training": {"epochs": 5, "seed": 3},
    }
    components = {
        section: {"name": f"some-{section}"} for section in ("model", "loss", "sampler", "augmentation", "optimizer")
    }
    return {
        "name": None,
        "status": status,
        "error": {"message": "it broke\nbadly"} if status != "done" else None,
        "data": {
            "dataset": "faces",
            "synthetic": synthetic,
            "protocol": protocol,
            "fold": fold,
            "class_names": list(classes),
            "counts": {"train": {"a": 3, "b": 4}},
        },
        "components": components,
        "identity": {"config_id": "v1:" + "c" * 64, "covers": covers},
        "recipe": {"training": {"seed": 3}},
        "training": {"best_epoch": 2, "epochs": 5},
        "model": {"parameters": 10},
        "evaluations": {
            **({} if fold else {"e1": {"split": "validation", "rows_digest": "v1:v", "n": 9, "metrics": {}}}),
            "e2": {"split": split, "rows_digest": test, "n": 7, "metrics": {"macro_f1": f1}},
        },
    }


def write(results, *records):
    for number, one in enumerate(records):
        RunDirectory(run_path(results, f"{number:012d}")).write(one)
    return collect(results)


def test_runs_on_one_test_set_are_sorted_by_macro_f1(tmp_path):
    (group,), unfinished = write(tmp_path, record(f1=0.4), record(f1=0.6), record(f1=0.5))
    assert [row.metrics["macro_f1"] for row in group.rows] == [0.6, 0.5, 0.4]
    assert [row.n for row in group.rows] == [7, 7, 7]
    assert unfinished == []


def test_unlike_test_sets_classes_and_protocols_are_never_in_one_group(tmp_path):
    groups, _ = write(
        tmp_path,
        record(),
        record(test="v1:t2"),
        record(classes=("a", "c")),
        record(protocol="merged"),
        record(),
    )
    assert sorted(len(group.rows) for group in groups) == [1, 1, 1, 2]


def test_synthetic_results_come_last_and_are_marked(tmp_path):
    groups, _ = write(tmp_path, record(synthetic=True), record(synthetic=True), record(test="v1:t2"))
    assert [group.synthetic for group in groups] == [False, True]


def test_a_fold_is_measured_on_validation_and_stands_alone(tmp_path):
    groups, _ = write(tmp_path, record(fold="1/5"), record(fold="2/5"), record())
    assert sorted(group.protocol for group in groups) == [
        "official",
        "official, fold 1/5",
        "official, fold 2/5",
    ]
    assert [group.test_digest for group in groups if "fold" in group.protocol] == [None, None]


def test_what_did_not_finish_is_listed_with_its_reason(tmp_path):
    groups, unfinished = write(tmp_path, record(status="failed"), record(status="diverged"))
    assert groups == []
    assert [(one.status, one.reason) for one in unfinished] == [
        ("failed", "it broke"),
        ("diverged", "it broke"),
    ]


def test_a_damaged_record_does_not_hide_the_others(tmp_path):
    incomplete = record()
    del incomplete["training"]
    write(tmp_path, record(), incomplete)
    (tmp_path / "runs" / "000000000001" / "run.json").write_text(json.dumps({"schema": 1, "status": "done"}))
    bad = tmp_path / "runs" / "eeeeeeeeeeee"
    bad.mkdir()
    (bad / "run.json").write_text("{")
    groups, unfinished = collect(tmp_path)
    assert [len(group.rows) for group in groups] == [1]
    assert [one.status for one in unfinished] == ["damaged", "damaged"]


def test_no_results_directory_is_an_empty_board(tmp_path):
    assert collect(tmp_path / "none") == ([], [])


def test_a_group_names_what_its_configurations_differ_in(tmp_path):
    (group,), _ = write(tmp_path, record(rate=0.1), record(rate=0.2), record(rate=0.2))
    assert group.varied == ["optimizer.lr"]
    assert {row.settings["optimizer.lr"] for row in group.rows} == {0.1, 0.2}
    assert {(row.train, row.config) for row in group.rows} == {(7, "c" * 12)}
