"""Erasing attention consistency against loops over classes and places."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.eac import eac

TASK = Task(("a", "b", "c"), channels=1, height=8, width=8, train_counts=(6, 4, 2))
LABELS = torch.tensor([0, 1])
WEIGHT = torch.tensor([0.5, 3.0])


def views(classifier: nn.Module, *maps: torch.Tensor) -> Outputs:
    first, *others = (
        Outputs(classifier(each.mean((2, 3))), extra={"maps": each}, classifier=classifier) for each in maps
    )
    return Outputs(first.logits, extra=first.extra, classifier=classifier, others=tuple(others))


def by_hand(outputs, weight=None):
    w = outputs.classifier.weight.tolist()
    first, second = outputs.extra["maps"].tolist(), outputs.others[0].extra["maps"].tolist()
    costs = []
    for sample in range(2):
        squares = []
        for k in range(3):
            for row in range(2):
                for column in range(3):
                    here = sum(w[k][d] * first[sample][d][row][column] for d in range(4))
                    there = sum(w[k][d] * second[sample][d][row][2 - column] for d in range(4))
                    squares.append((here - there) ** 2)
        costs.append(sum(squares) / len(squares))
    return sum(cost * each for cost, each in zip(costs, [1, 1] if weight is None else weight.tolist(), strict=True)) / 2


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weights"])
def test_activation_maps_by_hand(weight):
    torch.manual_seed(0)
    outputs = views(nn.Linear(4, 3), torch.randn(2, 4, 2, 3), torch.randn(2, 4, 2, 3))
    value = eac(TASK)(outputs, Targets(LABELS, weight=weight, positions=torch.arange(2)))
    each = torch.nn.functional.cross_entropy(outputs.logits, LABELS, reduction="none")
    expression = (each if weight is None else each * weight).mean().item()
    assert value.components["consistency"].item() == pytest.approx(by_hand(outputs, weight), rel=1e-4)
    assert value.total.item() == pytest.approx(expression + 5 * by_hand(outputs, weight), rel=1e-4)


def test_maps_that_are_mirrored_cost_nothing():
    maps = torch.randn(2, 4, 2, 3)
    value = eac(TASK)(views(nn.Linear(4, 3), maps, maps.flip(3)), Targets(LABELS, positions=torch.arange(2)))
    assert value.components["consistency"].item() == pytest.approx(0, abs=1e-10)


def test_consistency_teaches_the_maps_and_not_the_classifier():
    classifier = nn.Linear(4, 3)
    maps = [torch.randn(2, 4, 2, 3, requires_grad=True) for _ in range(2)]
    outputs = views(classifier, *maps)
    eac(TASK)(outputs, Targets(LABELS, positions=torch.arange(2))).total.backward()
    assert all(each.grad.abs().sum() > 0 for each in maps)
    learnt = classifier.weight.grad.clone()
    classifier.weight.grad = None
    torch.nn.functional.cross_entropy(classifier(maps[0].mean((2, 3))), LABELS).backward()
    torch.testing.assert_close(learnt, classifier.weight.grad)


def test_one_view_is_cross_entropy():
    outputs = views(nn.Linear(4, 3), torch.randn(2, 4, 2, 3))
    expected = torch.nn.functional.cross_entropy(outputs.logits, LABELS)
    torch.testing.assert_close(eac(TASK)(outputs, Targets(LABELS)).total, expected)
