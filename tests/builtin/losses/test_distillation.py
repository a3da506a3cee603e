"""Distillation against a calculation by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.distillation import distillation

TASK = Task(("happy", "sad"), 1, 8, 8, (5, 5))


def value(student: list[list[float]], teacher: list[list[float]] | None, labels: list[int], **more):
    given = Outputs(torch.tensor(student, requires_grad=True))
    targets = Targets(torch.tensor(labels), teacher=None if teacher is None else Outputs(torch.tensor(teacher)))
    for name in ("soft", "weight"):
        if name in more:
            setattr(targets, name, torch.tensor(more.pop(name)))
    return given, distillation(TASK, **more)(given, targets)


def test_two_classes_by_hand():
    """At T = 2 logits (2 ln 3, 0) are 3/4 and 1/4, (0, 0) are halves: KL = 3/4 ln 3/2 + 1/4 ln 1/2. At T = 1 the
    student's (0, 0) cost ln 2 whatever the label."""
    _, made = value([[0.0, 0.0]], [[2 * math.log(3), 0.0]], [1], temperature=2.0, alpha=0.75)
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert made.total.item() == pytest.approx(0.75 * 4 * divergence + 0.25 * math.log(2), rel=1e-6)
    assert made.components["distillation"].item() == pytest.approx(4 * divergence, rel=1e-6)
    assert made.components["expression"].item() == pytest.approx(math.log(2), rel=1e-6)


def test_the_gradient_of_the_soft_part_is_that_of_the_paper():
    """Equation 2: T² (1 / T) (q − p), by N samples."""
    student, teacher = [[0.3, -1.0], [2.0, 0.5]], [[1.0, 0.2], [-0.4, 0.1]]
    given, made = value(student, teacher, [0, 1], temperature=3.0, alpha=1.0)
    made.total.backward()
    q, p = (torch.softmax(torch.tensor(each) / 3.0, dim=1) for each in (student, teacher))
    torch.testing.assert_close(given.logits.grad, 3.0 * (q - p) / 2)


def test_a_student_that_agrees_costs_nothing_more():
    _, made = value([[0.7, -0.2]], [[1.7, 0.8]], [0], alpha=1.0)
    assert made.total.item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.9])
def test_without_a_teacher_it_is_cross_entropy(alpha):
    _, made = value([[0.3, -1.0], [2.0, 0.5]], None, [0, 1], alpha=alpha)
    expected = torch.nn.functional.cross_entropy(torch.tensor([[0.3, -1.0], [2.0, 0.5]]), torch.tensor([0, 1]))
    torch.testing.assert_close(made.total.detach(), expected)
    assert set(made.components) == {"expression"}


def test_votes_smoothing_and_weights_count():
    student = torch.tensor([[0.3, -1.0], [2.0, 0.5]])
    _, made = value(
        student.tolist(), [[0.0, 0.0], [0.0, 0.0]], [0, 1],
        alpha=0.0, label_smoothing=0.2, soft=[[0.5, 0.5], [0.0, 1.0]], weight=[2.0, 0.5],
    )  # fmt: skip
    truth = torch.tensor([[0.5, 0.5], [0.1, 0.9]])
    each: Tensor = -(truth * torch.log_softmax(student, dim=1)).sum(dim=1)
    torch.testing.assert_close(made.total.detach(), (2.0 * each[0] + 0.5 * each[1]) / 2)
