"""Agreement beyond chance, against scikit-learn, the krippendorff package and by hand."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ferbench.metrics.agreement import cohen_kappa, krippendorff_alpha
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


@pytest.mark.parametrize("measure", [cohen_kappa, krippendorff_alpha])
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
