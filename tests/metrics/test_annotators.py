"""One annotator against the others, by hand and by going through every annotator."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferbench.metrics.annotators import agreement


def one_by_one(counts: list[int], others: int) -> tuple[float, float]:
    """Every annotator leaves, and is held against those who stay."""
    cast = [k for k, n in enumerate(counts) for _ in range(n)]
    scores = []
    for place, vote in enumerate(cast):
        rest = cast[:place] + cast[place + 1 :]
        tally = [rest.count(k) for k in range(len(counts))]
        most = max(tally)
        scores.append(1 / tally.count(most) if most and tally[vote] == most else 0.0)
    each = sum(scores) / len(cast) if len(cast) >= 2 else math.nan
    asked = len(cast) + others
    return each, sum(scores) / asked if asked else math.nan


@pytest.mark.parametrize(
    ("counts", "each"),
    [
        ([10, 0, 0], 1.0),
        ([9, 1, 0], 0.9),  # the one is wrong, the nine are right
        ([5, 5, 0], 0.0),  # of five and five, whoever leaves is outnumbered
        ([1, 1, 1], 0.0),
        ([2, 1, 0], 2 / 3 * 1 / 2),  # each of the two ties with the one
    ],
)
def test_agreement_by_hand(counts, each):
    assert agreement(np.array([counts]), np.zeros(1)).each[0] == pytest.approx(each)


def test_a_vote_for_no_class_is_left_out_or_a_miss():
    found = agreement(np.array([[6.0, 2.0]]), np.array([2.0]))
    assert found.each[0] == pytest.approx(6 / 8)
    assert found.strict[0] == pytest.approx(6 / 10)


def test_pictures_without_two_votes_are_not_judged():
    found = agreement(np.array([[1.0, 0.0], [math.nan, math.nan], [0.0, 0.0]]), np.array([3.0, math.nan, 4.0]))
    assert np.isnan(found.each).all()
    assert found.strict[0] == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.integers(0, 4), min_size=3, max_size=3), st.integers(0, 3)), min_size=1, max_size=5)
)
def test_it_is_what_going_through_every_annotator_gives(pictures):
    found = agreement(np.array([counts for counts, _ in pictures], float), np.array([n for _, n in pictures], float))
    expected = np.array([one_by_one(counts, n) for counts, n in pictures])
    np.testing.assert_allclose(found.each, expected[:, 0])
    np.testing.assert_allclose(found.strict, expected[:, 1])
