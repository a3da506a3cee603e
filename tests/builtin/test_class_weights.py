"""Weights of classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from ferbench import Task, UserError
from ferbench_builtin.class_weights import by_frequency, by_name, loss_weights

TASK = Task(("happy", "sad", "disgust"), channels=1, height=8, width=8, train_counts=(60, 30, 10))


def test_inverse_weights_are_scikit_learns_balanced():
    labels = np.repeat([0, 1, 2], TASK.train_counts)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(loss_weights(TASK, "inverse", 0.9, {}, "loss.weights"), expected)


@pytest.mark.parametrize("scheme", [None, "inverse", "inverse-sqrt", "effective-number"])
@pytest.mark.parametrize("given", [{}, {"disgust": 3.0}])
def test_the_mean_over_the_training_samples_is_1(scheme, given):
    weights = loss_weights(TASK, scheme, 0.99, given, "loss.weights")
    assert weights @ TASK.train_counts == pytest.approx(100)


def test_the_inverse_root_by_hand():
    weights = by_frequency(TASK, "inverse-sqrt", 0.9)
    assert weights[2] / weights[0] == pytest.approx(6**0.5)


def test_the_effective_number_by_hand():
    # (1 - 0.9^n) / (1 - 0.9) samples count: of 10 samples 6.513, of 60 samples 9.982.
    weights = by_frequency(TASK, "effective-number", 0.9)
    np.testing.assert_allclose(1 / weights[[2, 0]], [6.5132156, 9.9820299], rtol=1e-6)


def test_a_class_that_does_not_occur_counts_as_one_sample():
    task = Task(("happy", "sad"), channels=1, height=8, width=8, train_counts=(4, 0))
    np.testing.assert_allclose(by_frequency(task, "inverse", 0.9), [0.25, 1.0])


def test_named_weights_multiply_those_by_frequency():
    plain, named = (loss_weights(TASK, "inverse", 0.9, given, "w") for given in ({}, {"disgust": 2.0}))
    assert named[2] / named[0] == pytest.approx(2 * plain[2] / plain[0])


def test_an_unknown_class_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"sampler\.emphasis: there is no class 'disgusted'") as error:
        by_name(TASK, {"disgusted": 2.0}, "sampler.emphasis")
    assert "did you mean 'disgust'?" in error.value.remedy
