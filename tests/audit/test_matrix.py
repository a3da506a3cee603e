"""Confusion matrices with given margins and diagonal."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.audit.matrix import has_matrix, make_matrix


@st.composite
def margins(draw):
    """t, p and s with equal sums that need not have a matrix."""
    size = draw(st.integers(2, 5))
    right = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    misses = draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    alarms = (
        draw(st.permutations(misses))
        if draw(st.booleans())
        else draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    )
    return (
        right,
        [t + b for t, b in zip(right, alarms, strict=True)],
        [t + a for t, a in zip(right, misses, strict=True)],
    )


def flows(misses, alarms):
    """Whether a maximum flow that avoids the diagonal carries everything: an independent answer."""
    sparse = pytest.importorskip("scipy.sparse")
    graph = pytest.importorskip("scipy.sparse.csgraph")
    size = len(misses)
    capacity = np.zeros((2 * size + 2, 2 * size + 2), np.int32)
    capacity[0, 1 : size + 1] = misses
    capacity[size + 1 : 2 * size + 1, -1] = alarms
    for row, column in itertools.permutations(range(size), 2):
        capacity[1 + row, size + 1 + column] = 1000
    flow = graph.maximum_flow(sparse.csr_matrix(capacity), 0, 2 * size + 1).flow_value
    return sum(misses) == sum(alarms) == flow


@given(margins())
def test_a_matrix_exists_exactly_when_a_flow_off_the_diagonal_carries_all_errors(given_margins):
    right, predicted, supports = given_margins
    misses = [s - t for s, t in zip(supports, right, strict=True)]
    alarms = [p - t for p, t in zip(predicted, right, strict=True)]
    assert has_matrix(right, predicted, supports) == flows(misses, alarms)


@given(margins())
def test_the_matrix_has_the_margins_and_the_diagonal(given_margins):
    right, predicted, supports = given_margins
    if not has_matrix(right, predicted, supports):
        with pytest.raises(ValueError, match="no confusion matrix"):
            make_matrix(right, predicted, supports)
        return
    matrix = make_matrix(right, predicted, supports)
    assert matrix.min() >= 0
    assert matrix.diagonal().tolist() == right
    assert matrix.sum(axis=0).tolist() == predicted
    assert matrix.sum(axis=1).tolist() == supports


def test_a_class_that_has_more_errors_than_the_others_take_has_no_matrix():
    assert not has_matrix([0, 5, 5], [3, 5, 5], [3, 5, 5])


def test_more_right_than_there_are_images_has_no_matrix():
    assert not has_matrix([6, 5], [6, 5], [5, 6])
