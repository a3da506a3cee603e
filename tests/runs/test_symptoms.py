"""What shows that a network has not learnt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_score, recall_score

from ferbench.runs.symptoms import no_better_than_guessing, only_class, unrecognised

LABELS = st.lists(st.integers(0, 2), min_size=6, max_size=40).filter(lambda labels: len(set(labels)) == 3)


def scored(true, predicted):
    scores = (
        dict(
            zip("abc", map(float, score(true, predicted, average=None, labels=[0, 1, 2], zero_division=0)), strict=True)
        )
        for score in (recall_score, precision_score)
    )
    return (*scores, float(accuracy_score(true, predicted)))


@given(LABELS, st.integers(0, 2))
def test_one_class_for_everything_is_seen(true, constant):
    assert only_class(*scored(true, [constant] * len(true))) == "abc"[constant]


@given(LABELS, st.data())
def test_and_nothing_else_is_taken_for_it(true, data):
    predicted = data.draw(st.lists(st.integers(0, 2), min_size=len(true), max_size=len(true)))
    assert (only_class(*scored(true, predicted)) is not None) == (len(set(predicted)) == 1)


def test_few_samples_say_nothing():
    assert not no_better_than_guessing(0.0, [9] * 7)


def test_classes_without_a_right_prediction_are_named_where_they_have_enough_samples():
    assert unrecognised({"a": 0.0, "b": 0.5, "c": 0.0}, {"a": 5, "b": 9, "c": 4}) == ["a"]


@pytest.mark.parametrize("classes", [2, 7])
def test_guessing_is_taken_for_guessing_and_learning_for_learning(classes):
    generator = np.random.default_rng(0)
    true = np.repeat(np.arange(classes), 40)
    support = [40] * classes
    guessed = [recall_score(true, generator.integers(0, classes, len(true)), average="macro") for _ in range(400)]
    assert np.mean([no_better_than_guessing(value, support) for value in guessed]) == pytest.approx(0.977, abs=0.03)
    right = np.where(generator.random(len(true)) < 0.5, true, generator.integers(0, classes, len(true)))
    assert not no_better_than_guessing(recall_score(true, right, average="macro"), support)
