"""Metrics without the samples of a list."""

from __future__ import annotations

import numpy as np
import pytest
from made_runs import make_run
from record_files import read_metrics, read_record, write_metrics
from sklearn.metrics import accuracy_score, f1_score

from ferbench.data.exclusions import write_exclusions
from ferbench.errors import UserError
from ferbench.ranking.grouping import group
from ferbench.ranking.without import with_and_without
from ferbench.runs.directory import RunDirectory
from ferbench.runs.index import summaries
from ferbench.runs.predictions import Predictions


def rows(results, path):
    groups, _ = group(summaries(results))
    (found,) = with_and_without(results, groups, path)
    return found, dict(zip(found.rows["name"], found.rows["without"], strict=True))


def predictions(run: RunDirectory) -> tuple[str, Predictions]:
    (key,) = [key for key, one in read_record(run)["evaluations"].items() if one["split"] == "test"]
    return key, run.predictions(key)


@pytest.fixture
def listed(tmp_path):
    """Of 350 samples every seventh, and one that nobody has."""
    write_exclusions(tmp_path / "x.csv", [*((f"test-{i:05d}", "leak") for i in range(0, 350, 7)), ("other", "leak")])
    return tmp_path / "x.csv"


def test_metrics_are_those_of_the_samples_that_are_left(tmp_path, listed):
    runs = {name: make_run(tmp_path, name=name, model=name) for name in "ab"}
    found, without = rows(tmp_path, listed)
    assert found.left_out == 50
    for name, run in runs.items():
        _, own = predictions(run)
        kept = np.arange(350) % 7 != 0
        truth, predicted = own.truth[kept], own.probabilities[kept].argmax(axis=1)
        assert without[name]["accuracy"].mean == pytest.approx(accuracy_score(truth, predicted))
        assert without[name]["macro_f1"].mean == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_it_does_not_matter_which_run_says_who_is_shown(tmp_path, listed):
    people = np.array([f"p{i // 35}" for i in range(350)])
    found = []
    for knowing in ("ab", "a", "b"):
        results = tmp_path / knowing
        for name in "ab":
            run = make_run(results, name=name, model=name)
            if name in knowing:
                key, own = predictions(run)
                changed = Predictions(own.ids, own.truth, own.probabilities, columns={"subject": people})
                write_metrics(run, read_metrics(run, key), changed)
        found.append(rows(results, listed)[1])
    assert found[0] == found[1] == found[2]
    for name in "ab":
        make_run(tmp_path / "nobody", name=name, model=name)
    nobody = rows(tmp_path / "nobody", listed)[1]
    assert nobody["a"]["accuracy"].mean == found[0]["a"]["accuracy"].mean
    assert nobody["a"]["accuracy"].interval != found[0]["a"]["accuracy"].interval


def test_predictions_that_cannot_be_read_leave_their_row_without(tmp_path, listed):
    runs = {name: make_run(tmp_path, name=name, model=name) for name in "ab"}
    for path in (runs["a"].path / "evaluations").glob("*/predictions.npz"):
        path.write_bytes(b"no zip")
    _, without = rows(tmp_path, listed)
    assert without["a"] == {}
    assert set(without["b"]) == {"accuracy", "macro_f1", "balanced_accuracy"}


@pytest.mark.parametrize(
    ("ids", "message"),
    [(["other"], "names no sample that the runs were tested on"), ([f"test-{i:05d}" for i in range(350)], "every")],
)
def test_a_list_of_nothing_or_of_everything_is_an_error(tmp_path, ids, message):
    make_run(tmp_path)
    write_exclusions(tmp_path / "x.csv", [(one, "leak") for one in ids])
    with pytest.raises(UserError, match=message):
        rows(tmp_path, tmp_path / "x.csv")


def test_a_mean_over_folds_is_taken_without_the_samples_of_each(tmp_path, listed):
    runs = [make_run(tmp_path, fold=f"{place}/2", test=test) for place, test in ((1, "test"), (2, "other"))]
    found, without = rows(tmp_path, listed)
    assert (found.n, found.left_out) == (700, 50)
    scores = []
    for run, kept in zip(runs, (np.arange(350) % 7 != 0, np.full(350, True)), strict=True):
        (key,) = read_record(run)["evaluations"]
        own = run.predictions(key)
        scores.append(f1_score(own.truth[kept], own.probabilities[kept].argmax(axis=1), average="macro"))
    assert without[None]["macro_f1"].mean == pytest.approx(np.mean(scores))
    assert (without[None]["macro_f1"].low, without[None]["macro_f1"].high) == pytest.approx((min(scores), max(scores)))
    assert without[None]["macro_f1"].interval is None
