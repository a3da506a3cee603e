"""Draws by class."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from ferbench_builtin.samplers.drawing import Classes, uniform

LABELS = np.array([0] * 60 + [2] * 30 + [1] * 10)


def test_uniform_numbers_are_uniform_and_streams_differ():
    first, second = uniform(1, 1, 4000), uniform(1, 1, 4000, stream=1)
    assert scipy.stats.kstest(first, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_members_of_a_class_are_its_samples():
    classes = Classes(LABELS, 3)
    assert np.array_equal(classes.members(1), np.arange(90, 100))


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (1.0, 5.0, 0.5)])
def test_samples_are_drawn_in_proportion_to_their_weights(weights):
    classes = Classes(LABELS, 3)
    counts = np.bincount(np.concatenate([classes.draw(np.array(weights), 0, e) for e in range(200)]), minlength=100)
    chances = np.array(weights)[LABELS]
    # Chi-squared with 99 degrees of freedom: 148.2 is its 99.9 % point.
    assert ((counts - 20000 * chances / chances.sum()) ** 2 / (20000 * chances / chances.sum())).sum() < 148.2


def test_a_class_without_weight_is_never_drawn():
    drawn = Classes(LABELS, 3).draw(np.array([1.0, 1.0, 0.0]), 0, 1)
    assert not (LABELS[drawn] == 2).any()


def test_a_class_without_samples_does_no_harm():
    drawn = Classes(LABELS, 5).draw(np.ones(5), 0, 1)
    assert drawn.min() >= 0
    assert drawn.max() < 100
