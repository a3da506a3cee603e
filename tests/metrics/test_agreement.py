"""Agreement beyond chance, against scikit-learn, the krippendorff package and by hand."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, matthews_corrcoef

from ferbench.metrics.agreement import cohen_kappa, krippendorff_alpha, matthews_correlation
from ferbench.metrics.classification import confusion_matrix

RATINGS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def ratings(pairs):
    truth, predicted = np.array(pairs).T
    return truth, predicted, confusion_matrix(truth, predicted, 4)


@given(RATINGS)
def test_kappa_is_scikit_learns(pairs):
    truth, predicted, confusion = ratings(pairs)
    if len({*truth, *predicted}) > 1:
        assert cohen_kappa(confusion) == pytest.approx(cohen_kappa_score(truth, predicted), abs=1e-12)


@given(RATINGS)
def test_alpha_is_that_of_the_krippendorff_package(pairs):
    truth, predicted, confusion = ratings(pairs)
    if len({*truth, *predicted}) > 1:
        expected = krippendorff.alpha([truth, predicted], level_of_measurement="nominal")
        assert krippendorff_alpha(confusion) == pytest.approx(expected, abs=1e-12)


@given(RATINGS)
def test_matthews_correlation_is_scikit_learns_and_that_of_one_hot_columns(pairs):
    truth, predicted, confusion = ratings(pairs)
    value = matthews_correlation(confusion)
    assert value == pytest.approx(matthews_corrcoef(truth, predicted), abs=1e-12)
    # Gorodkin (2004): covariances of both sides' indicators, summed over the classes.
    x, y = np.eye(4)[truth], np.eye(4)[predicted]
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    spread = (x * x).sum() * (y * y).sum()
    assert value == pytest.approx((x * y).sum() / math.sqrt(spread) if spread > 1e-9 else 0, abs=1e-9)


@pytest.mark.parametrize(
    ("truth", "predicted", "wanted"),
    [
        ([1, 1, 1, 0], [1, 0, 1, 1], -1 / 3),  # scikit-learn's documentation, as -0.33
        ([1, 1, 0, 0], [0, 1, 0, 0], 0.5774),  # torchmetrics' documentation
        ([2, 1, 0, 0], [2, 1, 0, 1], 0.7),  # torchmetrics' documentation, of three classes
        ([0, 0, 1, 1], [0, 0, 1, 1], 1),
        ([0, 0, 1, 1], [1, 1, 0, 0], -1),
        ([0, 0, 1, 1], [1, 1, 1, 1], 0),
        ([0, 0], [0, 0], 0),
        ([], [], 0),
    ],
)
def test_matthews_correlation_is_what_others_publish(truth, predicted, wanted):
    confusion = confusion_matrix(np.array(truth, dtype=int), np.array(predicted, dtype=int), 3)
    assert matthews_correlation(confusion) == pytest.approx(wanted, abs=5e-5)


@pytest.mark.parametrize("measure", [cohen_kappa, krippendorff_alpha, matthews_correlation])
def test_values_are_plain_numbers_that_json_takes(measure):
    assert type(measure(np.array([[20, 5], [10, 15]]))) is float


def test_kappa_by_hand():
    # p_o = 0.7; p_e = 0.5 * 0.6 + 0.5 * 0.4 = 0.5
    assert cohen_kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


def test_a_constant_prediction_agrees_no_more_than_chance():
    assert cohen_kappa(np.array([[6, 0], [4, 0]])) == 0


@pytest.mark.parametrize("confusion", [np.zeros((2, 2), dtype=np.int64), np.array([[5, 0], [0, 0]])])
@pytest.mark.parametrize("measure", [cohen_kappa, krippendorff_alpha])
def test_agreement_on_nothing_or_on_one_class_is_undefined(measure, confusion):
    assert math.isnan(measure(confusion))
