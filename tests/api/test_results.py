"""Runs, boards and comparisons as values and frames."""

from __future__ import annotations

import pandas as pd
import pytest
from made_runs import CLASSES, make_run

import ferbench as fb


@pytest.fixture
def results(tmp_path):
    for seed in (0, 1, 2):
        make_run(tmp_path, name=f"good-{seed}", model="good", seed=seed, skill=0.8)
        make_run(tmp_path, name=f"bad-{seed}", model="bad", seed=seed, skill=0.3, options={"model.width": 8})
    make_run(tmp_path, name="broken", status="failed")
    return tmp_path


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


def test_a_board_is_a_frame_and_html_and_text(results):
    board = fb.leaderboard(results, where={"seed": [0, 1, 2]})
    (group,) = board.groups
    assert [row.runs[0].settings["model"] for row in group.rows] == ["good", "bad"]
    first, second = board.frame().to_dict("records")
    assert (first["model"], first["rank"]) == ("good", 1)
    assert first["macro_f1_ci_low"] < first["macro_f1_mean"] < first["macro_f1_ci_high"]
    assert second["rank"] == 2
    assert "<table>" in board._repr_html_()
    assert "Rank: from 1" in board._repr_html_()
    assert "good" in str(board)
    runs = fb.load_results(results).where(model="bad")
    hidden = fb.leaderboard(runs)
    assert hidden.groups[0].hidden == 1
    assert hidden.frame()["rank"].tolist() == [2]
    with pytest.raises(fb.UserError, match="ranks nothing"):
        fb.leaderboard(results, rank_by="loss")


def test_two_runs_or_configurations_are_compared(results):
    runs = fb.load_results(results)
    found = fb.compare(runs["good-0"], runs["bad-0"])
    assert found.sentence.startswith("good-0 is more accurate than bad-0")
    accuracy = found.frame().set_index("metric").loc["accuracy"]
    assert accuracy["low"] < accuracy["difference"] < accuracy["high"]
    assert set(found.samples()["right"]) == {"A", "B"}
    assert found.sentence in str(found)
    whole = fb.compare("good", "bad", seeds=True, results=results)
    assert "over seeds (3 and 3)" in whole.sentence


def test_predictions_of_a_frame_are_a_result(results):
    like = fb.load_run("good-0", results)
    frame = like.predictions("test").sample(frac=1, random_state=0)
    theirs = fb.import_predictions(frame, like=like, name="theirs")
    assert theirs.kind == "imported"
    assert theirs.metrics()["accuracy"] == pytest.approx(like.metrics()["accuracy"])
    assert theirs.metrics()["log_loss"] is not None
    with pytest.raises(fb.UserError, match="the frame does not fit the test set"):
        fb.import_predictions(frame.head(3), like=like, name="few")
    with pytest.raises(fb.UserError, match="what are these predictions called"):
        fb.import_predictions(frame, like=like)


def test_an_error_shows_what_to_do(tmp_path):
    with pytest.raises(fb.UserError) as caught:
        fb.load_results(tmp_path / "none")
    wrong, remedy = str(caught.value).splitlines()
    assert wrong.startswith("there is no results directory")
    assert remedy.startswith("give the path of one")
