"""FER+'s loss of several allowed classes, against the definition written out."""

from __future__ import annotations

import math

import pytest
import torch

from ferbench import Task
from ferbench.data.targets import Outputs, Targets
from ferbench_builtin.losses.multi_target import multi_target

TASK = Task(("happy", "sad", "disgust"), channels=1, height=8, width=8, train_counts=(5, 5, 5))
LABELS = torch.tensor([2, 0])
P = torch.tensor([[0.5, 0.3, 0.2], [0.00001, 0.99998, 0.00001]], dtype=torch.float64)


def value(soft, weight=None, **options) -> float:
    return float(multi_target(TASK, **options)(Outputs(P.log()), Targets(LABELS, soft, None, weight)).total)


def test_the_likeliest_of_the_allowed_classes_counts_by_hand():
    soft = torch.tensor([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
    # 0.3 of the first; of the second the class that is not allowed, at 0.001, is likelier than those that are.
    assert value(soft) == pytest.approx(-(math.log(0.3) + math.log(0.001 * 0.99998)) / 2, rel=1e-5)
    assert value(soft, epsilon=1e-9) == pytest.approx(-(math.log(0.3) + math.log(0.00001)) / 2, rel=1e-5)


def test_how_large_the_shares_are_does_not_matter():
    assert value(torch.tensor([[0.0, 0.9, 0.1], [1.0, 0, 0]])) == value(torch.tensor([[0.0, 0.5, 0.5], [1.0, 0, 0]]))


def test_without_distributions_the_label_alone_is_allowed():
    assert value(None) == value(torch.tensor([[0.0, 0, 1], [1, 0, 0]]))


def test_sample_weights_multiply_and_the_mean_is_over_samples():
    soft = torch.tensor([[0.0, 0.5, 0.5], [1.0, 0, 0]])
    assert value(soft, weight=torch.tensor([3.0, 0.0])) == pytest.approx(-3 * math.log(0.3) / 2, rel=1e-5)
