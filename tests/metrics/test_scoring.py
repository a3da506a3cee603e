"""Scores of records: against those of every epoch, by hand, and of tests that lack some of a model's classes."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from ferbench.metrics.calibration import brier_score
from ferbench.metrics.classification import confusion_matrix, score
from ferbench.metrics.scoring import class_metrics, decisions_record, scores_record, value_of

CLASSES = ("happy", "sad", "contempt")


@pytest.fixture
def record():
    """Samples of the first two classes alone, some of which are taken for the third."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    probabilities = rng.dirichlet(np.ones(3), 60)
    return truth, probabilities.argmax(axis=1), scores_record(truth, probabilities, CLASSES, over=range(2))


@pytest.mark.parametrize(
    ("key", "oracle"), [("macro_f1", f1_score), ("macro_precision", precision_score), ("macro_recall", recall_score)]
)
def test_macro_averages_are_over_the_classes_of_the_test_set(record, key, oracle):
    truth, predicted, scores = record
    assert (predicted == 2).any()
    wanted = oracle(truth, predicted, labels=[0, 1], average="macro", zero_division=0)
    assert scores["metrics"][key] == pytest.approx(wanted)


def test_the_worst_class_is_one_of_the_test_set(record):
    truth, predicted, scores = record
    wanted = f1_score(truth, predicted, labels=[0, 1], average=None).min()
    assert scores["metrics"]["worst_class_f1"] == pytest.approx(wanted)


def test_every_class_of_the_model_has_its_row(record):
    _, predicted, scores = record
    assert scores["per_class"]["contempt"]["support"] == 0
    assert np.array(scores["confusion"])[:, 2].sum() == (predicted == 2).sum()


def areas(positive, scores):
    """ROC-AUC and average precision of the second of two classes."""
    scores = np.array(scores)
    record = scores_record(np.array(positive, dtype=int), np.stack([1 - scores, scores], axis=1), CLASSES[:2])
    return record["per_class"]["sad"]["roc_auc"], record["per_class"]["sad"]["pr_auc"]


@given(
    arrays(np.float32, (12, 3), elements=st.sampled_from([0.0, 0.125, 0.25, 0.5])),
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
)
def test_what_scikit_learn_computes_for_records_is_what_numpy_computes_after_every_epoch(shares, labels):
    truth, probabilities = np.array(labels), (shares + 0.125) / (shares + 0.125).sum(axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record = scores_record(truth, probabilities, CLASSES)
    by_epoch = class_metrics(truth, probabilities, score(confusion_matrix(truth, probabilities.argmax(axis=1), 3)))
    assert set(by_epoch) <= set(record["metrics"])
    for key, value in by_epoch.items():
        assert record["metrics"][key] == pytest.approx(value, abs=1e-9, nan_ok=True), key
    assert record["metrics"]["brier"] == pytest.approx(brier_score(truth, probabilities), abs=1e-6)


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.3000001, 0.7, 1.0])), min_size=2, max_size=40)
)
def test_areas_are_scikit_learns_to_the_bit(rows):
    positive, scores = np.array([one for one, _ in rows]), np.array([share for _, share in rows])
    assume(positive.any() and not positive.all())
    roc, precision_recall = areas(positive, scores)
    assert roc == roc_auc_score(positive, scores)
    assert precision_recall == average_precision_score(positive, scores)


def test_areas_by_hand():
    # Pairs (positive, negative): 0.8 > 0.3, 0.8 > 0.6, 0.4 > 0.3, 0.4 < 0.6; ranked: hit (1/1), miss, hit (2/3), miss.
    assert areas([1, 1, 0, 0], [0.8, 0.4, 0.3, 0.6]) == pytest.approx((0.75, (1 + 2 / 3) / 2))
    assert areas([1, 0], [0.5, 0.5]) == pytest.approx((0.5, 0.5))  # ties count half


def test_a_class_without_samples_or_without_others_is_undefined_and_left_out_of_the_mean():
    truth, probabilities = np.array([0, 0, 1]), np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.8, 0]])
    record = scores_record(truth, probabilities, CLASSES)
    by_class = record["per_class"]
    assert math.isnan(by_class["contempt"]["roc_auc"])
    assert math.isnan(by_class["contempt"]["pr_auc"])
    assert record["metrics"]["roc_auc"] == (by_class["happy"]["roc_auc"] + by_class["sad"]["roc_auc"]) / 2
    alone = scores_record(np.array([0, 0]), probabilities[:2], CLASSES)
    assert math.isnan(alone["metrics"]["roc_auc"])
    assert alone["per_class"]["happy"]["pr_auc"] == 1


def test_no_samples_are_no_error():
    metrics = scores_record(np.zeros(0, dtype=np.int64), np.zeros((0, 3)), CLASSES)["metrics"]
    assert math.isnan(metrics["log_loss"])
    assert math.isnan(metrics["kappa"])
    assert metrics["accuracy"] == metrics["mcc"] == 0


def test_predicted_classes_alone_have_no_losses_and_areas():
    metrics = decisions_record(np.array([0, 1, 2]), np.array([0, 1, 1]), CLASSES)["metrics"]
    assert metrics["mcc"] == pytest.approx(0.6123724)
    assert not {"log_loss", "brier", "roc_auc", "ece", "top2_accuracy"} & set(metrics)


def test_probabilities_a_rounding_error_above_one_are_scored():
    probabilities = np.array([[np.nextafter(np.float32(1), np.float32(2)), 0], [0, 1]], dtype=np.float32)
    metrics = scores_record(np.array([0, 1]), probabilities, CLASSES[:2])["metrics"]
    assert metrics["brier"] == pytest.approx(0, abs=1e-6)
    assert metrics["log_loss"] == pytest.approx(1.2e-7, rel=0.01)


def test_one_metric_alone_is_what_the_record_has():
    rng = np.random.default_rng(2)
    truth, probabilities = rng.integers(0, 3, 60), rng.dirichlet([1, 1, 1], 60)
    affect = rng.uniform(-1, 1, (60, 2)), rng.uniform(-1, 1, (60, 2))
    names = ("a", "b", "c")
    record = scores_record(truth, probabilities, names, affect_truth=affect[0], affect=affect[1], over=(0, 1))
    for metric, value in record["metrics"].items():
        assert value_of(metric, truth, probabilities, names, over=(0, 1), affect=affect) == pytest.approx(value), metric
    assert value_of("recall:b", truth, probabilities, names) == pytest.approx(record["per_class"]["b"]["recall"])
