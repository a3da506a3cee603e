"""Cross-entropy against the votes of annotators, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ferbench import Predictions
from ferbench_builtin.metrics.votes import vote_cross_entropy

NONE = [math.nan, math.nan]


def given(votes: list[list[float]], probabilities: list[list[float]]) -> Predictions:
    n = len(votes)
    ids = np.array([f"s{k}" for k in range(n)])
    return Predictions(ids, np.zeros(n, np.int64), np.array(probabilities), ("a", "b"), votes=np.array(votes))


def test_it_is_the_mean_over_the_samples_that_have_votes():
    several = given([[0.5, 0.5], [1.0, 0.0], NONE], [[0.25, 0.75], [0.8, 0.2], [0.0, 1.0]])
    first = -(0.5 * math.log(0.25) + 0.5 * math.log(0.75))  # 0.836988
    assert vote_cross_entropy(several) == pytest.approx((first - math.log(0.8)) / 2)
    assert vote_cross_entropy(several) == pytest.approx(0.530066, abs=1e-6)


def test_it_is_least_where_probabilities_are_the_shares_of_the_votes():
    votes = [[0.3, 0.7]]
    least = vote_cross_entropy(given(votes, votes))
    assert least == pytest.approx(-(0.3 * math.log(0.3) + 0.7 * math.log(0.7)))
    assert least < min(vote_cross_entropy(given(votes, [[p, 1 - p]])) for p in (0.2, 0.29, 0.31, 0.5))


def test_a_class_that_is_held_to_be_impossible_costs_much_and_not_infinitely_much():
    assert vote_cross_entropy(given([[1.0, 0.0]], [[0.0, 1.0]])) == pytest.approx(12 * math.log(10))


def test_without_votes_it_is_not_defined():
    assert math.isnan(vote_cross_entropy(given([NONE], [[0.5, 0.5]])))
