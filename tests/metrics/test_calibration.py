"""Calibration and uncertainty against scikit-learn, scipy and hand calculations."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import entropy as scipys_entropy
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from ferbench.metrics.calibration import (
    area_under_risk,
    brier_score,
    calibration_metrics,
    entropy,
    fitted_temperature,
    reliability,
    risk_coverage,
    scaled,
)


def made(seed=0, n=600, classes=4, sharpness=2.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (n, classes))
    truth = np.array([rng.choice(classes, p=row) for row in np.exp(logits) / np.exp(logits).sum(1, keepdims=True)])
    sharp = np.exp(logits * sharpness)
    return truth, sharp / sharp.sum(axis=1, keepdims=True)


def test_bins_of_equal_width_are_scikit_learns():
    truth, probabilities = made()
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    accuracy, mean = calibration_curve(right, confidence, n_bins=15, strategy="uniform")
    found = reliability(truth, probabilities)
    filled = found.counts > 0
    assert found.accuracy[filled] == pytest.approx(accuracy)
    assert found.confidence[filled] == pytest.approx(mean)


def test_expected_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    # Three at 0.9, two of which are right; one at 0.6, which is wrong.
    assert reliability(np.array([0, 0, 1, 0]), probabilities).error == pytest.approx(
        (3 * abs(2 / 3 - 0.9) + abs(0 - 0.6)) / 4
    )


def exact_error(confidences: list[Fraction], right: list[bool]) -> Fraction:
    """The expected calibration error over 15 bins of equal width, whose upper edge is theirs, in whole numbers."""
    bins: dict[int, list[Fraction]] = {}
    for confidence, hit in zip(confidences, right, strict=True):
        bins.setdefault(math.ceil(confidence * 15), []).append(hit - confidence)
    return sum((abs(sum(gaps, Fraction())) for gaps in bins.values()), Fraction()) / len(right)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@given(
    st.lists(
        st.tuples(st.sampled_from(["0.6", "0.60", "0.8", "0.66", "0.67", "0.733", "0.7"]), st.booleans()), min_size=1
    )
)
def test_printed_probabilities_fall_into_their_bins(precision, samples):
    printed = [Fraction(text) for text, _ in samples]
    right = [hit for _, hit in samples]
    probabilities = np.array([[float(text), float(1 - Fraction(text))] for text, _ in samples], dtype=precision)
    truth = np.array([0 if hit else 1 for hit in right])
    assert reliability(truth, probabilities).error == pytest.approx(float(exact_error(printed, right)), abs=1e-6)


@pytest.mark.parametrize("number", range(8, 16))
def test_an_edge_belongs_to_the_bin_below_it(number):
    confidence = np.float32(number / 15)
    found = reliability(np.array([0]), np.array([[confidence, 1 - confidence]], dtype=np.float32))
    assert np.flatnonzero(found.counts).tolist() == [number - 1]


def test_bins_of_equal_mass_hold_equally_many():
    truth, probabilities = made(n=604)
    found = reliability(truth, probabilities, equal_mass=True)
    assert set(found.counts.tolist()) <= {40, 41}
    order = np.argsort(probabilities.max(axis=1))[: found.counts[0]]
    assert found.confidence[0] == pytest.approx(probabilities.max(axis=1)[order].mean())


def test_confidence_of_one_is_in_the_last_bin():
    found = reliability(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert found.counts.tolist() == [0] * 14 + [2]
    assert found.error == pytest.approx(0.5)


def test_brier_score_and_entropy_are_the_libraries():
    truth, probabilities = made()
    assert brier_score(truth, probabilities) == pytest.approx(brier_score_loss(truth, probabilities))
    assert entropy(probabilities) == pytest.approx(scipys_entropy(probabilities, axis=1))
    assert entropy(np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx([0, np.log(2)])


def test_risk_and_coverage_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    coverage, risk = risk_coverage(np.array([0, 1, 1, 0]), probabilities)
    assert coverage == pytest.approx([0.25, 0.5, 0.75, 1])
    assert risk == pytest.approx([0, 1 / 2, 1 / 3, 2 / 4])
    assert area_under_risk(np.array([0, 1, 1, 0]), probabilities) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_equal_confidence_tells_nothing_whatever_the_order():
    truth, probabilities = np.array([0, 1, 1, 0]), np.full((4, 2), [0.7, 0.3])
    _, risk = risk_coverage(truth, probabilities)
    assert risk == pytest.approx(np.full(4, 0.5))


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 2.0, 5.0])
def test_the_temperature_has_the_lowest_log_loss(sharpness):
    truth, probabilities = made(sharpness=sharpness, n=2000)
    found = fitted_temperature(truth, probabilities)
    wanted = minimize_scalar(
        lambda t: log_loss(truth, scaled(probabilities, t)),
        bounds=(0.05, 20),
        method="bounded",
        options={"xatol": 1e-6},
    )
    assert found == pytest.approx(wanted.x, rel=1e-3)
    assert found == pytest.approx(sharpness, rel=0.15)


@given(st.floats(0.1, 10), st.integers(0, 50))
def test_scaling_keeps_the_order_of_classes(temperature, seed):
    _, probabilities = made(seed, n=20)
    changed = scaled(probabilities, temperature)
    assert changed.sum(axis=1) == pytest.approx(np.ones(20))
    assert (changed.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_a_temperature_of_one_changes_nothing():
    _, probabilities = made()
    assert scaled(probabilities, 1.0) == pytest.approx(probabilities)


def test_both_calibration_errors_are_recorded():
    truth, probabilities = made(n=600)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.array_split(np.argsort(confidence), 15)  # of 40 samples each
    by_mass = np.mean([abs(right[rows].mean() - confidence[rows].mean()) for rows in bins])
    widths = [(confidence > low) & (confidence <= low + 1 / 15) for low in np.arange(15) / 15]
    by_width = sum(abs(right[rows].sum() - confidence[rows].sum()) for rows in widths) / 600
    found = calibration_metrics(truth, probabilities)
    assert (found["ece"], found["ece_mass"]) == pytest.approx((by_width, by_mass))
    assert found["ece"] != pytest.approx(found["ece_mass"])


def test_no_samples_have_no_calibration():
    assert np.isnan(list(calibration_metrics(np.zeros(0, dtype=np.int64), np.zeros((0, 3))).values())).all()
