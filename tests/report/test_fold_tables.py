"""Folds in a report."""

from __future__ import annotations

from statistics import fmean

import pytest
from made_runs import make_run

from ferbench.report.contents import read_runs
from ferbench.report.page import compose, report_page
from ferbench.tables.table import Spread


def fold(results, place, *, seed=0, skill=0.6, **more):
    # The samples are made of the text.
    return make_run(results, fold=f"{place}/3", test=f"part{'x' * place}", seed=seed, skill=skill, **more)


def score(run, key="macro_f1"):
    (entry,) = run.load().evaluations.values()
    return entry.metrics[key]


def parts(*runs):
    return compose(read_runs(runs)).comparisons


def test_folds_are_one_table_with_a_mean_and_not_a_comparison_each(tmp_path):
    runs = [fold(tmp_path, place, name=f"cv-{place}") for place in (3, 1, 2)]
    report = compose(read_runs(runs))
    (part,) = report.comparisons
    (table,) = part.tables.values()
    keys = [column.key for column in table.columns]
    rows = [dict(zip(keys, row, strict=True)) for row in table.rows]
    assert (part.heading, part.title) == ("Folds", "made-up, official, 3 folds, n = 1,050")
    assert [row["fold"] for row in rows] == ["1/3", "2/3", "3/3", "3 folds"]
    assert (table.summary, rows[-1]["run"], rows[-1]["n"]) == (1, "mean: cv", 1050)
    values = [score(run) for run in runs]
    assert [row["macro_f1"] for row in rows[:3]] == [values[1], values[2], values[0]]
    assert rows[-1]["macro_f1"] == Spread(pytest.approx(fmean(values)), min(values), max(values))
    assert "Folds: made-up, official, 3 folds, n = 1,050" in report_page(report)


def test_every_configuration_has_a_mean_over_its_own_folds(tmp_path):
    runs = [fold(tmp_path, place, model=model) for model in ("one", "two") for place in (1, 2, 3)][:-1]
    (part,) = parts(*runs)
    (table,) = part.tables.values()
    means = [row[:2] for row in table.rows[-2:]]
    assert means == [("mean: one", "3 folds"), ("mean: two", "folds 1 and 2 of 3")]
    assert any("Means over unlike folds" in note for note in table.notes)


def test_seeds_that_lack_folds_leave_no_mean(tmp_path):
    runs = [*(fold(tmp_path, place) for place in (1, 2, 3)), fold(tmp_path, 1, seed=1)]
    (part,) = parts(*runs)
    (table,) = part.tables.values()
    assert table.rows[-1][1] == "3 folds × 2 seeds, some of them missing"
    assert table.rows[-1][4] is None


def test_runs_on_one_and_the_same_fold_are_compared_as_ever(tmp_path):
    (part,) = parts(fold(tmp_path, 2, model="one"), fold(tmp_path, 2, model="two"))
    assert part.heading == "Comparison"


def test_labels_say_the_fold(tmp_path):
    labels = [run.label for run in read_runs([fold(tmp_path, place) for place in (1, 2)]).runs]
    assert labels == ["some-net, fold 1/3", "some-net, fold 2/3"]
