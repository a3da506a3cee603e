"""Cross-entropy against the votes of annotators, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ferbench import Predictions
from ferbench_builtin.metrics.votes import (
    entropy_disagreement,
    vote_cross_entropy,
    vote_js,
    vote_kl,
    vote_top_2,
)

NONE = [math.nan, math.nan]


def mean(each: np.ndarray) -> float:
    """What the harness makes of what each sample adds."""
    known = each[~np.isnan(each)]
    return float(known.mean()) if len(known) else math.nan


def given(votes: list[list[float]], probabilities: list[list[float]]) -> Predictions:
    n = len(votes)
    ids = np.array([f"s{k}" for k in range(n)])
    return Predictions(ids, np.zeros(n, np.int64), np.array(probabilities), ("a", "b"), votes=np.array(votes))


def test_it_is_the_mean_over_the_samples_that_have_votes():
    several = given([[0.5, 0.5], [1.0, 0.0], NONE], [[0.25, 0.75], [0.8, 0.2], [0.0, 1.0]])
    first = -(0.5 * math.log(0.25) + 0.5 * math.log(0.75))  # 0.836988
    assert mean(vote_cross_entropy(several)) == pytest.approx((first - math.log(0.8)) / 2)
    assert mean(vote_cross_entropy(several)) == pytest.approx(0.530066, abs=1e-6)


def test_it_is_least_where_probabilities_are_the_shares_of_the_votes():
    votes = [[0.3, 0.7]]
    least = mean(vote_cross_entropy(given(votes, votes)))
    assert least == pytest.approx(-(0.3 * math.log(0.3) + 0.7 * math.log(0.7)))
    assert least < min(mean(vote_cross_entropy(given(votes, [[p, 1 - p]]))) for p in (0.2, 0.29, 0.31, 0.5))


def test_a_class_that_is_held_to_be_impossible_costs_much_and_not_infinitely_much():
    assert mean(vote_cross_entropy(given([[1.0, 0.0]], [[0.0, 1.0]]))) == pytest.approx(12 * math.log(10))


def test_without_votes_it_is_not_defined():
    assert math.isnan(mean(vote_cross_entropy(given([NONE], [[0.5, 0.5]]))))


def test_kl_is_what_cross_entropy_has_beyond_the_entropy_of_the_votes():
    several = given([[0.5, 0.5], [1.0, 0.0], NONE], [[0.25, 0.75], [0.8, 0.2], [0.0, 1.0]])
    first = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert mean(vote_kl(several)) == pytest.approx((first - math.log(0.8)) / 2)
    assert mean(vote_kl(given([[0.3, 0.7]], [[0.3, 0.7]]))) == pytest.approx(0, abs=1e-12)


def test_jensen_shannon_by_hand_and_at_its_ends():
    p, q = np.array([0.25, 0.75]), np.array([0.5, 0.5])
    middle = (p + q) / 2
    expected = ((p * np.log(p / middle)).sum() + (q * np.log(q / middle)).sum()) / 2
    assert mean(vote_js(given([q.tolist(), NONE], [p.tolist(), [0.0, 1.0]]))) == pytest.approx(expected)
    assert mean(vote_js(given([[1.0, 0.0]], [[0.0, 1.0]]))) == pytest.approx(math.log(2))
    assert mean(vote_js(given([[0.3, 0.7]], [[0.3, 0.7]]))) == pytest.approx(0, abs=1e-12)


def three(votes, probabilities) -> Predictions:
    n = len(votes)
    ids = np.array([f"s{k}" for k in range(n)])
    return Predictions(ids, np.zeros(n, np.int64), np.array(probabilities), ("a", "b", "c"), votes=np.array(votes))


def test_the_two_most_voted_classes_count_and_what_ties_with_the_second():
    votes = [[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.6, 0.2, 0.2], [1.0, 0.0, 0.0], [math.nan] * 3]
    said = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1]]
    assert mean(vote_top_2(three(votes, said))) == pytest.approx(3 / 5)  # a class without a vote is none of the two


def test_disagreement_is_spearmans_correlation_of_the_entropies():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    votes = rng.multinomial(10, [0.5, 0.3, 0.2], 60) / 10
    said = rng.dirichlet([1, 1, 1], 60)

    def entropy(rows):
        return [-sum(p * math.log(p) for p in row if p) for row in rows]

    expected = spearmanr(np.round(entropy(votes), 9), entropy(said)).statistic
    assert entropy_disagreement(three(votes, said)) == pytest.approx(expected)
    assert entropy_disagreement(three(votes, votes)) == pytest.approx(1)
    assert math.isnan(entropy_disagreement(three(votes[:1].repeat(5, axis=0), said[:5])))


@pytest.mark.parametrize("metric", [vote_kl, vote_js, vote_top_2, entropy_disagreement])
def test_without_votes_no_metric_is_defined(metric):
    assert np.isnan(metric(given([NONE], [[0.5, 0.5]]))).all()
