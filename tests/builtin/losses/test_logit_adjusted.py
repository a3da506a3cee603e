"""Logits that are shifted by how frequent classes are."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from losses_by_hand import COUNTS, LABELS, LOGITS, TARGETS, TASK, mean, softmax, value

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.logit_adjusted import balanced_softmax, logit_adjusted


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_balanced_softmax_weighs_exponentials_by_counts(targets):
    def cost(row, truth):
        parts = [n * math.exp(logit) for n, logit in zip(COUNTS, row, strict=True)]
        return -sum(y * math.log(part / sum(parts)) for y, part in zip(truth, parts, strict=True))

    assert value(balanced_softmax(TASK), targets).total.item() == pytest.approx(mean(targets, cost), rel=1e-5)


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("tau", [0.5, 2.0])
def test_logits_are_shifted_by_tau_times_the_logarithms_of_the_shares(tau, targets):
    def cost(row, truth):
        shifted = [logit + tau * math.log(n / sum(COUNTS)) for logit, n in zip(row, COUNTS, strict=True)]
        return -sum(y * math.log(p) for y, p in zip(truth, softmax(shifted), strict=True))

    assert value(logit_adjusted(TASK, tau=tau), targets).total.item() == pytest.approx(mean(targets, cost), rel=1e-5)


def test_tau_0_and_classes_of_one_size_are_cross_entropy():
    even = Task(TASK.class_names, 1, 8, 8, (50, 50, 50))
    for loss in (logit_adjusted(TASK, tau=0.0), balanced_softmax(even)):
        torch.testing.assert_close(value(loss, Targets(LABELS)).total, F.cross_entropy(LOGITS, LABELS))


def test_a_class_without_samples_counts_as_if_it_had_one():
    none, one = (Task(TASK.class_names, 1, 8, 8, (160, 81, n)) for n in (0, 1))
    torch.testing.assert_close(*(value(balanced_softmax(task), Targets(LABELS)).total for task in (none, one)))


def test_the_best_logits_are_those_for_classes_that_are_equally_frequent():
    """Of one picture that is of each class as often as the class is: all its logits are the same in the end."""
    logits = torch.zeros(1, 3, requires_grad=True)
    shares = torch.tensor([COUNTS]) / sum(COUNTS)
    balanced_softmax(TASK)(Outputs(logits), Targets(torch.tensor([0]), shares)).total.backward()
    torch.testing.assert_close(logits.grad, torch.zeros(1, 3), atol=1e-6, rtol=0)
