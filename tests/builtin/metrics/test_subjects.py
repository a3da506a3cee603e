"""The accuracy of the person that a model does worst for, by hand."""

from __future__ import annotations

import math

import numpy as np

from ferbench import Predictions
from ferbench_builtin.metrics.subjects import worst_subject_accuracy


def given(right: dict[str, list[int]]) -> Predictions:
    """By person, 1 for each sample that is right and 0 for each that is not."""
    subjects = np.array([name for name, several in right.items() for _ in several])
    hits = np.array([hit for several in right.values() for hit in several])
    probabilities = np.stack([hits, 1 - hits], axis=1).astype(float)
    ids = np.array([f"s{k}" for k in range(len(hits))])
    return Predictions(ids, np.zeros(len(hits), np.int64), probabilities, ("a", "b"), subjects=subjects)


def test_it_is_the_lowest_share_of_right_samples_of_a_person():
    assert worst_subject_accuracy(given({"ann": [1] * 5, "ben": [1, 0, 1, 0, 0], "cleo": [1, 1, 1, 0, 1, 1]})) == 0.4


def test_people_with_fewer_than_five_samples_and_unknown_ones_do_not_count():
    assert worst_subject_accuracy(given({"ann": [1, 1, 1, 1, 0], "ben": [0] * 4, "": [0] * 9})) == 0.8


def test_where_nobody_has_five_samples_it_is_not_defined():
    assert math.isnan(worst_subject_accuracy(given({"ann": [1] * 4})))
