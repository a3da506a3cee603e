import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.training.growing import sizes_by_epoch


def test_images_grow_linearly_and_then_keep_the_full_size():
    assert sizes_by_epoch(24, 48, 0.75, 8) == (24, 28, 32, 36, 40, 44, 48, 48)


def test_a_size_on_the_way_is_a_multiple_of_four_and_the_ends_are_what_was_asked_for():
    assert sizes_by_epoch(22, 50, 1.0, 5)[1:] == (24, 32, 36, 44)
    assert sizes_by_epoch(22, 50, 1.0, 5)[0] == 22
    assert sizes_by_epoch(22, 50, 0.5, 4)[-1] == 50


@pytest.mark.parametrize("start", [None, 48, 64])
def test_without_a_smaller_start_every_epoch_has_the_full_size(start):
    assert sizes_by_epoch(start, 48, 0.7, 3) == (48, 48, 48)


@given(start=st.integers(8, 64), full=st.integers(8, 128), share=st.floats(0.01, 1.0), epochs=st.integers(1, 50))
def test_sizes_never_shrink_and_stay_between_the_ends(start, full, share, epochs):
    sizes = sizes_by_epoch(start, full, share, epochs)
    assert len(sizes) == epochs
    assert list(sizes) == sorted(sizes)
    assert min(start, full) <= sizes[0]
    assert sizes[-1] <= full
