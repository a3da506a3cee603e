"""Influences of samples against the jackknife, and intervals against what they are intervals of."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.metrics.affect import affect_scores
from ferbench.metrics.scoring import scores_record
from ferbench.statistics.estimates import OVER_SAMPLES, OVER_SEEDS, interval
from ferbench.statistics.influences import SCALES, ModelOutputs, measure_outputs
from ferbench.statistics.sampling import Design
from ferbench.statistics.spread import even_on

N, CLASSES = 400, 4


def said(seed, missing=0):
    generator = np.random.default_rng(seed)
    truth = np.arange(N) % CLASSES
    logits = generator.normal(size=(N, CLASSES)) + 1.3 * np.eye(CLASSES)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    annotated = np.random.default_rng(99).uniform(-1, 1, (N, 2))
    predicted = np.clip(0.6 * annotated + generator.normal(0, 0.3, (N, 2)), -1, 1)
    annotated[:missing] = np.nan
    return ModelOutputs(truth, probabilities, annotated, predicted)


def values(one, rows):
    metrics = scores_record(one.truth[rows], one.probabilities[rows], tuple("abcd"))["metrics"]
    return {**metrics, **affect_scores(one.affect_truth[rows], one.affect[rows])}


@pytest.fixture(scope="module")
def without():
    """What each metric is without each sample in turn."""
    one = said(0)
    return [values(one, np.delete(np.arange(N), row)) for row in range(N)]


@pytest.mark.parametrize("metric", SCALES)
def test_the_value_is_the_metric_and_the_variance_that_of_the_jackknife(metric, without):
    one = said(0)
    design = Design(one.truth, CLASSES)
    measured = measure_outputs(metric, design, [one])
    assert measured.mean == pytest.approx(values(one, np.arange(N))[metric], rel=1e-9)
    each = np.array([scores[metric] for scores in without])
    means = np.array([each[one.truth == k].mean() for k in range(CLASSES)])
    jackknife = ((each - means[one.truth]) ** 2).sum()  # stratified by class, as the design is
    assert measured.sampling == pytest.approx(jackknife, rel=0.06)


def test_samples_without_valence_are_left_out_of_its_metrics():
    one = said(0, missing=100)
    rows = one.labelled("valence_ccc")
    measured = measure_outputs("valence_ccc", Design(one.truth[rows], CLASSES), [one])
    assert rows.sum() == 300
    assert measured.mean == pytest.approx(values(one, np.flatnonzero(rows))["valence_ccc"])
    assert one.labelled("ece").all()


def test_a_model_without_that_head_has_no_concordance():
    one = ModelOutputs(said(0).truth, said(0).probabilities)
    assert measure_outputs("arousal_rmse", Design(one.truth, CLASSES), [one]) is None


def test_intervals_are_about_the_model_or_the_configuration_and_hold_the_value():
    several = [said(seed) for seed in range(3)]
    design = Design(several[0].truth, CLASSES)
    for metric, scale in SCALES.items():
        for models, what in ((several[:1], OVER_SAMPLES), (several, OVER_SEEDS)):
            measured = measure_outputs(metric, design, models)
            found = interval(measured, design, scale=scale)
            assert found.low < measured.mean < found.high
            assert found.estimand == what
    assert interval(measure_outputs("ece", design, several[:2]), design, scale="share") is None


def test_of_few_samples_the_calibration_error_still_lies_between_0_and_1():
    """Nearly even probabilities of an untrained model, right as often as by chance, hide that the gap is uncertain."""
    truth = np.arange(28) % 7
    probabilities = np.full((28, 7), 1 / 7)
    probabilities[np.arange(28), (truth + np.arange(28) // 4) % 7] += 1e-3
    one = ModelOutputs(truth, probabilities / probabilities.sum(axis=1, keepdims=True))
    design = Design(truth, 7)
    measured = measure_outputs("ece", design, [one])
    found = interval(measured, design, scale=SCALES["ece"])
    assert measured.mean < 0.1
    assert 0 <= found.low < measured.mean < found.high < 1


def test_correlations_have_fishers_interval_and_losses_one_that_is_even_in_their_logarithm():
    # Fisher's z of r = 0.5 from 28 pairs: 0.5493 ± 1.96 / 5, back to 0.156 and 0.736.
    low, high = even_on("correlation", 0.5, 1.959964 / 5 * (1 - 0.25))
    assert (low, high) == pytest.approx((0.156, 0.736), abs=0.0005)
    low, high = even_on("positive", 0.3, 0.1)
    assert low * high == pytest.approx(0.3**2)
    assert even_on("positive", 0.0, 0.1) == (0.0, 0.1)
