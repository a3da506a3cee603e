"""Runs against each other: confusions and costs."""

from __future__ import annotations

import numpy as np
import pytest
from made_runs import make_run
from made_views import predictions
from sklearn.metrics import confusion_matrix

from ferbench.report.contents import read_runs
from ferbench.report.contrasts import confusion_difference, frontier, pareto
from ferbench.report.page import compose


def test_confusions_are_compared_in_points_of_each_true_class(tmp_path):
    runs = [make_run(tmp_path, name=name, skill=skill) for name, skill in (("a", 0.8), ("b", 0.4))]
    (group,) = read_runs(runs).comparisons
    shares = []
    for one in map(predictions, runs):
        shares.append(confusion_matrix(one.truth, one.probabilities.argmax(axis=1), normalize="true"))
    (found,) = [f for f in compose(read_runs(runs)).comparisons[0].figures if "difference" in f.id]
    change = 100 * (shares[1] - shares[0])
    said = [[one.rpartition("<br>")[2] for one in row] for row in found.spec["data"][0]["customdata"]]
    assert said == [[f"{one:+.1f} points".replace("-", "−") for one in row] for row in change]
    # Cells are drawn by how much better it is: more on the diagonal, fewer elsewhere.
    better = np.where(np.eye(len(shares[0]), dtype=bool), 1, -1) * change
    assert np.array(found.spec["data"][0]["z"]) == pytest.approx(better)
    ends = found.spec["layout"]["coloraxis"]
    assert -ends["cmin"] == ends["cmax"] == pytest.approx(np.abs(better).max())
    other = confusion_difference(group.runs[0], group.runs[1], "x")
    assert np.array(other.spec["data"][0]["z"]) == pytest.approx(-better)


def test_the_frontier_joins_what_nothing_cheaper_reaches():
    assert frontier([(1, 0.5), (2, 0.4), (3, 0.7), (3, 0.6), (4, 0.7), (0.5, 0.1)]) == [5, 0, 2]


def test_accuracy_is_drawn_against_a_cost_that_differs(tmp_path):
    runs = [make_run(tmp_path, name=name) for name in "ab"]
    record = runs[0].load()
    record.model.parameters = 10
    runs[0].save(record)
    (group,) = read_runs(runs).comparisons
    assert pareto(group, "flops", "x") is None
    runs, best = pareto(group, "parameters", "x").spec["data"]
    assert sorted(runs["x"]) == [10, 118531]
    assert best["text"][0] == "a"  # the cheapest is always on the frontier
    assert len(best["text"]) == len(best["x"])
    assert best["textposition"][0] == "bottom right"
