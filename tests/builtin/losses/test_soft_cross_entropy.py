"""Cross-entropy with label distributions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ferbench import Task
from ferbench.data.targets import Outputs, Targets
from ferbench_builtin.losses.soft_cross_entropy import soft_cross_entropy

TASK = Task(("happy", "sad", "disgust"), channels=1, height=8, width=8, train_counts=(5, 5, 5))
LOGITS = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([2, 0])
VOTES = torch.tensor([[0.1, 0.3, 0.6], [0.8, 0.2, 0.0]])


def value(soft=VOTES, weight=None, **options) -> torch.Tensor:
    return soft_cross_entropy(TASK, **options)(Outputs(LOGITS), Targets(LABELS, soft, None, weight)).total


def test_votes_are_the_target():
    torch.testing.assert_close(value(), F.cross_entropy(LOGITS, VOTES))


def test_without_votes_the_labels_are():
    torch.testing.assert_close(value(soft=None), F.cross_entropy(LOGITS, LABELS))


def test_sharpened_votes_by_hand():
    sharp = torch.tensor([[0.01, 0.09, 0.36], [0.64, 0.04, 0.0]])
    torch.testing.assert_close(value(sharpness=2.0), F.cross_entropy(LOGITS, sharp / sharp.sum(1, keepdim=True)))


def test_very_sharp_votes_are_the_majoritys_class():
    torch.testing.assert_close(value(sharpness=80.0), value(soft=None))


def test_sharpness_0_makes_the_voted_classes_alike():
    expected = F.cross_entropy(LOGITS, torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0]]))
    torch.testing.assert_close(value(sharpness=0.0), expected)


@pytest.mark.parametrize("soft", [None, VOTES])
def test_smoothing_is_torchs(soft):
    expected = F.cross_entropy(LOGITS, LABELS if soft is None else soft, label_smoothing=0.2)
    torch.testing.assert_close(value(soft=soft, label_smoothing=0.2), expected)


def test_sample_weights_multiply_and_the_mean_is_over_samples():
    expected = F.cross_entropy(LOGITS[:1], VOTES[:1]) * 3 / 2
    torch.testing.assert_close(value(weight=torch.tensor([3.0, 0.0])), expected)
