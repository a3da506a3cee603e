"""The loss of DAN, against sums over samples, classes and heads."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
import torch.nn.functional as F

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.dan import dan

CLASSES, FEATURES, HEADS, N = 3, 5, 4, 6
LABELS = torch.tensor([0, 1, 2, 0, 1, 0])


def loss_and_outputs(heads: int = HEADS, **options):
    torch.manual_seed(0)
    task = Task(("a", "b", "c"), 1, 8, 8, (30, 20, 10), features=FEATURES)
    extra = {"pooled": torch.randn(N, FEATURES), "heads": torch.randn(N, heads, FEATURES)}
    outputs = Outputs(torch.randn(N, CLASSES), None, torch.randn(N, FEATURES), extra)
    return dan(task, **options), outputs


def affinity(pooled, centers, shares) -> float:
    """Mean of squared distances, divided by the summed variances of the centres."""
    spread = sum(statistics.variance(column) for column in zip(*centers, strict=True))
    total = 0.0
    for point, row in zip(pooled, shares, strict=True):
        for share, center in zip(row, centers, strict=True):
            total += share * sum((a - b) ** 2 for a, b in zip(point, center, strict=True))
    return total / len(pooled) / spread


def partition(heads) -> float:
    """ln(1 + M / v) of [N][M][C]."""
    every = [statistics.variance(column) for sample in heads for column in zip(*sample, strict=True)]
    return math.log(1 + len(heads[0]) / statistics.mean(every))


def test_its_parts_are_those_of_the_paper():
    loss, outputs = loss_and_outputs(affinity=0.5, partition=2.0)
    value = loss(outputs, Targets(LABELS))
    expected = {
        "expression": float(F.cross_entropy(outputs.logits, LABELS)),
        "affinity": affinity(
            outputs.extra["pooled"].tolist(), loss.centers.tolist(), F.one_hot(LABELS, CLASSES).tolist()
        ),
        "partition": partition(outputs.extra["heads"].tolist()),
    }
    assert {name: float(part) for name, part in value.components.items()} == pytest.approx(expected, rel=1e-5)
    total = expected["expression"] + 0.5 * expected["affinity"] + 2 * expected["partition"]
    assert value.total.item() == pytest.approx(total, rel=1e-5)


def test_at_its_defaults_all_parts_count_the_same():
    loss, outputs = loss_and_outputs()
    value = loss(outputs, Targets(LABELS))
    assert value.total.item() == pytest.approx(float(sum(value.components.values())), rel=1e-6)


def test_distributions_pull_to_the_centres_of_all_their_classes():
    loss, outputs = loss_and_outputs()
    soft = torch.tensor([[0.7, 0.2, 0.1]]).expand(N, -1)
    value = loss(outputs, Targets(LABELS, soft))
    expected = affinity(outputs.extra["pooled"].tolist(), loss.centers.tolist(), soft.tolist())
    assert float(value.components["affinity"]) == pytest.approx(expected, rel=1e-5)


def test_a_sample_without_weight_costs_nothing_but_for_its_heads():
    loss, outputs = loss_and_outputs(partition=0.0)
    weight = torch.tensor([2.0, 2.0, 2.0, 0.0, 0.0, 0.0])
    first = outputs.each(lambda part: part[:3])
    torch.testing.assert_close(
        loss(outputs, Targets(LABELS, weight=weight)).total, loss(first, Targets(LABELS[:3])).total
    )


def test_samples_losses_have_the_total_as_their_mean_but_for_the_partition():
    loss, outputs = loss_and_outputs(partition=0.0)
    value = loss(outputs, Targets(LABELS))
    torch.testing.assert_close(value.per_sample.mean(), value.total)


def test_heads_that_see_the_same_cost_more():
    loss, outputs = loss_and_outputs()
    apart = loss(outputs, Targets(LABELS)).components["partition"]
    outputs.extra["heads"] = outputs.extra["heads"][:, :1].expand(-1, HEADS, -1)
    alike = loss(outputs, Targets(LABELS)).components["partition"]
    assert torch.isfinite(alike)
    assert alike > apart + 10


def test_one_head_is_no_partition():
    loss, outputs = loss_and_outputs(heads=1)
    assert loss(outputs, Targets(LABELS)).components["partition"] == 0


def test_the_centres_learn():
    loss, outputs = loss_and_outputs()
    before = float(loss(outputs, Targets(LABELS)).components["affinity"])
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        loss(outputs, Targets(LABELS)).total.backward()
        optimizer.step()
    assert float(loss(outputs, Targets(LABELS)).components["affinity"]) < 0.7 * before
