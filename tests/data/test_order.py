"""Batches of an epoch, and epochs of several lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.data.cuts import batch_bounds
from ferbench.data.order import Lengths, Order

lengths = st.lists(st.integers(1, 60), min_size=1, max_size=6)


def test_whole_batches_stand_one_after_the_other():
    order = Order.of([np.array([4, 2]), np.array([7]), np.array([1, 1, 0])])
    assert order.positions.tolist() == [4, 2, 7, 1, 1, 0]
    assert order.bounds == [(0, 2), (2, 3), (3, 6)]
    assert len(order) == 6


@given(lengths, st.integers(1, 20), st.integers(1, 4))
def test_updates_are_those_that_the_batches_give(samples, batch_size, accumulate):
    """Counted one by one, and asked at each moment what the schedule is asked for."""
    told, step = Lengths.cut(samples, batch_size), 0
    most = told.steps_per_epoch(accumulate)
    asked = []
    for epoch, drawn in enumerate(samples, 1):
        assert told.steps_before(epoch, accumulate) == step
        batches = batch_bounds(drawn, batch_size)
        assert told.batches_of(epoch) == len(batches)
        for done in range(0, len(batches), accumulate):
            asked.append(told.scheduled(epoch, done, accumulate))
            assert (epoch - 1) * most <= asked[-1] < epoch * most
            step += 1
        assert told.scheduled(epoch, 0, accumulate) == (epoch - 1) * most
    assert told.steps_before(len(samples) + 1, accumulate) == step
    assert asked == sorted(set(asked))
    if len({-(-told.batches_of(epoch) // accumulate) for epoch in range(1, len(samples) + 1)}) == 1:
        assert asked == list(range(step))


def test_the_last_length_is_that_of_all_epochs_after_it():
    told = Lengths.cut([10, 20], 5)
    assert [told.samples_of(epoch) for epoch in (1, 2, 3, 99)] == [10, 20, 20, 20]
    assert told.steps_before(5, 1) == 2 + 4 + 4 + 4


def test_a_schedule_passes_through_a_short_epoch_in_longer_strides():
    told = Lengths.cut([6, 12], 2)  # 3 and 6 updates
    assert [told.scheduled(1, done, 1) for done in range(3)] == [0, 2, 4]
    assert [told.scheduled(2, done, 1) for done in range(6)] == [6, 7, 8, 9, 10, 11]


def test_lengths_of_whole_batches_are_told_in_batches():
    order = Order.of([np.arange(4), np.arange(8)])
    assert Lengths.of(order) == Lengths((12,), (2,), whole=True)
    assert Lengths.of(order, [1, 3]) == Lengths((6, 18), (1, 3), whole=True)
    assert Lengths.of(Order.of([np.arange(4), np.arange(1)])).single


@pytest.mark.parametrize(("samples", "joins"), [([17], True), ([16, 33], True), ([16, 31], False), ([1], False)])
def test_one_epoch_whose_last_sample_joins_is_enough(samples, joins):
    assert Lengths.cut(samples, 16).joins(16) is joins
    assert not Lengths.of(Order.of([np.arange(17)])).joins(16)
