"""The self-cure network's loss against the paper's sums, one sample at a time."""

from __future__ import annotations

import math

import pytest
import torch

from ferbench import Outputs, Targets, Task
from ferbench_builtin.losses.scn import scn

TASK = Task(("a", "b", "c"), channels=1, height=8, width=8, train_counts=(6, 4, 2), features=2)
LABELS = torch.tensor([0, 1, 2, 0, 1])
VOTES = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.0, 0.2, 0.8], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
WEIGHT = torch.tensor([1.0, 0.5, 2.0, 0.0, 3.0])
LOGITS = torch.tensor([[3.0, 0.0, -1.0], [4.0, 0.0, 0.0], [0.0, 3.0, 0.5], [0.3, 0.4, 0.2], [0.0, 1.0, 5.0]])
#: By α, from the largest: 1, 0, 4, 2, 3.
FEATURES = torch.tensor([[2.0, 0.0], [2.0, 1.0], [0.0, 0.5], [-1.0, 0.0], [1.0, 0.0]])
OUTPUTS = Outputs(LOGITS, features=FEATURES)
POSITIONS = torch.tensor([4, 0, 7, 2, 9])


def built(**options):
    loss = scn(TASK, **options)
    with torch.no_grad():
        loss.importance.weight.copy_(torch.tensor([[1.0, 0.5]]))
        loss.importance.bias.fill_(-0.25)
    return loss


def alphas():
    return [1 / (1 + math.exp(-(a + 0.5 * b - 0.25))) for a, b in FEATURES.tolist()]


def entropies(truths):
    costs = []
    for alpha, logits, truth in zip(alphas(), LOGITS.tolist(), truths, strict=True):
        partition = math.log(sum(math.exp(alpha * z) for z in logits))
        costs.append(sum(y * (partition - alpha * z) for y, z in zip(truth, logits, strict=True)))
    return costs


@pytest.mark.parametrize(("soft", "weight"), [(None, None), (VOTES, None), (VOTES, WEIGHT)])
def test_importances_and_ranks_by_hand(soft, weight):
    targets = Targets(LABELS, soft, weight=weight, positions=POSITIONS, epoch=1)
    weights = [1.0] * 5 if weight is None else weight.tolist()
    costs = entropies(targets.distributions(3).tolist())
    expression = sum(w * cost for w, cost in zip(weights, costs, strict=True)) / 5
    high, low = sorted(alphas(), reverse=True)[:3], sorted(alphas(), reverse=True)[3:]  # 3 is ⌊0.7 · 5⌋
    ranks = max(0.0, 0.6 - (sum(high) / 3 - sum(low) / 2))
    assert ranks > 0
    value = built(rank_margin=0.6, rank_weight=2.0)(OUTPUTS, targets)
    assert value.total.item() == pytest.approx(expression + 2 * ranks, rel=1e-4)
    assert value.components["ranks"].item() == pytest.approx(ranks, rel=1e-4)
    assert value.corrected is None
    assert built(rank_margin=0.1)(OUTPUTS, targets).components["ranks"].item() == 0


def test_labels_of_the_low_group_change_where_another_class_is_likelier():
    """Of the low group, samples 2 and 3, the one is taken to be of class 1, the other hardly of any. Samples 1 and 4 of
    the high group are taken to be others, too."""
    targets = Targets(LABELS, positions=POSITIONS, epoch=10)
    assert built()(OUTPUTS, targets).corrected.tolist() == [0, 1, 1, 0, 1]
    assert built(relabel="all")(OUTPUTS, targets).corrected.tolist() == [0, 0, 1, 0, 2]
    assert built(relabel="none")(OUTPUTS, targets).corrected is None
    assert built(relabel_margin=0.999)(OUTPUTS, targets).corrected.tolist() == LABELS.tolist()


def test_the_margin_is_between_probabilities_of_weighted_logits():
    alpha = alphas()[2]
    p = [math.exp(alpha * z) for z in LOGITS[2].tolist()]
    gap = (p[1] - p[2]) / sum(p)
    targets = Targets(LABELS, positions=POSITIONS, epoch=10)
    for margin, label in ((gap - 1e-3, 1), (gap + 1e-3, 2)):
        assert built(relabel_margin=margin)(OUTPUTS, targets).corrected[2].item() == label


def test_no_label_changes_before_its_epoch():
    loss = built(relabel_from=3)
    said = [loss(OUTPUTS, Targets(LABELS, positions=POSITIONS, epoch=epoch)).corrected for epoch in (1, 2, 3)]
    assert said[:2] == [None, None]
    assert said[2] is not None


def test_validation_has_the_cross_entropy_of_weighted_logits():
    value = built(relabel_from=1)(OUTPUTS, Targets(LABELS))
    truths = torch.nn.functional.one_hot(LABELS, 3).tolist()
    assert value.total.item() == pytest.approx(sum(entropies(truths)) / 5, rel=1e-4)
    assert value.corrected is None


def test_a_batch_too_small_for_two_groups_has_no_ranks():
    alone = Outputs(LOGITS[:1], features=FEATURES[:1])
    value = built()(alone, Targets(LABELS[:1], positions=POSITIONS[:1], epoch=1))
    assert value.components["ranks"].item() == 0
    value.total.backward()
