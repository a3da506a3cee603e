"""Scores of a test set that lacks some of a model's classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from ferbench.metrics.scoring import scores_record

CLASSES = ("happy", "sad", "contempt")


@pytest.fixture
def record():
    """Samples of the first two classes alone, some of which are taken for the third."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    probabilities = rng.dirichlet(np.ones(3), 60)
    return truth, probabilities.argmax(axis=1), scores_record(truth, probabilities, CLASSES, over=range(2))


@pytest.mark.parametrize(
    ("key", "oracle"), [("macro_f1", f1_score), ("macro_precision", precision_score), ("macro_recall", recall_score)]
)
def test_macro_averages_are_over_the_classes_of_the_test_set(record, key, oracle):
    truth, predicted, scores = record
    assert (predicted == 2).any()
    wanted = oracle(truth, predicted, labels=[0, 1], average="macro", zero_division=0)
    assert scores["metrics"][key] == pytest.approx(wanted)


def test_the_worst_class_is_one_of_the_test_set(record):
    truth, predicted, scores = record
    wanted = f1_score(truth, predicted, labels=[0, 1], average=None).min()
    assert scores["metrics"]["worst_class_f1"] == pytest.approx(wanted)


def test_every_class_of_the_model_has_its_row(record):
    _, predicted, scores = record
    assert scores["per_class"]["contempt"]["support"] == 0
    assert np.array(scores["confusion"])[:, 2].sum() == (predicted == 2).sum()
