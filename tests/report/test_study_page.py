"""What the page of a study says, from a study made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ferbench.report.study_figures import of_study
from ferbench.report.study_page import compose_study, study_page
from ferbench.report.study_view import Dimension, FinalistView, Objective, StudyView, TrialView
from ferbench.report.study_view import TestedRun as SeedRun

RECIPE = 'name = "tiny-best"\n'


@pytest.fixture
def view() -> StudyView:
    """Four trials of two objectives; trials 0 and 2 are on the front and tested with two seeds each."""
    values = [(0.5, 100.0), (0.4, 200.0), (0.6, 300.0)]
    trials = [
        TrialView(i, "complete", one, {"optimizer.lr": 0.001 * (i + 1), "loss": "focal"}, {1: one[0]}, f"run{i}", 2.0)
        for i, one in enumerate(values)
    ]
    trials.append(
        TrialView(3, "failed", (), {"optimizer.lr": 0.1, "loss": "focal"}, {}, "", 1.0, "no room <b>left</b>")
    )
    finalists = tuple(
        FinalistView(
            rank,
            trial,
            values[trial],
            tuple(SeedRun(s, f"{trial}{s}", {"accuracy": 0.5 + s / 10, "macro_f1": 0.3 + s / 10}) for s in (0, 1)),
            RECIPE,
            file,
        )
        for rank, trial, file in ((1, 2, "best.toml"), (2, 0, "best-2.toml"))
    )
    return StudyView(
        about={
            "label": "tiny",
            "algorithm": "tpe",
            "dataset": "fer2013",
            "protocol": "official",
            "synthetic": False,
            "samples": {"train": 1000, "validation": 200},
        },
        objectives=(Objective("macro_f1", True), Objective("parameters", False, is_metric=False)),
        dimensions=(
            Dimension("optimizer.lr", 1e-4, 1e-1, True),
            Dimension("loss", "focal", "cross-entropy", choices=("focal", "cross-entropy")),
        ),
        trials=tuple(trials),
        front=frozenset({0, 2}),
        finalists=finalists,
    )


def test_it_says_how_many_were_tried_and_how_they_ended(view):
    report = compose_study(view)
    assert report.lead.startswith("4 trials of 2 parameters by tpe, on fer2013")
    tiles = {tile.label: tile for tile in report.tiles}
    assert (tiles["trials tried"].value, tiles["trials tried"].about) == ("4", "3 complete, 1 failed")
    assert tiles["Pareto front"].value == "2"
    assert report.notes[0].startswith("The best of 4 trials looks better on validation than it is")


def test_objectives_that_differ_in_letters_of_other_scripts_have_figures_of_their_own(view):
    names = ("f1:高兴", "f1:悲伤")
    view = replace(view, objectives=tuple(Objective(name, True) for name in names))
    ids = [figure.id for figure in of_study(view)]
    assert len(ids) == len(set(ids))


def test_the_test_scores_are_mean_and_extremes_over_the_seeds(view):
    table = compose_study(view).finalists
    columns = [column.key for column in table.columns]
    spread = table.rows[0][columns.index("test_macro_f1")]
    assert (spread.mean, spread.low, spread.high) == (pytest.approx(0.35), 0.3, 0.4)


def test_a_cost_is_not_called_a_validation_metric(view):
    labels = [column.label for column in compose_study(view).finalists.columns]
    assert labels[1:3] == ["validation macro_f1", "parameters"]


def test_each_recipe_has_its_own_file_and_runs(view):
    page = study_page(view)
    for file, runs in (("best.toml", "20 (seed 0), 21 (seed 1)"), ("best-2.toml", "00 (seed 0), 01 (seed 1)")):
        assert f"<code>ferbench run {file}</code>" in page
        assert f"Tested runs: {runs}." in page


def test_two_objectives_have_a_front_and_one_has_none(view):
    assert "Pareto front: macro_f1 and parameters" in study_page(view)
    trials = tuple(replace(one, values=one.values[:1]) for one in view.trials)
    alone = replace(view, objectives=view.objectives[:1], trials=trials, front=frozenset({2}), finalists=())
    assert "Pareto" not in study_page(alone)
    assert [tile.label for tile in compose_study(alone).tiles][1] == "best macro_f1"


def test_text_of_a_trial_is_no_markup(view):
    assert "<b>left</b>" not in study_page(view)


def test_seeds_without_a_result_are_said_to_be_in_no_mean(view):
    first, *others = view.finalists
    lost = replace(first, failed=((2, "diverged: loss is nan"),))
    page = study_page(replace(view, finalists=(lost, *others)))
    assert "Trial 2 has no result with seed 2, which is in no mean: diverged: loss is nan." in page
