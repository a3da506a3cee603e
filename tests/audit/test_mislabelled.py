"""Samples whose label a model confidently disagrees with."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.audit.mislabelled import suspects

TRUTH = np.array([0, 0, 0, 1, 1, 1, 1])
FIRST = np.array([0.9, 0.8, 0.3, 0.4, 0.1, 0.6, 0.95], dtype=np.float32)
PROBABILITIES = np.stack([FIRST, 1 - FIRST], axis=1)
IDS = np.array([f"face-{i}" for i in range(7)])


def test_a_model_is_confident_from_the_mean_probability_of_the_class_on():
    """Means over the samples of a label are 2/3 and 0.4875: of class 0, 0.6 is not enough, of class 1, 0.7 is."""
    found = suspects(IDS, TRUTH, PROBABILITIES)
    assert [(one.id, one.label, one.predicted) for one in found] == [("face-6", 1, 0), ("face-2", 0, 1)]
    assert [one.probability for one in found] == pytest.approx([0.95, 0.7])
    assert [one.of_label for one in found] == pytest.approx([0.05, 0.3])


def test_the_class_is_the_most_probable_of_those_that_the_model_is_confident_of():
    truth = np.array([0, 0, 1, 1, 2, 2])
    probabilities = np.array(
        [[0.9, 0.05, 0.05], [0.9, 0.05, 0.05], [0.1, 0.5, 0.4], [0.4, 0.3, 0.3], [0.2, 0.1, 0.7], [0.5, 0.4, 0.1]]
    )
    # Means 0.9, 0.4 and 0.4. The last is most of all class 0, but not confidently so; confidently it is class 1.
    found = suspects(np.array(list("abcdef")), truth, probabilities.astype(np.float32))
    assert [(one.id, one.predicted) for one in found] == [("f", 1)]


def test_a_class_without_samples_is_never_suspected_and_agreement_is_none():
    truth = np.zeros(4, dtype=np.int64)
    assert suspects(IDS[:4], truth, np.tile(np.float32([0.2, 0.8]), (4, 1))) == []


def test_the_least_probable_label_comes_first_though_another_class_is_surer():
    """By the margin to the predicted class the second one would stand first: 0.65 against 0.45."""
    truth = np.array([0, 0, 1, 1, 2, 2, 0, 0])
    sure, torn = [0.9, 0.05, 0.05], [0.1, 0.45, 0.45]
    probabilities = np.array([sure, sure, *[torn] * 4, [0.05, 0.5, 0.45], [0.15, 0.8, 0.05]], dtype=np.float32)
    assert [one.id for one in suspects(np.array(list("abcdefgh")), truth, probabilities)][:2] == ["g", "h"]
