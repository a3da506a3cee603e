from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ferbench.statistics.label_order import label_order

matrices = st.integers(2, 5).flatmap(lambda size: arrays.arrays(np.int64, (size, size), elements=st.integers(0, 40)))


@given(matrices)
def test_no_order_is_better_than_the_one_found(confusion: np.ndarray) -> None:
    size, total = len(confusion), confusion.sum()
    every = {order: sum(confusion[order[j], j] for j in range(size)) for order in itertools.permutations(range(size))}
    found = label_order(confusion, draws=9)
    if found is None:
        assert not total or max(every.values()) == np.trace(confusion)
    else:
        assert every[found.classes] == max(every.values())
        assert found.best == pytest.approx(max(every.values()) / total)
        assert found.accuracy == pytest.approx(np.trace(confusion) / total)
        assert 0.1 <= found.p <= 1


def test_outputs_named_in_another_order_are_found() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 7, 500)
    predicted = np.where(rng.random(500) < 0.6, truth, rng.integers(0, 7, 500))
    shuffled = np.array([3, 0, 1, 2, 6, 5, 4])  # output j is called class j, and is class shuffled[j]
    confusion = np.zeros((7, 7), dtype=int)
    np.add.at(confusion, (truth, np.argsort(shuffled)[predicted]), 1)
    found = label_order(confusion)
    assert found is not None
    assert found.classes == tuple(shuffled)
    assert found.p == 0.001


def test_a_constant_prediction_is_no_wrong_order() -> None:
    found = label_order([[10, 0, 0], [90, 0, 0], [20, 0, 0]])
    assert found is not None
    assert found.classes[0] == 1
    assert found.p == 1


def test_the_p_of_predictions_at_random_is_uniform() -> None:
    rng = np.random.default_rng(2)
    small = 0
    for _ in range(200):
        confusion = np.zeros((4, 4), dtype=int)
        np.add.at(confusion, (rng.integers(0, 4, 80), rng.integers(0, 4, 80)), 1)
        found = label_order(confusion, draws=39)
        small += found is not None and found.p <= 0.1
    assert 6 <= small <= 36  # of 200 at 10 %: three standard deviations to either side


def test_a_gain_that_is_too_small_is_not_tested() -> None:
    assert label_order([[40, 12], [10, 9]], least_gain=0.05) is None  # the other order gains one of 71


@pytest.mark.parametrize("confusion", [[[1, 2]], [1, 2], [[1, -1], [0, 1]], [[0.5, 1], [1, 1]]])
def test_only_square_counts_are_taken(confusion: list) -> None:
    with pytest.raises(ValueError, match="confusion matrix"):
        label_order(confusion)
