"""Metrics of confusion matrices, their derivatives, and the variances that follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pandas import DataFrame
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_ind, ttest_rel
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from statsmodels.formula.api import ols
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.anova import anova_lm

from ferbench.statistics.estimates import (
    OVER_SAMPLES,
    OVER_SEEDS,
    SeedVariances,
    all_pairs,
    difference,
    interval,
    mcnemar_pairs,
)
from ferbench.statistics.mcnemar import mcnemar_mid_p
from ferbench.statistics.measured import OVERALL, gradient, values
from ferbench.statistics.sampling import Design, Measured, confusions, measure

METRICS = (*OVERALL, "f1:0", "f1:2")


def made(seed=0, n=400, classes=4, models=3, skill=0.6):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    guess = rng.integers(0, classes, (models, n))
    return truth, np.where(rng.random((models, n)) < skill, truth, guess)


def test_metrics_are_scikit_learns():
    truth, (predicted, *_) = made()
    (matrix,) = confusions(Design(truth, 4), predicted[None])
    f1 = f1_score(truth, predicted, average=None)
    wanted = [accuracy_score(truth, predicted), f1.mean(), balanced_accuracy_score(truth, predicted), f1.mean()]
    wanted += [f1[0], f1[2]]
    assert [float(values(metric, matrix)) for metric in METRICS] == pytest.approx(wanted)


@pytest.mark.parametrize("metric", METRICS)
@given(matrix=arrays(np.int64, (3, 3), elements=st.integers(1, 60)))
def test_the_derivative_is_what_a_small_change_makes(metric, matrix):
    counts, step, found = matrix.astype(float), 1e-4, gradient(metric, matrix)
    for cell in np.ndindex(3, 3):
        up, down = counts.copy(), counts.copy()
        up[cell] += step
        down[cell] -= step
        assert found[cell] == pytest.approx(float(values(metric, up) - values(metric, down)) / (2 * step), abs=1e-6)


def test_a_class_without_samples_counts_in_macro_f1_but_not_among_the_present():
    matrix = np.array([[6, 2, 1], [1, 6, 0], [0, 0, 0]])
    truth, predicted = (np.repeat(ids.ravel(), matrix.ravel()) for ids in np.indices((3, 3)))
    f1 = f1_score(truth, predicted, average=None, labels=[0, 1, 2])
    assert float(values("macro_f1", matrix)) == pytest.approx(f1.mean())
    assert float(values("present_f1", matrix)) == pytest.approx(f1[:2].mean())


def test_classes_that_only_a_model_knows_are_errors_and_in_no_macro_f1():
    matrix = np.array([[6, 2, 1], [1, 6, 4], [0, 0, 0]])
    truth, predicted = (np.repeat(ids.ravel(), matrix.ravel()) for ids in np.indices((3, 3)))
    wanted = f1_score(truth, predicted, average="macro", labels=[0, 1])
    design = Design(truth, 3, scored=2)
    assert measure("macro_f1", design, predicted[None]).values == pytest.approx([wanted])


@given(matrix=arrays(np.int64, (3, 3), elements=st.integers(1, 60)), scored=st.integers(1, 3))
def test_the_derivative_knows_which_classes_are_scored(matrix, scored):
    step, found = 1e-4, gradient("macro_f1", matrix, scored)
    for cell in np.ndindex(3, 3):
        up, down = matrix.astype(float), matrix.astype(float)
        up[cell] += step
        down[cell] -= step
        change = float(values("macro_f1", up, scored) - values("macro_f1", down, scored))
        assert found[cell] == pytest.approx(change / (2 * step), abs=1e-6)


def test_a_class_that_is_neither_there_nor_predicted_has_no_influence():
    matrix = np.array([[5, 2, 0], [1, 6, 0], [0, 0, 0]])
    assert np.isfinite([gradient(metric, matrix) for metric in METRICS]).all()


def test_one_class_of_samples_is_the_paired_t_test():
    rng = np.random.default_rng(3)
    truth = np.zeros(300, dtype=np.int64)
    first, second = (rng.random((2, 300)) < [[0.4], [0.3]]).astype(np.int64)
    design = Design(truth, 2)
    found = difference(measure("accuracy", design, first[None]), measure("accuracy", design, second[None]), design)
    wanted = ttest_rel((first == 0).astype(float), (second == 0).astype(float))
    ends = wanted.confidence_interval(0.95)
    # Degrees of freedom are rounded down, from 299 to 200.
    assert found.p == pytest.approx(wanted.pvalue, rel=0.01)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), rel=0.01)


def test_the_variance_of_a_stratified_mean_is_cochrans():
    """Sampling Techniques (1977), 5.3: the strata's unbiased variances, each by its share squared."""
    sizes = [3, 8, 40]
    truth = np.repeat([0, 1, 2], sizes)
    right = np.random.default_rng(4).random(51) < 0.6
    strata = np.split(right.astype(float), np.cumsum(sizes)[:-1])
    accuracy, recall = (
        sum(share**2 * one.var(ddof=1) / len(one) for share, one in zip(shares, strata, strict=True))
        for shares in (np.array(sizes) / 51, np.full(3, 1 / 3))
    )
    design, predicted = Design(truth, 3), np.where(right, truth, (truth + 1) % 3)[None]
    assert measure("accuracy", design, predicted).sampling == pytest.approx(accuracy, rel=1e-9)
    assert measure("balanced_accuracy", design, predicted).sampling == pytest.approx(recall, rel=1e-9)


def test_the_variance_of_a_clustered_mean_is_statsmodels():
    """Of persons of unlike many pictures."""
    truth, (predicted, *_) = made(n=120)
    people = np.sort(np.random.default_rng(7).integers(0, 15, 120))
    right = (predicted == truth).astype(float)
    model = OLS(right, np.ones(120)).fit(cov_type="cluster", cov_kwds={"groups": people})
    measured = measure("accuracy", Design(truth, 4, np.unique(people, return_inverse=True)[1]), predicted[None])
    assert measured.sampling == pytest.approx(float(model.bse[0]) ** 2, rel=1e-9)


def test_clusters_of_one_size_are_tested_by_students_test_of_their_means():
    truth, predicted = made(n=240, models=2)
    people = np.repeat(np.arange(12), 20)
    design = Design(truth, 4, people)
    first, second = (measure("accuracy", design, one[None]) for one in predicted)
    found = difference(first, second, design)
    means = (predicted == truth).reshape(2, 12, 20).mean(axis=2)
    wanted = ttest_rel(*means)
    ends = wanted.confidence_interval(0.95)
    assert found.p == pytest.approx(wanted.pvalue, rel=2e-3)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    assert all_pairs([first, second], design)[0, 1] == pytest.approx(wanted.pvalue, rel=2e-3)


def test_clusters_of_alike_samples_count_once():
    truth, predicted = made(n=200, models=2)
    copies = np.repeat(np.arange(200), 3)
    design = Design(truth[copies], 4, copies)
    alone = Design(truth, 4, np.arange(200))
    for metric in METRICS:
        wanted = [measure(metric, alone, predicted[[i]]).sampling for i in (0, 1)]
        assert [measure(metric, design, predicted[[i]][:, copies]).sampling for i in (0, 1)] == pytest.approx(wanted)


def test_the_estimand_depends_on_the_seeds():
    truth, predicted = made(models=4)
    design = Design(truth, 4)
    found = [interval(measure("accuracy", design, predicted[:seeds]), design) for seeds in (1, 2, 3, 4)]
    assert [None if one is None else one.estimand for one in found] == [OVER_SAMPLES, None, OVER_SEEDS, OVER_SEEDS]


def test_a_rare_class_that_carries_the_variance_gives_it_few_degrees_of_freedom():
    truth = np.repeat([0, 1], [1000, 8])
    rng = np.random.default_rng(0)
    predicted = np.where(rng.random(1008) < 0.7, truth, 1 - truth)[None]
    design = Design(truth, 2)
    many, few = (
        design.freedom(measure(one, design, predicted).deviations) for one in ("accuracy", "balanced_accuracy")
    )
    assert many >= 900
    assert few == 7


def test_degrees_of_freedom_are_rounded_down_and_whole_ones_are_kept():
    design = Design(np.repeat([0, 1], [13, 8]), 2)  # 12 and 7 degrees of freedom
    parts = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    # Of both: 2² / (1/12 + 1/7) = 17.7; where there is no variance, one less than there are samples: 20.
    assert design.combined_freedom(parts).tolist() == [12, 7, 17, 20]


@pytest.mark.parametrize(("right_of_50", "apart"), [((15, 30, 45), True), ((30, 30, 30), False)])
def test_the_variance_of_seeds_is_that_of_a_crossed_analysis_of_variance(right_of_50, apart):
    """Seeds × samples, one answer each: (MS of seeds - MS of the residual) / (samples · seeds)."""
    rng = np.random.default_rng(12)
    right = np.stack([rng.permutation(np.arange(50) < count) for count in right_of_50]).astype(int)
    rows = [(s, i, right[s, i]) for s in range(3) for i in range(50)]
    table = anova_lm(ols("right ~ C(seed) + C(sample)", DataFrame(rows, columns=["seed", "sample", "right"])).fit())
    squares = table["mean_sq"]
    component = (squares["C(seed)"] - squares["Residual"]) / (50 * 3)
    assert (component > 0) == apart
    found = measure("accuracy", Design(np.zeros(50, dtype=np.int64), 2), 1 - right)
    assert (found.seeding, found.shortfall) == pytest.approx((max(0, component), max(0, -component)), rel=1e-9)


def test_a_model_that_is_always_right_has_wilsons_interval_with_students_quantile():
    """Of n out of n Wilson's lower end is n / (n + q²)."""
    truth = np.arange(25) % 2
    design = Design(truth, 2)
    found = interval(measure("accuracy", design, truth[None]), design)
    assert (found.low, found.high) == pytest.approx((25 / (25 + student.ppf(0.975, 24) ** 2), 1.0))


def half(found, mean):
    """Half of the width of an interval that is even in the logarithm, as the value itself has it."""
    assert found.low * found.high == pytest.approx(mean**2)
    return mean * np.log(found.high / mean)


def test_where_samples_add_nothing_the_interval_of_seeds_is_students():
    design = Design(np.zeros(40, dtype=np.int64), 2)
    values = np.array([0.5, 0.62, 0.71, 0.55])
    for seeds in (3, 4):
        measured = Measured(values[:seeds], np.zeros(40), 0.0)
        ends = ttest_1samp(values[:seeds], 0).confidence_interval(0.95)
        assert half(interval(measured, design, scale="positive"), measured.mean) == pytest.approx(
            (ends.high - ends.low) / 2
        )


def test_where_samples_add_nothing_a_difference_is_welchs():
    """Of 2.5 degrees of freedom 2 are counted: they are rounded down."""
    design = Design(np.zeros(40, dtype=np.int64), 2)
    values = np.array([0.5, 0.62, 0.71]), np.array([0.4, 0.45, 0.52, 0.41, 0.47])
    found = difference(*(Measured(one, np.zeros(40), 0.0) for one in values), design)
    welch = ttest_ind(*values, equal_var=False)
    assert welch.df == pytest.approx(2.52, abs=0.01)
    error = (values[0].mean() - values[1].mean()) / welch.statistic
    assert (found.high - found.low) / 2 == pytest.approx(student.ppf(0.975, 2) * error)
    assert found.p == pytest.approx(2 * student.sf(welch.statistic, 2), rel=2e-3)
    assert found.value == pytest.approx(values[0].mean() - values[1].mean())


def test_rows_share_what_their_seeds_say():
    """Two thirds of the mean variance and one of its own, at least 0.8 of its own, and what samples make of it."""
    values = [
        [0.1, 0.2, 0.3],
        [0.1, 0.12, 0.14],
        [0.3, 0.32, 0.34],
        [0.1, 0.1, 0.1],
        [0.2, 0.6, 1.0],
        [0.3, 0.32, 0.34],
    ]
    own = np.var(values, axis=1, ddof=1)
    rows = [Measured(np.array(one), np.zeros(40), 0.0) for one in values]
    found = SeedVariances.of(rows)
    wanted = np.maximum(2 / 3 * own.mean() + own / 3, 0.8 * own)
    assert found.variances == pytest.approx(wanted)
    assert found.variances[4] == pytest.approx(0.8 * own[4])
    assert found.shares.sum(axis=1) == pytest.approx(1)
    # Rows of seeds that vary little are told apart only as far as all seeds say; two rows alone by Welch's test.
    first, second = rows[1], rows[2]
    design = Design(np.arange(40) % 2, 2)
    assert difference(first, second, design).p < 0.01 < all_pairs(rows, design)[1, 2]
    # An interaction with the samples is the least that seeds vary by.
    noisy = SeedVariances.of([replace(row, interaction=0.05) for row in rows])
    assert noisy.variances == pytest.approx(np.maximum(wanted, 0.05))


def test_a_row_of_one_seed_stands_for_this_very_model():
    rows = [Measured(np.array(one), np.zeros(40), 0.0) for one in ([0.1, 0.2, 0.3], [0.4, 0.5, 0.7], [0.5])]
    found = SeedVariances.of(rows)
    assert found.variances[2] == 0
    assert found.shares[:, 2].tolist() == [0, 0, 0]
    p = all_pairs(rows, Design(np.arange(40) % 2, 2), over_seeds=True)
    assert p[0, 2] == pytest.approx(ttest_1samp([0.1, 0.2, 0.3], 0.5).pvalue, rel=2e-3)


def test_of_seeds_that_vary_less_than_samples_make_them_a_third_of_that_is_taken_off():
    design = Design(np.zeros(40, dtype=np.int64), 2, np.arange(40))
    measured = Measured(np.full(3, 0.6), np.full(40, np.sqrt(0.01 / 40)), 0.009)
    assert (measured.sampling, measured.shortfall, measured.seeding) == pytest.approx((0.01, 0.003, 0))
    wanted = student.ppf(0.975, 39) * np.sqrt(0.01 - 0.001)
    assert half(interval(measured, design, scale="positive"), 0.6) == pytest.approx(wanted)


def test_seeds_that_answer_alike_add_no_variance():
    truth, predicted = made()
    design = Design(truth, 4)
    several = measure("macro_f1", design, np.repeat(predicted[:1], 3, axis=0))
    assert several.seeding == pytest.approx(0, abs=1e-15)
    assert several.sampling == pytest.approx(measure("macro_f1", design, predicted[:1]).sampling)


def test_seeds_that_differ_widen_the_interval():
    truth, predicted = made(models=1)
    rng = np.random.default_rng(5)
    seeds = np.stack([np.where(rng.random(400) < share, truth, predicted[0]) for share in (0.0, 0.3, 0.6)])
    design = Design(truth, 4)
    one, three = (interval(measure("accuracy", design, rows), design) for rows in (seeds[:1], seeds))
    assert three.high - three.low > 2 * (one.high - one.low)


@pytest.mark.parametrize("metric", METRICS)
def test_all_pairs_of_trained_models_are_the_single_differences(metric):
    truth, predicted = made(models=10)
    design = Design(truth, 4)
    several = [measure(metric, design, predicted[rows]) for rows in ([0], [1], [2], [5, 6, 7], [0])]
    found = all_pairs(several, design)
    for i, first in enumerate(several):
        for j, second in enumerate(several):
            assert found[i, j] == pytest.approx(difference(first, second, design).p, rel=1e-6)
    assert found[0, 4] == 1


@pytest.mark.parametrize("metric", METRICS)
def test_two_configurations_are_their_difference(metric):
    truth, predicted = made(models=10)
    design = Design(truth, 4)
    several = [measure(metric, design, predicted[rows]) for rows in ([2, 3, 4], [5, 6])]
    assert all_pairs(several, design)[0, 1] == pytest.approx(difference(*several, design).p, rel=1e-6)


def test_mcnemar_between_all_pairs_counts_who_alone_is_right():
    truth, predicted = made(models=3)
    right = predicted == truth
    found = mcnemar_pairs(right)
    wanted = mcnemar_mid_p((right[0] & ~right[2]).sum(), (right[2] & ~right[0]).sum())
    assert found[0, 2] == found[2, 0] == pytest.approx(float(wanted))
    assert found[1, 1] == 1
