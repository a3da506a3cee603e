"""Runs as values and frames."""

from __future__ import annotations

import pandas as pd
import pytest
from made_runs import CLASSES

import ferbench as fb


def test_a_frame_has_a_row_an_evaluation_and_one_for_a_run_without(results):
    runs = fb.load_results(results)
    frame = runs.frame()
    assert len(runs) == len(frame) == 7
    assert frame.loc[frame["name"] == "broken", "evaluation"].isna().all()
    good = frame[frame["model"] == "good"]
    assert good["macro_f1"].between(0.7, 1).all()
    assert {"accuracy", "f1:happy", "seed", "dataset", "training.epochs"} <= set(frame)
    assert sorted(good["seed"]) == [0, 1, 2]
    assert repr(runs) == "<Results: 7 runs: 6 done, 1 failed>"
    assert "broken: failed" in runs._repr_html_()


def test_runs_are_found_by_place_slice_name_and_condition(results):
    runs = fb.load_results(results)
    assert runs["good-1"].seed == 1
    assert runs[runs[0].id].id == runs[0].id
    assert len(runs[1:3]) == 2
    assert isinstance(runs[1:3], fb.Results)
    assert {run.name for run in runs.where(model="good", seed=[0, 2])} == {"good-0", "good-2"}
    assert {run.name for run in runs.where({"name": "bad-*"})} == {"bad-0", "bad-1", "bad-2"}
    with pytest.raises(fb.UserError, match="no run of these 7 is called 'goo'"):
        runs["goo"]
    with pytest.raises(fb.UserError, match="no run has that"):
        runs.where(model="goo")


def test_a_run_shows_its_scores_history_predictions_and_confusion(results):
    run = fb.load_run("good-0", results)
    assert (run.status, run.kind, run.settings["model"]) == ("done", "trained", "good")
    assert list(run.per_class.index) == list(CLASSES)
    assert run.per_class.loc["happy", "support"] == run.confusion().loc["happy"].sum()
    assert list(run.history.index) == [1, 2, 3, 4, 5]
    predictions = run.predictions("test")
    assert (predictions["true"].astype(str) == predictions["predicted"].astype(str)).mean() == pytest.approx(
        run.metrics()["accuracy"]
    )
    assert predictions.filter(like="probability:").sum(axis=1).round(5).eq(1).all()
    matrix = pd.crosstab(predictions["true"], predictions["predicted"], dropna=False)
    assert (run.confusion("test").to_numpy() == matrix.to_numpy()).all()
    assert len(run.predictions("validation")) == 350
    assert run.metrics("validation") != run.metrics("test")
    with pytest.raises(fb.UserError, match="was not evaluated on train"):
        run.metrics("train")
    with pytest.raises(fb.UserError, match="its status is 'failed'"):
        _ = fb.load_run("broken", results).per_class


def test_figures_are_plotlys(results):
    run = fb.load_run("good-0", results)
    heat = run.figure("confusion")
    assert type(heat).__module__.startswith("plotly.graph_objs")
    assert heat.layout.title.text == "Confusion matrix"
    assert [button.label for button in heat.layout.updatemenus[0].buttons] == ["Row %", "Column %", "Counts"]
    assert len(run.figure("macro_f1").data) == 2
    with pytest.raises(fb.UserError, match="no figure 'roc'"):
        run.figure("roc")


def test_an_error_shows_what_to_do(tmp_path):
    with pytest.raises(fb.UserError) as caught:
        fb.load_results(tmp_path / "none")
    wrong, remedy = str(caught.value).splitlines()
    assert wrong.startswith("there is no results directory")
    assert remedy.startswith("give the path of one")
