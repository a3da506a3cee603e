"""The bootstrap over cells draws what a bootstrap over samples draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, norm, ttest_ind
from scipy.stats import t as student
from sklearn.metrics import f1_score

from ferbench.statistics.bootstrap import paired_bootstrap
from ferbench.statistics.sampling import Design


def made(models, n=240, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    skills = np.linspace(0.45, 0.7, models)[:, None]
    return truth, np.where(rng.random((models, n)) < skills, truth, rng.integers(0, 3, (models, n)))


def macro_f1(truth, predicted):
    hits = [((truth == k) & (predicted == k)).sum() for k in range(3)]
    return np.mean([2 * hit / ((truth == k).sum() + (predicted == k).sum()) for k, hit in enumerate(hits)])


def naive(truth, first, second, groups, draws, rng):
    """Macro-F1 differences of resampled samples, group by group."""
    found = []
    for _ in range(draws):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        sides = [np.mean([macro_f1(truth[rows], one[rows]) for one in side]) for side in (first, second)]
        found.append(sides[0] - sides[1])
    return np.array(found)


def test_macro_f1_is_resampled_as_sample_by_sample_within_classes():
    truth, predicted = made(3)
    (one,) = paired_bootstrap(Design(truth, 3), predicted[:1], predicted[1:], ["macro_f1"])
    groups = [np.flatnonzero(truth == label) for label in range(3)]
    drawn = naive(truth, predicted[:1], predicted[1:], groups, 1500, np.random.default_rng(0))
    assert (one.low, one.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)
    scores = [f1_score(truth, row, average="macro") for row in predicted]
    assert [one.first, one.second] == pytest.approx([scores[0], np.mean(scores[1:])])


def test_accuracy_of_one_class_is_scipys_bootstrap():
    rng = np.random.default_rng(2)
    first, second = (rng.random((2, 150)) < [[0.3], [0.45]]).astype(np.int64)
    (one,) = paired_bootstrap(Design(np.zeros(150, dtype=np.int64), 2), first[None], second[None], ["accuracy"])
    right = ((first == 0).astype(float), (second == 0).astype(float))
    wanted = bootstrap(
        right, lambda a, b, axis: a.mean(axis) - b.mean(axis), paired=True, method="percentile", vectorized=True, rng=0
    ).confidence_interval
    assert (one.low, one.high) == pytest.approx((wanted.low, wanted.high), abs=0.008)


def test_p_and_interval_of_uneven_classes_are_those_of_the_normal_distribution():
    """With Cochran's variance of a stratified mean, where there are enough samples for it."""
    rng = np.random.default_rng(8)
    truth = np.repeat([0, 1], [60, 540])
    first, second = (np.where(rng.random(600) < share, truth, 1 - truth) for share in (0.74, 0.705))
    gains = (first == truth).astype(float) - (second == truth)
    parts = [gains[truth == label] for label in (0, 1)]
    error = np.sqrt(sum((len(one) / 600) ** 2 * one.var(ddof=1) / len(one) for one in parts))
    (found,) = paired_bootstrap(Design(truth, 2), first[None], second[None], ["accuracy"])
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.05)
    assert found.p == pytest.approx(2 * norm.sf(abs(gains.mean()) / error), abs=0.03)
    assert found.p > 0.08


def test_what_does_not_vary_within_a_class_does_not_vary():
    """Each model always says one class: of a test set with as many samples of each class nothing else can come out."""
    truth = np.repeat([0, 1], [60, 40])
    first, second = np.zeros((1, 100), dtype=np.int64), np.ones((1, 100), dtype=np.int64)
    accuracy, macro = paired_bootstrap(Design(truth, 2), first, second, ["accuracy", "macro_f1"], draws=20_000)
    half = student.ppf(0.975, 98) / 100  # as if one more sample of a hundred were answered otherwise
    assert (accuracy.low, accuracy.high) == pytest.approx((0.2 - half, 0.2 + half), abs=0.001)
    f1 = [2 * 60 / 160 / 2, 2 * 40 / 140 / 2]
    assert macro.low < f1[0] - f1[1] < macro.high


def test_whole_clusters_are_drawn():
    truth, predicted = made(2, n=60)
    copies = np.repeat(np.arange(60), 4)
    (few,) = paired_bootstrap(Design(truth, 3, np.arange(60)), predicted[:1], predicted[1:], ["accuracy"])
    design = Design(truth[copies], 3, copies)
    (many,) = paired_bootstrap(design, predicted[:1, copies], predicted[1:, copies], ["accuracy"])
    assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=0.01)


def test_the_same_runs_give_the_same_numbers():
    truth, predicted = made(2)
    design = Design(truth, 3)
    asked = design, predicted[:1], predicted[1:], ["accuracy", "f1:1"]
    assert paired_bootstrap(*asked, draws=500) == paired_bootstrap(*asked, draws=500)


def test_seeds_are_a_source_of_variance_from_two_on():
    truth, predicted = made(6)
    design = Design(truth, 3)
    (alone,) = paired_bootstrap(design, predicted[[0]], predicted[[1, 4]], ["accuracy"])
    (two,) = paired_bootstrap(design, predicted[[0, 5]], predicted[[1, 4]], ["accuracy"])
    (three,) = paired_bootstrap(design, predicted[[0, 2, 5]], predicted[[1, 3, 4]], ["accuracy"])
    assert two.high - two.low > three.high - three.low > 2 * (alone.high - alone.low)


def test_where_samples_add_nothing_draws_vary_by_welchs_t_of_the_seeds():
    """Each seed always says one class, whose share of the samples is its accuracy."""
    sizes = [10, 60, 90, 20, 70, 40, 30]
    truth = np.repeat(np.arange(7), sizes)
    seeds = np.repeat(np.arange(7)[:, None], len(truth), axis=1)
    (found,) = paired_bootstrap(Design(truth, 7), seeds[:3], seeds[3:], ["accuracy"])
    sides = np.array(sizes[:3]) / len(truth), np.array(sizes[3:]) / len(truth)
    welch, gap = ttest_ind(*sides, equal_var=False), sides[0].mean() - sides[1].mean()
    half = student.ppf(0.975, int(welch.df)) * gap / welch.statistic
    low, high = gap - half, gap + half
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.1)


def test_alike_models_are_not_told_apart():
    truth, predicted = made(1)
    (one,) = paired_bootstrap(Design(truth, 3), predicted, predicted, ["macro_f1"], draws=200)
    assert one.difference == 0
    assert one.low < 0 < one.high
    assert one.p == 1
