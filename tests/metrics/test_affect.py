"""Scores of valence and arousal, against scikit-learn, scipy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from ferbench.metrics.affect import affect_scores, dimension_scores

VALUES = st.floats(-1, 1, width=32).map(lambda x: round(x, 3))
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=50)


@given(PAIRS)
def test_errors_and_correlation_are_those_of_scikit_learn_and_scipy(pairs):
    truth, predicted = np.array(pairs).T
    got = dimension_scores(truth, predicted)
    assert got["n"] == len(pairs)
    assert got["rmse"] == pytest.approx(sklearn.metrics.root_mean_squared_error(truth, predicted))
    assert got["mae"] == pytest.approx(sklearn.metrics.mean_absolute_error(truth, predicted))
    if np.ptp(truth) and np.ptp(predicted):
        assert got["r2"] == pytest.approx(sklearn.metrics.r2_score(truth, predicted))
        assert got["pearson"] == pytest.approx(scipy.stats.pearsonr(truth, predicted).statistic, abs=1e-9)


@given(PAIRS)
def test_ccc_is_pearson_scaled_by_the_shift_of_mean_and_spread(pairs):
    """Lin's other form: rho times C_b = 2 / (v + 1/v + u²), with v = s/s', u = (m - m')/sqrt(s s')."""
    truth, predicted = np.array(pairs).T
    if np.ptp(truth) and np.ptp(predicted):
        v = truth.std() / predicted.std()
        u = (truth.mean() - predicted.mean()) / math.sqrt(truth.std() * predicted.std())
        expected = scipy.stats.pearsonr(truth, predicted).statistic * 2 / (v + 1 / v + u * u)
        assert dimension_scores(truth, predicted)["ccc"] == pytest.approx(expected, abs=1e-9)


def test_by_hand():
    got = dimension_scores(np.array([0.0, 0.5, -0.5, 1.0]), np.array([0.0, 0.5, 0.5, 0.0]))
    assert got["rmse"] == pytest.approx(math.sqrt(0.5))
    assert got["mae"] == pytest.approx(0.5)
    # means 0.25 and 0.25; variances 0.3125 and 0.0625; covariance 0.0625 / ... : sum of products is 0, less 0.0625
    assert got["ccc"] == pytest.approx(2 * -0.0625 / (0.3125 + 0.0625))
    assert got["r2"] == pytest.approx(1 - 0.5 / 0.3125)
    assert got["sagr"] == 0.5  # 0 agrees with 0, 0.5 with 0.5; -0.5 and 1.0 find no agreement


def test_the_sign_of_zero_agrees_with_zero_alone():
    assert dimension_scores(np.array([0.0, 0.0, 0.1]), np.array([0.0, 0.1, 0.0]))["sagr"] == pytest.approx(1 / 3)


def test_missing_labels_are_left_out():
    whole = dimension_scores(np.array([0.2, -0.4, 0.9]), np.array([0.1, 0.3, 0.8]))
    assert dimension_scores(np.array([0.2, np.nan, -0.4, 0.9]), np.array([0.1, 9.0, 0.3, 0.8])) == whole


def test_a_constant_prediction_has_no_correlation_and_no_concordance():
    got = dimension_scores(np.array([0.1, 0.2, 0.7]), np.array([0.1, 0.1, 0.1]))
    assert math.isnan(got["pearson"])
    assert got["ccc"] == 0
    assert got["r2"] < 0


def test_a_constant_truth_leaves_r2_undefined():
    got = dimension_scores(np.array([0.1, 0.1]), np.array([0.1, 0.3]))
    assert math.isnan(got["r2"])
    assert got["ccc"] == 0


def test_without_labels_nothing_is_defined_but_their_number():
    got = dimension_scores(np.array([np.nan]), np.array([0.3]))
    assert got.pop("n") == 0
    assert all(math.isnan(value) for value in got.values())


def test_the_columns_are_valence_and_arousal():
    got = affect_scores(np.array([[0.5, 0.0], [0.0, 0.0]]), np.array([[0.5, 1.0], [0.0, 1.0]]))
    assert got["valence_rmse"] == 0
    assert got["arousal_rmse"] == 1
    assert got["arousal_n"] == 2
