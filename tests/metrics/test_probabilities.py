"""Metrics of probabilities, against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ferbench.metrics.probabilities import (
    average_precision,
    log_loss,
    mean_of_defined,
    one_vs_rest,
    roc_auc,
    top_k_accuracy,
)


def random_predictions(n: int = 200, classes: int = 5, seed: int = 0):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(classes), n).astype(np.float32)
    return generator.integers(0, classes, n), probabilities


def test_top_2_accuracy_is_scikit_learns_where_there_are_no_ties():
    truth, probabilities = random_predictions()
    expected = sklearn.metrics.top_k_accuracy_score(truth, probabilities, k=2, labels=range(5))
    assert top_k_accuracy(truth, probabilities) == pytest.approx(expected)


@given(
    arrays(np.float32, (12, 3), elements=st.sampled_from([0.0, 0.25, 0.5])),
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
)
def test_top_1_is_argmax_whatever_the_ties(probabilities, labels):
    truth = np.array(labels)
    assert top_k_accuracy(truth, probabilities, k=1) == np.mean(probabilities.argmax(axis=1) == truth)
    assert top_k_accuracy(truth, probabilities, k=3) == 1


def test_log_loss_is_scikit_learns():
    truth, probabilities = random_predictions()
    expected = sklearn.metrics.log_loss(truth, probabilities, labels=range(5))
    assert log_loss(truth, probabilities) == pytest.approx(expected, rel=1e-6)


def test_a_certain_mistake_costs_the_resolution_of_float32():
    got = log_loss(np.array([1]), np.array([[1.0, 0.0]], dtype=np.float32))
    assert got == pytest.approx(-math.log(2.0**-23))


SCORED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.125, 0.5, 0.75, 1.0])), min_size=2, max_size=40)


@given(SCORED)
def test_roc_auc_is_scikit_learns_with_ties_too(pairs):
    positive, scores = np.array([p for p, _ in pairs]), np.array([s for _, s in pairs])
    if positive.any() and not positive.all():
        assert roc_auc(positive, scores) == pytest.approx(sklearn.metrics.roc_auc_score(positive, scores))


@given(SCORED)
def test_average_precision_is_scikit_learns_with_ties_too(pairs):
    positive, scores = np.array([p for p, _ in pairs]), np.array([s for _, s in pairs])
    if positive.any():
        expected = sklearn.metrics.average_precision_score(positive, scores)
        assert average_precision(positive, scores) == pytest.approx(expected)


def test_roc_auc_by_hand():
    # Pairs (positive, negative): 0.8 > 0.3, 0.8 > 0.6, 0.4 > 0.3, 0.4 < 0.6.
    assert roc_auc(np.array([True, True, False, False]), np.array([0.8, 0.4, 0.3, 0.6])) == 0.75


def test_average_precision_by_hand():
    # Ranked: hit (1/1), miss, hit (2/3).
    got = average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.1]))
    assert got == pytest.approx((1 + 2 / 3) / 2)


def test_a_class_without_samples_is_undefined_and_left_out_of_the_mean():
    truth, probabilities = np.array([0, 0, 1]), np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.8, 0]])
    roc, precision = one_vs_rest(truth, probabilities)
    assert math.isnan(roc[2])
    assert math.isnan(precision[2])
    assert mean_of_defined(roc) == pytest.approx((roc[0] + roc[1]) / 2)


def test_curves_of_a_single_class_have_no_negatives():
    roc, precision = one_vs_rest(np.array([0, 0]), np.array([[0.9, 0.1], [0.4, 0.6]]))
    assert np.isnan(roc).all()
    assert math.isnan(mean_of_defined(roc))
    assert precision[0] == 1


def test_nothing_to_score_is_undefined():
    nothing, probabilities = np.zeros(0, dtype=np.int64), np.zeros((0, 3))
    assert math.isnan(top_k_accuracy(nothing, probabilities))
    assert math.isnan(log_loss(nothing, probabilities))
