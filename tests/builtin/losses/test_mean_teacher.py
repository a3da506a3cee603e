"""The consistency of mean teachers against a calculation by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.mean_teacher import MeanTeacher

TASK = Task(("happy", "sad"), 1, 8, 8, (5, 5))


def test_two_classes_by_hand():
    """Another view's logits (ln 3, 0) are 3/4 and 1/4, the teacher's (0, 0) halves: ((1/4)² + (1/4)²) / 2 = 1/16."""
    outputs = Outputs(torch.zeros(1, 2), others=(Outputs(torch.tensor([[math.log(3), 0.0]])),))
    targets = Targets(torch.tensor([1]), teacher=Outputs(torch.zeros(1, 2)))
    made = MeanTeacher(TASK, weight=8.0)(outputs, targets)
    assert made.components["consistency"].item() == pytest.approx(1 / 16)
    assert made.total.item() == pytest.approx(math.log(2) + 8 / 16)


@pytest.mark.parametrize(("epoch", "share"), [(1, 0.0), (2, 0.25), (3, 0.5), (5, 1.0), (8, 1.0)])
def test_its_weight_rises_with_the_epochs(epoch, share):
    loss = MeanTeacher(TASK, weight=10.0, ramp=0.5)
    loss.epoch_started(epoch, 8)
    assert loss.weight == pytest.approx(10 * math.exp(-5 * (1 - share) ** 2))


def test_without_a_rise_it_has_all_its_weight_at_once():
    loss = MeanTeacher(TASK, weight=10.0, ramp=0.0)
    loss.epoch_started(1, 8)
    assert loss.weight == 10.0


def test_without_a_teacher_it_is_cross_entropy():
    logits, labels = torch.tensor([[0.3, -1.0], [2.0, 0.5]]), torch.tensor([0, 1])
    made = MeanTeacher(TASK)(Outputs(logits), Targets(labels))
    torch.testing.assert_close(made.total, torch.nn.functional.cross_entropy(logits, labels))
    assert set(made.components) == {"expression"}


def test_the_gradient_goes_to_both_views_of_the_student_and_not_to_the_teacher():
    first, second, theirs = (torch.randn(3, 2, requires_grad=True) for _ in range(3))
    outputs = Outputs(first, others=(Outputs(second),))
    MeanTeacher(TASK)(outputs, Targets(torch.tensor([0, 1, 1]), teacher=Outputs(theirs))).total.backward()
    assert first.grad.any(dim=1).all()
    assert second.grad.any(dim=1).all()
    assert theirs.grad is None
