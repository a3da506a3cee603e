"""Metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from ferbench.metrics.classification import confusion_matrix, score

CLASSES = 5
labelled = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


@given(labelled)
@settings(max_examples=200)
def test_every_score_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = (np.array(side) for side in zip(*pairs, strict=True))
    scored = score(confusion_matrix(truth, predicted, CLASSES))
    names = list(range(CLASSES))

    np.testing.assert_array_equal(scored.confusion, oracle.confusion_matrix(truth, predicted, labels=names))
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        truth, predicted, labels=names, zero_division=0
    )
    np.testing.assert_allclose(scored.precision, precision)
    np.testing.assert_allclose(scored.recall, recall)
    np.testing.assert_allclose(scored.f1, f1)
    np.testing.assert_array_equal(scored.support, support)

    summary = scored.summary()
    assert summary["accuracy"] == pytest.approx(oracle.accuracy_score(truth, predicted))
    for average in ("macro", "weighted"):
        expected = oracle.f1_score(truth, predicted, labels=names, average=average, zero_division=0)
        assert summary[f"{average}_f1"] == pytest.approx(expected)
    present = np.unique(truth)
    expected = oracle.recall_score(truth, predicted, labels=present, average="macro", zero_division=0)
    assert summary["balanced_accuracy"] == pytest.approx(expected)
    assert summary["worst_class_f1"] == pytest.approx(f1.min())


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="2 true labels but 3 predictions"):
        confusion_matrix(np.array([0, 1]), np.array([0, 1, 1]), 2)


def test_a_class_id_outside_the_task_is_refused() -> None:
    with pytest.raises(ValueError, match="predicted class ids"):
        confusion_matrix(np.array([0, 1]), np.array([0, 2]), 2)
