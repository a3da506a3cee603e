"""The tables of a report, against scikit-learn and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_runs import CLASSES, make_run
from record_files import write_record
from sklearn.metrics import classification_report

from ferbench.report import comparison_tables, run_tables
from ferbench.report.contents import read_runs
from ferbench.tables.table import Spread, Table, shown


def view(run):
    return read_runs([run]).runs[0]


def column(table, key):
    place = [one.key for one in table.columns].index(key)
    return [row[place] for row in table.rows]


def test_scores_per_class_and_averages_are_those_of_scikit_learn(tmp_path):
    run = make_run(tmp_path)
    one = view(run)
    predictions = run.predictions(one.result.id)
    expected = classification_report(
        predictions.truth, predictions.probabilities.argmax(axis=1), target_names=CLASSES, output_dict=True
    )
    table = run_tables.per_class(one, one.result)
    names = [*CLASSES, "macro average", "weighted average"]
    assert column(table, "class") == names
    for row, name in zip(table.rows, [*CLASSES, "macro avg", "weighted avg"], strict=True):
        said = expected[name]
        assert row[1:5] == pytest.approx((said["precision"], said["recall"], said["f1-score"], said["support"]))
    assert table.summary == 2


@pytest.mark.parametrize(
    ("f1", "tier"), [(0.86, "strong"), (0.85, "fair"), (0.60, "fair"), (0.599, "weak"), (0.0, "weak"), (1.0, "strong")]
)
def test_tiers_are_bounded_by_85_and_60_percent(f1, tier):
    assert run_tables.tier(f1) == tier


def test_confused_pairs_are_the_largest_cells_off_the_diagonal(tmp_path):
    one = view(make_run(tmp_path))
    table = run_tables.confused_pairs(one, one.result)
    matrix = one.result.confusion
    off = [(int(matrix[i, j]), CLASSES[i], CLASSES[j]) for i in range(7) for j in range(7) if i != j]
    assert column(table, "count") == sorted((count for count, _, _ in off), reverse=True)[:10]
    assert {(c, t, p) for t, p, c, *_ in table.rows} <= set(off)
    errors = matrix.sum() - np.trace(matrix)
    first = table.rows[0]
    assert first[3] == pytest.approx(first[2] / matrix[CLASSES.index(first[0])].sum())
    assert first[4] == pytest.approx(first[2] / errors)
    assert f"{errors:,} of {matrix.sum():,}" in table.caption


def test_a_faultless_run_has_no_confused_pairs(tmp_path):
    one = view(make_run(tmp_path, skill=1.0))
    assert run_tables.confused_pairs(one, one.result).rows == ()


def test_improvement_over_the_baseline_is_absolute_and_relative(tmp_path):
    base, better = make_run(tmp_path, name="base", skill=0.3), make_run(tmp_path, name="better", skill=0.9)
    contents = read_runs([base, better], base)
    table = comparison_tables.comparison(contents.comparisons[0], "t")
    before, after = column(table, "accuracy")
    assert column(table, "accuracy_change") == [None, pytest.approx(after - before)]
    assert column(table, "accuracy_relative") == [None, pytest.approx(after / before - 1)]
    assert column(table, "run") == ["base (baseline)", "better"]
    changes = comparison_tables.class_changes(contents.comparisons[0], "t")
    f1 = comparison_tables.class_comparison(contents.comparisons[0], "t")
    assert column(changes, "change_fear") == [pytest.approx(column(f1, "f1_fear")[1] - column(f1, "f1_fear")[0])]


def test_a_baseline_of_nothing_gives_no_relative_improvement(tmp_path):
    base = make_run(tmp_path, name="base", skill=0.0, classes=("a", "b"), n=40)
    contents = read_runs([base, make_run(tmp_path, name="x", classes=("a", "b"), n=40)], base)
    group = contents.comparisons[0]
    group.baseline.result.metrics["accuracy"] = 0.0
    assert column(comparison_tables.comparison(group, "t"), "accuracy_relative") == [None, None]


def test_what_all_runs_share_is_said_once(tmp_path):
    runs = [make_run(tmp_path, loss=loss) for loss in ("plain", "focal")]
    table = comparison_tables.comparison(read_runs(runs).comparisons[0], "t")
    keys = [one.key for one in table.columns]
    assert "loss" in keys
    assert "sampler" not in keys
    assert any("sampler shuffled" in note for note in table.notes)


def test_every_epoch_stands_in_the_table_of_the_curves(tmp_path):
    one = view(make_run(tmp_path, epochs=4, affect=True))
    table = run_tables.epochs(one)
    assert column(table, "epoch") == [1, 2, 3, 4]
    assert column(table, "validation_valence_rmse") == pytest.approx([0.49, 0.48, 0.47, 0.46])
    assert column(table, "f1_fear") == [epoch.validation.f1["fear"] for epoch in one.history]


def test_what_an_adaptive_sampler_drew_stands_epoch_by_epoch(tmp_path):
    run = make_run(tmp_path, epochs=2)
    one = view(run)
    assert run_tables.sampling(one) is None
    one.history[0].sampler = {"focus": [], "weights": {"fear": 1.0, "sad": 1.0}}
    one.history[1].sampler = {"focus": ["fear", "sad"], "weights": {"fear": 3.0, "sad": 3.0}}
    table = run_tables.sampling(one)
    assert [column.key for column in table.columns] == ["epoch", "focus", "weights_fear", "weights_sad"]
    assert table.rows == ((1, "", 1.0, 1.0), (2, "fear, sad", 3.0, 3.0))


def test_a_last_batch_that_a_single_sample_joined_is_said(tmp_path):
    one = view(make_run(tmp_path))
    assert "samples of an epoch's last batch" not in dict(run_tables.environment(one).rows)
    one.record.training.last_batch = 17
    assert dict(run_tables.environment(one).rows)["samples of an epoch's last batch"] == "17"


def test_runs_without_a_result_are_listed_with_one_line_of_cause(tmp_path):
    table = comparison_tables.without_result([view(make_run(tmp_path, status="failed", message="it broke\nbadly"))])
    assert table.rows[0][2:] == ("failed", 5, "it broke")


@pytest.mark.parametrize(
    ("cell", "kind", "text"),
    [
        (0.72304, "score", "0.7230"),
        (1917, "count", "1,917"),
        (0.0123, "change", "+0.0123"),
        (-0.0123, "change", "−0.0123"),
        (0.76, "percent", "+76.0 %"),
        (715.0, "seconds", "11 min 55 s"),
        (59.97, "seconds", "1 min 00 s"),
        (3599.7, "seconds", "1 h 00 min"),
        (4.25, "seconds", "4.2 s"),
        (None, "score", ""),
        (float("nan"), "score", ""),
        (Spread(0.5, 0.4, 0.6), "score", "0.5000 (0.4000–0.6000)"),
        (Spread(0.5, 0.5, 0.5), "score", "0.5000"),
        (Spread(0.5, 0.5, 0.5, (0.4, 0.61)), "score", "0.5000 ± 0.1050"),
        (Spread(0.05, 0.04, 0.06, (0.02, 0.13)), "score", "0.0500 [0.0200, 0.1300] (0.0400–0.0600)"),
        (Spread(8 / 3, 2, 3), "number", "2.67 (2–3)"),
        (Spread(50044.68, 48649.5, 52080.3), "number", "50,045 (48,650–52,080)"),
        (-0.0002, "score", "−0.0002"),
        (3, "number", "3"),
    ],
)
def test_cells_are_shown_for_people(cell, kind, text):
    assert shown(cell, kind) == text


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        Table("t", "", (comparison_tables._RUN,), (("a", "b"),))


def test_settings_in_which_runs_differ_stand_in_a_table(tmp_path):
    given = {"a": {"width": 8, "deep": True}, "b": {"width": None, "deep": False}, "c": {}}
    runs = [make_run(tmp_path, name=name, options=options) for name, options in given.items()]
    table = comparison_tables.differences(read_runs(runs).comparisons[0], "t")
    assert [one.key for one in table.columns] == ["run", "model.deep", "model.width"]
    assert table.rows == (("a", "true", "8"), ("b", "false", "none"), ("c", None, None))


def test_options_that_the_component_tells_already_are_left_out(tmp_path):
    made = [
        ("a", "wide", {"width": 8, "depth": 2}),
        ("b", "wide", {"width": 8, "depth": 4}),
        ("c", "plain", {"drop": 0.5}),
    ]
    runs = [make_run(tmp_path, name=name, model=model, options=options) for name, model, options in made]
    table = comparison_tables.differences(read_runs(runs).comparisons[0], "t")
    assert [one.key for one in table.columns] == ["run", "model.depth"]
    assert table.rows == (("a", "2"), ("b", "4"), ("c", None))
    only = comparison_tables.differences(read_runs(runs[1:]).comparisons[0], "t")
    assert only is None


def test_an_option_that_all_components_have_is_shown(tmp_path):
    made = [("a", "wide", {"width": 8}), ("b", "plain", {"width": 4})]
    runs = [make_run(tmp_path, name=name, model=model, options=options) for name, model, options in made]
    assert comparison_tables.differences(read_runs(runs).comparisons[0], "t").rows == (("a", "8"), ("b", "4"))


def test_runs_that_differ_in_their_seed_alone_have_no_table_of_settings(tmp_path):
    runs = [make_run(tmp_path, seed=seed) for seed in (0, 1)]
    assert comparison_tables.differences(read_runs(runs).comparisons[0], "t") is None


def test_test_time_augmentation_is_a_setting_and_heads_its_metrics(tmp_path):
    runs = [make_run(tmp_path, name="plain"), make_run(tmp_path, name="flipped", seed=1)]
    record = json.loads(runs[1].record_path.read_text())
    for one in record["evaluations"].values():
        one["options"] = {"tta": "flip"}
    write_record(runs[1], record)
    contents = read_runs(runs)
    assert comparison_tables.differences(contents.comparisons[0], "t").rows == (("plain", None), ("flipped", "flip"))
    labels = [one.label for one in run_tables.metrics(contents.runs[1]).columns]
    assert labels[1:] == ["validation with tta flip (n = 350)", "test with tta flip (n = 350)"]
