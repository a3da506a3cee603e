"""Sharing out seats among classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.data.stratified import allot


@pytest.mark.parametrize(
    ("available", "total", "seats"),
    [
        ((50, 30, 20), 7, [4, 2, 1]),  # 3.5, 2.1 and 1.4: the seat that is left goes to the largest remainder
        ((21, 39, 40), 10, [2, 4, 4]),  # 2.1, 3.9 and 4
        ((97, 2, 1), 10, [8, 1, 1]),  # 9.7, 0.2 and 0.1: who has any gets one, at the cost of the largest
        ((3, 0, 5), 20, [3, 0, 5]),
    ],
)
def test_seats_are_shared_out_by_the_largest_remainder(available, total, seats):
    assert allot(available, total) == seats


@given(st.lists(st.integers(0, 500), min_size=1, max_size=9), st.integers(0, 900))
def test_seats_add_up_and_no_class_is_left_out(available, total):
    total = max(total, sum(n > 0 for n in available)) if any(available) else total
    seats = allot(available, total)
    assert sum(seats) == min(total, sum(available))
    for seat, there in zip(seats, available, strict=True):
        assert 0 <= seat <= there
        assert seat > 0 or there == 0 or total == 0


@given(st.lists(st.integers(20, 500), min_size=2, max_size=9), st.integers(100, 900))
def test_seats_are_proportional(available, total):
    total = min(total, sum(available))
    for seat, there in zip(allot(available, total), available, strict=True):
        # A class that would get none takes a seat of another, so the distance may pass one.
        assert abs(seat - there * total / sum(available)) < 2
