"""Focal loss of one classifier for each class, weighed by effective numbers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from losses_by_hand import COUNTS, LABELS, LOGITS, TARGETS, TASK, value
from torchvision.ops import sigmoid_focal_loss

from ferbench import Targets
from ferbench_builtin.losses.class_balanced_focal import class_balanced_focal


def weights(beta: float) -> torch.Tensor:
    """One over the effective numbers, in units of their mean."""
    raw = torch.tensor([(1 - beta) / (1 - beta**n) for n in COUNTS])
    return raw * len(COUNTS) / raw.sum()


@pytest.mark.parametrize(("gamma", "beta"), [(0.0, 0.9), (0.5, 0.9999), (2.0, 0.99)])
def test_labels_are_torchvisions_sigmoid_focal_loss_times_weights(gamma, beta):
    each = sigmoid_focal_loss(LOGITS, F.one_hot(LABELS, 3).float(), alpha=-1, gamma=gamma).sum(dim=1)
    got = value(class_balanced_focal(TASK, gamma=gamma, beta=beta), Targets(LABELS)).total
    torch.testing.assert_close(got, (weights(beta)[LABELS] * each).mean())


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_distributions_cost_what_their_labels_cost_on_average(targets):
    loss = class_balanced_focal(TASK)
    each = torch.stack([value(loss, Targets(torch.full_like(LABELS, label))).per_sample for label in range(3)], dim=1)
    expected = (targets.distributions(3) * each).sum(dim=1)
    weight = 1.0 if targets.weight is None else targets.weight
    torch.testing.assert_close(value(loss, targets).total, (weight * expected).mean())


def test_weights_sum_to_the_number_of_classes():
    assert class_balanced_focal(TASK).class_weights.sum().item() == pytest.approx(3)
