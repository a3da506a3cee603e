"""Where epochs and batches are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.data.cuts import batch_bounds, count_pieces, joins_last, piece_bounds
from ferbench.data.shards import Shards

counts = st.integers(1, 300)


def sizes(bounds: list[tuple[int, int]]) -> list[int]:
    return [stop - start for start, stop in bounds]


def covered(bounds: list[tuple[int, int]]) -> list[int]:
    return [place for start, stop in bounds for place in range(start, stop)]


@pytest.mark.parametrize(
    ("samples", "batch_size", "expected"),
    [
        (33, 16, [16, 17]),
        (17, 16, [17]),
        (3, 2, [3]),
        (5, 2, [2, 3]),
        (32, 16, [16, 16]),
        (34, 16, [16, 16, 2]),
        (15, 16, [15]),
        (1, 16, [1]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_a_rest_of_one_sample_joins_the_batch_before_it(samples, batch_size, expected):
    assert sizes(batch_bounds(samples, batch_size)) == expected
    assert joins_last(samples, batch_size) == (expected[-1] > batch_size)


@given(counts, counts)
def test_every_sample_of_an_epoch_is_in_one_batch(samples, batch_size):
    assert covered(batch_bounds(samples, batch_size)) == list(range(samples))


@given(st.integers(2, 300), st.integers(2, 300))
def test_no_batch_has_one_sample_where_there_are_more(samples, batch_size):
    *whole, last = sizes(batch_bounds(samples, batch_size))
    assert set(whole) <= {batch_size}
    assert 2 <= last <= batch_size + 1


@given(counts, counts)
def test_pieces_have_every_sample_once_and_are_as_even_as_can_be(samples, most):
    bounds = piece_bounds(samples, count_pieces(samples, most))
    assert covered(bounds) == list(range(samples))
    assert max(sizes(bounds)) - min(sizes(bounds)) <= 1


@given(counts, st.integers(3, 300))
def test_no_piece_is_larger_than_memory_allows(samples, most):
    assert max(sizes(piece_bounds(samples, count_pieces(samples, most)))) <= most


@given(st.integers(2, 300), st.integers(2, 300))
def test_no_piece_has_one_sample_where_memory_allows_two(samples, most):
    assert min(sizes(piece_bounds(samples, count_pieces(samples, most)))) >= 2


@given(st.integers(2, 80), st.integers(2, 8), st.booleans(), st.integers(2, 40))
def test_no_piece_of_a_batch_that_devices_share_has_one_sample_in_all(samples, devices, paired, most):
    shards = [len(places) for places in Shards(devices, paired=paired).all(samples)]
    pieces = count_pieces(max(shards), most)
    totals = [sum(each) for each in zip(*(sizes(piece_bounds(n, pieces)) for n in shards), strict=True)]
    assert sum(totals) == samples
    assert min(totals) >= 2


def test_of_an_odd_number_in_pairs_one_piece_has_three():
    assert sorted(sizes(piece_bounds(7, count_pieces(7, 2)))) == [2, 2, 3]


def test_single_samples_are_pieces_where_memory_allows_no_more():
    assert sizes(piece_bounds(3, count_pieces(3, 1))) == [1, 1, 1]
