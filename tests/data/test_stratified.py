"""Sharing out seats among classes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ferbench.data.stratified import allot


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
