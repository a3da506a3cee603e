"""The whole numbers behind a class's scores, against trying all of them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.audit.counts import choices, score, scores
from ferbench.audit.printed import Interval, Printed

MEASURES = ("precision", "recall", "f1")


def tried(support, total, printed, zero_division):
    """All pairs (t, p), by the definitions of the scores."""
    found = set()
    for right in range(support + 1):
        for predicted in range(right, right + total - support + 1):
            pairs = {
                "precision": (right, predicted),
                "recall": (right, support),
                "f1": (2 * right, predicted + support),
            }
            values = {
                name: Fraction(above, below) if below else Fraction(zero_division)
                for name, (above, below) in pairs.items()
            }
            if all(interval.low <= values[name] <= interval.high for name, interval in printed.items()):
                found.add((right, predicted))
    return found


@st.composite
def classes(draw):
    support, rest = draw(st.integers(0, 14)), draw(st.integers(0, 20))
    printed = {}
    for name in draw(st.sets(st.sampled_from(MEASURES))):
        value = Fraction(draw(st.integers(0, 20)), 20)
        step = Fraction(1, draw(st.sampled_from([10, 20, 100])))
        printed[name] = Printed(value, step).interval("nearest")
    return support, support + rest, printed


@given(classes(), st.sampled_from(["0", "1"]))
def test_exactly_the_pairs_that_give_the_scores_are_found(one, zero_division):
    support, total, printed = one
    found = choices(support, total, printed, zero_division)
    pairs = {(int(t), int(p)) for t, p in found.pairs()}
    assert pairs == tried(support, total, printed, int(zero_division))
    assert found.count == len(pairs)


def test_a_precision_that_is_not_a_number_is_of_a_class_that_is_never_predicted():
    found = choices(5, 20, {}, "left out", frozenset({"precision"}))
    assert found.pairs().tolist() == [[0, 0]]


@given(classes())
def test_scores_of_many_pairs_are_those_of_each(one):
    support, total, _ = one
    pairs = choices(support, total, {}, "1").pairs()
    for measure in MEASURES:
        each = [float(score(measure, int(t), int(p), support, "1")) for t, p in pairs]
        assert scores(measure, pairs, support, "1").tolist() == each


def test_ranges_can_be_narrowed():
    found = choices(10, 30, {}).within((3, 5), (2, 4))
    pairs = found.pairs()
    assert pairs.min(axis=0).tolist() == [2, 3]
    assert pairs.max(axis=0).tolist() == [4, 5]
    assert np.unique(pairs, axis=0).shape == pairs.shape


@pytest.mark.parametrize(("low", "high", "value"), [(87995, 88005, "88.00"), (0, 5, "0.00")])
def test_a_number_rounded_to_the_nearest_is_an_interval_with_both_ends(low, high, value):
    printed = Printed(Fraction(value) / 100, Fraction(1, 10000))
    assert printed.interval("nearest") == Interval(
        Fraction(low, 100000) if low else Fraction(-5, 100000), Fraction(high, 100000)
    )


def test_a_number_whose_digits_were_cut_off_is_an_interval_upwards():
    printed = Printed(Fraction("0.5461"), Fraction(1, 10000))
    assert printed.interval("truncate") == Interval(Fraction("0.5461"), Fraction("0.5462"))


def test_digits_beyond_floating_point_are_not_believed():
    printed = Printed(Fraction("0.88314287662506104"), Fraction(1, 10**17))
    assert Fraction("0.8831429") in printed.interval("nearest")
    assert Fraction("0.883144") not in printed.interval("nearest")
