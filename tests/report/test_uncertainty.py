"""What a report says of probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from made_runs import make_run
from made_views import evaluation_of, predictions, rewrite, view
from sklearn.metrics import precision_recall_curve, roc_curve

from ferbench.metrics.calibration import fitted_temperature
from ferbench.metrics.probabilities import log_loss
from ferbench.report.contents import read_runs
from ferbench.report.page import compose
from ferbench.report.uncertainty import Probabilities, precision_recall_points, roc_points


def test_the_temperature_comes_from_validation_and_lowers_the_log_loss(run):
    given = predictions(run)
    raw, after = compose(read_runs([run])).runs[0].calibration.rows
    wanted = run.predictions(evaluation_of(run, "validation"))
    assert after[1] == pytest.approx(fitted_temperature(wanted.truth, wanted.probabilities))
    assert 2 < after[1] < 4
    assert raw[4] == pytest.approx(log_loss(given.truth, given.probabilities))
    assert after[4] < raw[4]


def test_other_test_samples_leave_the_temperature_as_it_is(run):
    (_, before) = compose(read_runs([run])).runs[0].calibration.rows
    rewrite(run, truth=np.roll(predictions(run).truth, 1))
    (_, after) = compose(read_runs([run])).runs[0].calibration.rows
    assert after[1] == before[1]


def test_a_run_without_validation_has_raw_values_only(run):
    for path in (run.path / "evaluations" / evaluation_of(run, "validation")).glob("*.npz"):
        path.unlink()
    assert len(compose(read_runs([run])).runs[0].calibration.rows) == 1


def test_classes_without_probabilities_have_no_curves(run):
    hard = np.eye(7, dtype=np.float32)[predictions(run).probabilities.argmax(axis=1)]
    rewrite(run, probabilities=hard)
    part = compose(read_runs([run])).runs[0]
    assert (part.calibration, part.uncertainty) == (None, ())
    assert part.errors.rows


def test_curves_go_through_scikit_learns_points(run):
    given = predictions(run)
    positive, scores = given.truth == 2, np.round(given.probabilities[:, 2], 2)
    x, y, _ = roc_curve(positive, scores, drop_intermediate=False)
    assert np.stack(roc_points(positive, scores)) == pytest.approx(np.stack([x, y]))
    precision, recall, _ = precision_recall_curve(positive, scores)
    own = precision_recall_points(positive, scores)
    assert own[0][1:] == pytest.approx(recall[::-1][1:])
    assert own[1][1:] == pytest.approx(precision[::-1][1:])


def test_every_class_with_samples_has_its_curves(run):
    figures = {figure.id.partition("-")[0]: figure for figure in compose(read_runs([run])).runs[0].uncertainty}
    assert set(figures) == {"reliability", "risk", "roc", "pr"}
    assert len(figures["roc"].spec["data"]) == 7
    assert all(len(line["x"]) <= 201 for line in figures["roc"].spec["data"])


def test_probabilities_of_many_classes_have_no_curves(tmp_path):
    made = make_run(tmp_path, classes=[f"c{i}" for i in range(12)])
    seen = view(made)
    figures = Probabilities(seen, predictions(made), None).figures()
    assert [figure.id.partition("-")[0] for figure in figures] == ["reliability", "risk"]
