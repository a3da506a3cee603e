"""What the best of several is worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, truncnorm

from ferbench.statistics.sampling import Design, measure
from ferbench.statistics.winner import errors_of, winner

#: Expected maximum of k independent standard normal variables (Harter, Biometrika 1961).
EXPECTED = {2: 0.56419, 3: 0.84628, 5: 1.16296, 10: 1.53875, 20: 1.86748}


def alike(rows, correlation=0.0):
    return correlation * np.ones((rows, rows)) + (1 - correlation) * np.eye(rows)


@pytest.mark.parametrize(("rows", "expected"), EXPECTED.items())
def test_luck_of_independent_rows_is_the_tabulated_maximum(rows, expected):
    assert winner(np.zeros(rows), alike(rows)).luck == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize("correlation", [0.5, 0.8])
def test_rows_that_err_together_are_less_lucky(correlation):
    expected = np.sqrt(1 - correlation) * EXPECTED[10]
    assert winner(np.zeros(10), alike(10, correlation)).luck == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
@pytest.mark.parametrize("shown", [2, 4])
def test_removed_rows_count_as_rows_like_the_others(correlation, shown):
    found = winner(np.zeros(shown), alike(shown, correlation), removed=10 - shown)
    assert found.luck == pytest.approx(np.sqrt(1 - correlation) * EXPECTED[10], abs=0.025)


def test_the_interval_with_removed_rows_is_that_of_all_at_once():
    found = winner(np.array([0.6, 0.5]), 0.01 * alike(2), removed=3)
    reach = 0.1 * norm.ppf(0.5 + 0.95 ** (1 / 5) / 2)  # Sidak
    assert (found.low, found.high) == pytest.approx((0.6 - reach, 0.6 + reach))


def test_a_row_alone_keeps_nearly_its_plain_interval():
    found = winner(np.array([0.6]), np.array([[0.01]]))
    assert found.luck == 0
    assert found.low == pytest.approx(0.6 - 0.196, abs=0.003)
    assert found.high == pytest.approx(0.6 + 0.196, abs=0.003)


def test_far_ahead_nothing_is_shrunk_and_close_ahead_the_interval_is():
    far, close = (winner(np.array([gap, 0.0, 0.0, 0.0]), alike(4)) for gap in (9.0, 0.1))
    assert far.low == pytest.approx(9 - 1.96, abs=0.05)
    assert far.high == pytest.approx(9 + 1.96, abs=0.05)
    assert close.low < 0.1 - 1.96
    assert close.high < 0.1 + 1.96


@given(st.floats(0.05, 3), st.floats(-2, 2))
@settings(max_examples=25, deadline=None)
def test_the_truncated_distribution_is_scipys(ahead, truth):
    from ferbench.statistics.winner import _truncated

    expected = truncnorm.cdf(ahead, -truth, np.inf, loc=truth)
    assert _truncated(ahead, truth, 1.0, 0.0, np.inf) == pytest.approx(expected, abs=1e-8)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_ends_are_in_order_and_the_best_is_the_highest(means, removed):
    found = winner(np.array(means), 0.01 * alike(len(means), 0.5), removed=removed)
    assert means[found.row] == max(means)
    assert found.low <= found.high
    assert found.luck >= 0


@pytest.mark.parametrize("correlation", [0.0, 0.8])
@pytest.mark.parametrize("apart", [0.0, 1.0, 4.0])
def test_intervals_hold_the_true_score_of_the_winner(correlation, apart):
    rng, covariance = np.random.default_rng(0), alike(8, correlation)
    truth, held = np.linspace(0, apart, 8), 0
    for _ in range(200):
        found = winner(rng.multivariate_normal(truth, covariance), covariance)
        held += found.low <= truth[found.row] <= found.high
    assert held / 200 > 0.91  # three standard errors below 0.95 are 0.904


def test_errors_are_those_of_the_paired_bootstrap():
    rng, n, k = np.random.default_rng(0), 400, 3
    truth = np.repeat(np.arange(4), n // 4)
    hard = rng.random(n)
    predicted = np.stack([np.where(hard + rng.normal(0, 0.3, n) < 0.7, truth, (truth + 1) % 4) for _ in range(k)])
    design = Design(truth, 4)
    covariance = errors_of([measure("accuracy", design, row[None]) for row in predicted], design, over_seeds=False)
    right, drawn = predicted == truth, []
    for _ in range(4000):  # within each class, as the design has it
        rows = np.concatenate([rng.choice(np.flatnonzero(truth == c), n // 4) for c in range(4)])
        drawn.append(right[:, rows].mean(axis=1))
    assert covariance == pytest.approx(np.cov(np.array(drawn).T), rel=0.12)
