"""Small test sets: below which size nothing is said, and how often it is wrong above."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from ferbench.statistics.bootstrap import paired_bootstrap
from ferbench.statistics.estimates import all_pairs, difference, interval
from ferbench.statistics.mcnemar import mcnemar_mid_p
from ferbench.statistics.sampling import LEAST_CLUSTERS, LEAST_OF_CLASS, LEAST_SAMPLES, Design, measure, unlike

METRICS = ("accuracy", "macro_f1", "balanced_accuracy", "present_f1", "f1:0")


def best_and_worst(design):
    """Always right, and always wrong."""
    return design.truth[None], ((design.truth + 1) % design.classes)[None]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("classes", range(2, 8))
@pytest.mark.parametrize("each", range(1, 6))
def test_what_is_never_significant_by_chance_alone_is_not_significant(metric, classes, each):
    """One sample a class is no proof, however the answers fall."""
    design = Design(np.repeat(np.arange(classes), each), classes)
    first, second = (measure(metric, design, one) for one in best_and_worst(design))
    found = difference(first, second, design)
    (drawn,) = paired_bootstrap(design, *best_and_worst(design), [metric], draws=100)
    assert drawn.lacks == design.lacks(metric)
    if design.lacks(metric):
        assert np.isnan([found.low, found.high, found.p, drawn.low, drawn.high, drawn.p]).all()
        assert interval(first, design) is None
        assert np.isnan(all_pairs([first, second], design)[0, 1])
    else:
        told_apart = each if metric == "f1:0" else design.n
        assert found.p >= 2.0 ** (1 - min(design.n, 2 * told_apart))
        assert interval(first, design).low < 1


def test_the_reason_says_what_there_is_and_what_is_needed():
    few = Design(np.zeros(LEAST_SAMPLES - 1, dtype=np.int64), 2)
    assert few.lacks("accuracy") == "there are 9 samples, and 10 are needed"
    uneven = Design(np.repeat([0, 1], [40, LEAST_OF_CLASS - 1]), 2)
    assert uneven.lacks("macro_f1") == "the smallest class has 4 samples, and 5 are needed"
    assert uneven.lacks("f1:1") == "the class has 4 samples, and 5 are needed"
    assert uneven.lacks("accuracy") == uneven.lacks("f1:0") == uneven.lacks("log_loss") == ""
    people = Design(np.repeat([0, 1], 45), 2, np.arange(90) % (LEAST_CLUSTERS - 1), "clip")
    assert people.lacks("accuracy") == "the samples are of 9 clips, and 10 are needed"


@pytest.mark.parametrize("sizes", [(43,) * 7, (10, 20, 30, 40, 50, 60, 90), (299, 1)])
@pytest.mark.parametrize("always", [0, -1])
def test_a_model_that_always_says_one_class_has_wilsons_interval(sizes, always):
    """Its accuracy is that class's share, which no draw within the classes changes: rounding made it an interval of
    width 0."""
    truth = np.repeat(np.arange(len(sizes)), sizes)
    design = Design(truth, len(sizes))
    said = np.full((1, len(truth)), np.arange(len(sizes))[always])
    found = interval(measure("accuracy", design, said), design)
    low, high = proportion_confint(sizes[always], len(truth), method="wilson")
    if 1 in sizes:  # joined with the other class, it varies
        assert found.high - found.low > 0.005
    else:
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.002)


def test_a_class_of_one_sample_is_drawn_with_the_next_larger_one():
    """Variances against Cochran's formula with the two as one stratum."""
    truth = np.repeat([0, 1, 2], [1, 9, 40])
    right = np.random.default_rng(3).random(50) < 0.6
    strata = right[:10].astype(float), right[10:].astype(float)
    wanted = sum((len(one) / 50) ** 2 * one.var(ddof=1) / len(one) for one in strata)
    design = Design(truth, 3)
    assert measure("accuracy", design, np.where(right, truth, (truth + 1) % 3)[None]).sampling == pytest.approx(wanted)


@pytest.mark.parametrize("clusters", [None, np.arange(100) // 5])
def test_models_that_say_the_same_may_differ_by_a_sample_that_was_not_drawn(clusters):
    truth = np.repeat([0, 1], 50)
    said = measure("accuracy", Design(truth, 2, clusters), np.where(np.arange(100) % 3, truth, 1 - truth)[None])
    found = difference(said, said, Design(truth, 2, clusters))
    assert (found.value, found.p) == (0, 1)
    assert found.high == -found.low == pytest.approx((1.98 if clusters is None else 5 * 2.09) / 100, abs=0.003)


def test_pairs_that_nothing_makes_vary_are_tested_as_one_pair_is():
    truth = np.repeat([0, 1], [30, 20])
    design = Design(truth, 2)
    several = [measure("accuracy", design, np.full((1, 50), k)) for k in (0, 1)]
    assert all_pairs(several, design)[0, 1] == pytest.approx(difference(*several, design).p, rel=1e-6)


@given(st.integers(2, 4), st.integers(1, 4), st.integers(1, 4), st.integers(10, 40), st.integers(0, 10**6))
def test_units_that_say_the_same_are_counted_whatever_the_number_of_seeds(classes, one, other, n, seed):
    rng = np.random.default_rng(seed)
    sides = [
        rng.integers(0, classes, (1, n)).repeat(one, axis=0),
        rng.integers(0, classes, (1, n)).repeat(other, axis=0),
    ]
    groups = np.arange(n) // 3
    apart = sides[0][0] != sides[1][0]
    assert unlike(sides, Design(np.zeros(n, dtype=np.int64), classes))[0, 1] == apart.sum()
    design = Design(np.zeros(n, dtype=np.int64), classes, groups)
    assert unlike(sides, design)[0, 1] == len(np.unique(groups[apart]))


def test_seeds_that_say_a_class_equally_often_say_the_same():
    design = Design(np.zeros(3, dtype=np.int64), 3)
    one, other = np.array([[0, 1, 2], [1, 1, 2]]), np.array([[1, 1, 2], [1, 1, 2], [0, 1, 1], [0, 1, 2]])
    assert unlike([one, other], design)[0, 1] == 1


def error_of_mid_p(n, apart):
    """How often McNemar's mid-p tells equal models apart whose answers to a share of ``n`` samples are unlike."""
    chances = [
        binom.pmf(x, d, 0.5)[mcnemar_mid_p(x, d - x) < 0.05].sum() for d in range(n + 1) for x in [np.arange(d + 1)]
    ]
    return binom.pmf(np.arange(n + 1), n, apart) @ chances


def test_mid_p_tells_equal_models_apart_in_one_of_twenty_at_most():
    """Exactly, for one to fifty samples and models that agree on a fifth of them or more."""
    worst = max(error_of_mid_p(n, apart) for n in range(1, 51) for apart in np.linspace(0.05, 0.8, 16))
    assert worst < 0.0505
