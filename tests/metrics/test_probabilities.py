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
    log_loss,
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


def test_nothing_to_score_is_undefined():
    nothing, probabilities = np.zeros(0, dtype=np.int64), np.zeros((0, 3))
    assert math.isnan(top_k_accuracy(nothing, probabilities))
    assert math.isnan(log_loss(nothing, probabilities))
