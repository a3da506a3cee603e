"""Relative uncertainty learning against numpy, one pair at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.rul import rul

TASK = Task(("a", "b", "c"), channels=1, height=8, width=8, train_counts=(6, 4, 2), features=4)
LABELS = torch.tensor([0, 1, 2, 0, 1])
VOTES = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.0, 0.2, 0.8], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
WEIGHT = torch.tensor([1.0, 0.5, 2.0, 0.0, 3.0])


def given(seed: int = 0) -> Outputs:
    torch.manual_seed(seed)
    classifier = nn.Linear(4, 3)
    features = torch.randn(5, 4)
    return Outputs(classifier(features), features=features, classifier=classifier)


def normalised(rows):
    return (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 2e-5)


def by_hand(loss, outputs, targets):
    x = outputs.features.double().numpy()
    _, layer, norm = loss.branch
    v = normalised(x) @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
    v = normalised(v) * norm.weight.detach().numpy() + norm.bias.detach().numpy()
    uncertainty = [sum(math.exp(each) for each in row) / len(row) for row in v]
    truths = targets.distributions(3).double().numpy()
    weights = [1.0] * 5 if targets.weight is None else targets.weight.tolist()
    w, b = (part.detach().double().numpy() for part in outputs.classifier.parameters())
    total = 0.0
    for i in range(5):
        j = (i - 1) % 5
        share = uncertainty[i] / (uncertainty[i] + uncertainty[j])
        logits = w @ (share * x[i] + (1 - share) * x[j]) + b
        log_p = logits - math.log(sum(math.exp(z) for z in logits))
        total -= (weights[i] * truths[i] @ log_p + weights[j] * truths[j] @ log_p) / 2 / 5
    return pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize(("soft", "weight"), [(None, None), (VOTES, None), (VOTES, WEIGHT)])
def test_mixtures_by_hand(soft, weight):
    targets, outputs, loss = Targets(LABELS, soft, weight=weight, positions=torch.arange(5)), given(), rul(TASK)
    with torch.no_grad():
        loss.branch[2].weight.uniform_(0.5, 1.5)
        loss.branch[2].bias.uniform_(-1, 1)
    value = loss(outputs, targets)
    assert value.total.item() == by_hand(loss, outputs, targets)
    weights = torch.ones(5) if weight is None else weight
    torch.testing.assert_close((weights * value.per_sample).mean(), value.total.detach())


def test_the_more_uncertain_sample_is_the_larger_share():
    from ferbench_builtin.losses.rul_module import mixtures

    mixed = mixtures(torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [3.0]]))
    assert mixed.tolist() == [[0.75], [0.75]]


def test_branch_and_classifier_learn():
    loss, outputs = rul(TASK), given()
    loss(outputs, Targets(LABELS, positions=torch.arange(5))).total.backward()
    assert isinstance(outputs.classifier, nn.Linear)
    for part in (*loss.branch[2].parameters(), *outputs.classifier.parameters()):
        assert part.grad.abs().sum() > 0


@pytest.mark.parametrize("samples", [5, 1])
def test_what_cannot_be_mixed_is_cross_entropy(samples):
    """Validation, and a batch of one."""
    outputs = given().each(lambda part: part[:samples])
    targets = Targets(LABELS[:samples], positions=None if samples > 1 else torch.arange(1))
    expected = torch.nn.functional.cross_entropy(outputs.logits, LABELS[:samples])
    torch.testing.assert_close(rul(TASK)(outputs, targets).total, expected)
