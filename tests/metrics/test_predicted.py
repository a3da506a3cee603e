"""What a metric of a plugin is given."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench import Predictions


def made(**more) -> Predictions:
    probabilities = np.array([[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]], np.float32)
    return Predictions(np.array(["a", "b", "c"]), np.array([0, 1, 1], np.int16), probabilities, ("no", "yes"), **more)


def test_numbers_are_in_double_precision_and_of_equal_probabilities_the_first_counts():
    given = made()
    assert (given.labels.dtype, given.probabilities.dtype) == (np.int64, np.float64)
    assert given.predicted.tolist() == [0, 0, 1]
    assert len(given) == 3


def test_what_a_metric_writes_reaches_nobody():
    votes = np.ones((3, 2), np.float32)
    given = made(votes=votes)
    for array in (given.ids, given.labels, given.probabilities, given.votes):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    votes[0] = 7
    assert given.votes[0].tolist() == [1, 1]


def test_some_samples_are_taken_with_all_that_is_known_of_them():
    some = made(subjects=np.array(["x", "", "y"]), affect=np.arange(6.0).reshape(3, 2)).take(np.array([2, 0, 2]))
    assert some.ids.tolist() == ["c", "a", "c"]
    assert some.subjects.tolist() == ["y", "x", "y"]
    assert some.affect.tolist() == [[4, 5], [0, 1], [4, 5]]
    assert some.votes is None
    assert made().take(np.array([True, False, False])).labels.tolist() == [0]
