"""Stored scores held against the predictions that they are of."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from ferbench.metrics.scoring import scores_record
from ferbench.records.evaluation import Evaluation
from ferbench.runs import recompute
from ferbench.runs.predictions import Predictions

ABOUT = {"evaluation_id": "v1:e", "training_id": "v1:t", "split": "test", "rows_digest": "v1:r"}
NAMES = ("angry", "happy", "sad")


def contradiction(predictions, scores):
    return recompute.contradiction(predictions, Evaluation.model_validate(ABOUT | scores))


@pytest.fixture
def evaluated():
    """Predictions of valence and arousal beside the classes, and their scores."""
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    probabilities = rng.dirichlet(np.ones(3), 60).astype(np.float32)
    affect_truth, affect = rng.uniform(-1, 1, (2, 60, 2)).astype(np.float32)
    ids = np.array([f"face-{i}" for i in range(60)])
    stored = scores_record(truth, probabilities, NAMES, affect_truth=affect_truth, affect=affect)
    return Predictions(ids, truth, probabilities, affect_truth, affect), stored


def test_scores_of_their_predictions_are_not_contradicted(evaluated):
    assert contradiction(*evaluated) == ""


def test_every_score_that_is_another_is_named(evaluated):
    predictions, stored = evaluated
    assert {"macro_f1", "ece_mass", "valence_ccc", "arousal_rmse"} <= set(stored["metrics"])
    for name, value in stored["metrics"].items():
        changed = copy.deepcopy(stored)
        changed["metrics"][name] = value + 0.01
        assert contradiction(predictions, changed).startswith(f"{name} is "), name
    for name in NAMES:
        for key in ("f1", "recall", "precision", "roc_auc", "pr_auc"):
            changed = copy.deepcopy(stored)
            changed["per_class"][name][key] += 0.01
            assert contradiction(predictions, changed).startswith(f"{key} of {name} is ")


def test_scores_that_older_releases_did_not_write_are_not_missed(evaluated):
    predictions, stored = evaluated
    del stored["metrics"]["ece_mass"]
    assert contradiction(predictions, stored) == ""
    del stored["metrics"]["macro_f1"]
    assert contradiction(predictions, stored) == "macro_f1 is not there"


def test_what_is_no_number_is_stored_as_null(evaluated):
    predictions, stored = evaluated
    stored["metrics"]["kappa"] = None
    assert "kappa is" in contradiction(predictions, stored)
    constant = Predictions(*(getattr(predictions, key) for key in ("ids", "truth", "probabilities")))
    constant.truth[:] = 0
    held = scores_record(constant.truth, constant.probabilities, NAMES)
    undefined = [name for name, value in held["metrics"].items() if math.isnan(value)]
    held["metrics"] |= dict.fromkeys(undefined)
    for of_class in held["per_class"].values():
        of_class |= {key: None for key, value in of_class.items() if math.isnan(value)}
    assert contradiction(constant, held) == ""


def test_a_calibration_error_by_edges_in_double_precision_is_that_of_an_older_release():
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.62, 0.38]], dtype=np.float32)  # 0.6 is an edge of bins
    truth = np.array([0, 1, 0])
    predictions = Predictions(np.array(["a", "b", "c"]), truth, probabilities)
    stored = scores_record(truth, probabilities, NAMES[:2])
    older = {**stored, "metrics": {**stored["metrics"], "ece": abs(2 / 3 - 1.82 / 3)}}
    assert older["metrics"]["ece"] != pytest.approx(stored["metrics"]["ece"], abs=1e-3)
    assert contradiction(predictions, older) == ""
    older["metrics"]["ece"] += 0.01
    assert contradiction(predictions, older).startswith("ece is ")
