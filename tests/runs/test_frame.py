"""Results as frames: one row an evaluation, a sample, an epoch, a class."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from made_records import made_record, write_runs
from made_runs import make_run
from record_files import read_history

from ferbench.runs import frame
from ferbench.runs.index import summaries
from ferbench.runs.predictions import Predictions

#: Names of classes that a reader of tables may take for missing values.
ODD = ("NA", "None", "nan", "", "true, false")


@pytest.fixture
def results(tmp_path):
    """A run with two evaluations, a fold, one that failed, and one on generated images."""
    two = made_record("a", seed=2, optimizer={"lr": 0.1}, metrics={"macro_f1": 0.5, "accuracy": 0.75})
    two["evaluations"]["e3"] = two["evaluations"]["e2"] | {"options": {"tta": "flip"}}
    write_runs(
        tmp_path,
        two,
        made_record("b", fold="2/5", optimizer={"lr": 1}),
        made_record("c", status="failed", data={"train_limit": 7}),
        made_record("d", synthetic=True, metrics={"macro_f1": None, "loss": 2.0}, name="named"),
    )
    return tmp_path


def test_a_row_is_an_evaluation(results):
    table = frame.evaluations(summaries(results))
    assert table["run"].str[0].tolist() == ["a", "a", "b", "c", "d"]
    assert table["evaluation"].tolist()[:3] == ["e2", "e3", "e2"]
    assert table["evaluation"].isna().tolist() == [False, False, False, True, False]
    assert table["status"].tolist() == ["done", "done", "done", "failed", "done"]
    assert table["evaluation.tta"].tolist()[1] == "flip"
    assert table["how"].tolist()[:2] == ["", "tta='flip'"]
    assert table["reason"].tolist()[3] == "it broke"
    assert table["name"].isna().tolist() == [True] * 4 + [False]


def test_numbers_are_numbers_though_some_are_missing(results):
    table = frame.evaluations(summaries(results))
    assert {key: str(table[key].dtype) for key in ("seed", "n", "parameters", "epochs", "optimizer.lr")} == {
        "seed": "Int64",
        "n": "Int64",
        "parameters": "Int64",
        "epochs": "Int64",
        "optimizer.lr": "float64",
    }
    assert table["parameters"].isna().tolist() == [False, False, False, True, False]
    assert table["training.deterministic"].dtype == "boolean"
    assert table["data.train_limit"].dtype == "Int64"
    assert table["accuracy"].tolist()[:2] == [0.75, 0.75]
    assert math.isnan(table["macro_f1"][4])
    assert table["f1:happy"].dtype == "float64"


def test_a_metric_that_is_called_as_a_component_is_apart(results):
    table = frame.evaluations(summaries(results))
    assert table["loss"].unique().tolist() == ["some-loss"]
    assert table["measured_loss"].tolist()[4] == 2.0


def test_every_documented_column_is_there_with_its_type(results):
    documented = {one.key: one.dtype for one in (*frame.RUN_COLUMNS, *frame.EVALUATION_COLUMNS)}
    for runs in (summaries(results), []):
        table = frame.evaluations(runs)
        assert {key: str(table[key].dtype) for key in documented} == documented
    assert list(table.columns) == list(documented)
    assert all(one.about for one in (*frame.RUN_COLUMNS, *frame.EVALUATION_COLUMNS))


def test_settings_and_metrics_stand_apart_on_demand(results):
    runs = summaries(results)
    whole, table, measured = frame.evaluations(runs), frame.evaluations(runs, spread=False), frame.metrics(runs)
    assert list(table.columns)[-2:] == ["absent", "settings"]
    assert table["settings"][0] is runs[0].settings
    assert table["settings"][1]["evaluation.tta"] == "flip"
    assert measured.index.equals(table.index)
    assert measured["macro_f1"].equals(whole["macro_f1"])


def test_what_the_frame_says_is_what_the_summaries_say(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path, model="net", seed=seed, classes=ODD, n=40, options={"width": 8, "act": None})
    runs = summaries(tmp_path)
    table = frame.evaluations(runs)
    for place, run in enumerate(runs):
        assert table.loc[place, "classes"] == ODD
        for name, value in run.scores[0].values.items():
            assert table.loc[place, "measured_loss" if name == "loss" else name] == value
        for key, value in run.settings.items():
            shown = table.loc[place, key]
            assert shown == value or (value is None and pd.isna(shown))


def test_a_row_is_a_sample():
    given = Predictions(
        ids=np.array(["b", "NA", "a"]),
        truth=np.array([0, 4, 2]),
        probabilities=np.eye(5, dtype=np.float32)[[0, 3, 2]],
        affect=np.array([[0.5, -0.5]] * 3, dtype=np.float32),
        columns={"subject": np.array(["s", "", "NA"]), "id": np.array(["1", "2", "3"])},
    )
    table = frame.samples(given, ODD)
    assert table["id"].tolist() == ["b", "NA", "a"]
    assert table["true"].tolist() == ["NA", "true, false", "nan"]
    assert table["predicted"].tolist() == ["NA", "", "nan"]
    assert list(table["true"].cat.categories) == list(ODD)
    assert table["probability:None"].tolist() == [0, 0, 0]
    assert table["valence"].tolist() == [0.5] * 3
    assert "valence_true" not in table
    assert table["subject"].isna().tolist() == [False, True, False]
    assert table["column:id"].tolist() == ["1", "2", "3"]


def test_a_row_is_an_epoch_or_a_class(tmp_path):
    directory = make_run(tmp_path, epochs=3, classes=("NA", "None"), n=20)
    table = frame.epochs(directory.epochs())
    assert table["epoch"].tolist() == [1, 2, 3]
    assert table["best"].dtype == "boolean"
    assert table["train.loss"].tolist() == [one["train"]["loss"] for one in read_history(directory)]
    assert table["validation.f1:NA"].tolist() == [one["validation"]["f1"]["NA"] for one in read_history(directory)]
    assert frame.epochs([]).empty
    for entry in directory.load().evaluations.values():
        classes = frame.classes(entry)
        assert classes["class"].tolist() == ["NA", "None"]
        assert classes["support"].sum() == 20
        assert classes["f1"].tolist() == [one.f1 for one in entry.per_class.values()]
        assert classes["roc_auc"].isna().all()


def test_a_confusion_matrix_has_named_sides():
    table = frame.confusion([[3, 1], [0, 2]], ("None", "happy"))
    assert table.loc["None", "happy"] == 1
    assert (table.index.name, table.columns.name) == ("true", "predicted")
