"""Cross-entropy with class weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ferbench import Task
from ferbench.data.targets import Outputs, Targets
from ferbench_builtin.losses.weighted_cross_entropy import weighted_cross_entropy

TASK = Task(("happy", "sad", "disgust"), channels=1, height=8, width=8, train_counts=(60, 30, 10))
LOGITS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 0, 1, 2, 2])


def value(logits=LOGITS, labels=LABELS, soft=None, weight=None, **options) -> float:
    return weighted_cross_entropy(TASK, **options)(Outputs(logits), Targets(labels, soft, None, weight)).total.item()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_it_is_torchs_sum_divided_by_the_number_of_samples(smoothing):
    balanced = torch.tensor([100 / 180, 100 / 90, 100 / 30])
    expected = F.cross_entropy(LOGITS, LABELS, weight=balanced, reduction="sum", label_smoothing=smoothing) / 8
    assert value(label_smoothing=smoothing) == pytest.approx(expected.item(), rel=1e-5)


def test_one_hot_distributions_give_the_value_of_their_labels():
    assert value(soft=F.one_hot(LABELS, 3).float()) == pytest.approx(value(), rel=1e-6)


def test_each_class_of_a_distribution_counts_with_its_weight():
    soft = torch.tensor([[0.5, 0.2, 0.3]])
    balanced = torch.tensor([100 / 180, 100 / 90, 100 / 30])
    expected = -(balanced * soft[0] * LOGITS[0].log_softmax(0)).sum()
    assert value(LOGITS[:1], LABELS[:1], soft) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "relative"),
    [
        ({"scheme": "inverse-sqrt"}, [(1 / 6) ** 0.5, (1 / 3) ** 0.5, 1]),
        # With β = 0.9 of 60, 30 and 10 samples 9.98203, 9.57609 and 6.51322 count.
        ({"scheme": "effective-number", "beta": 0.9}, [6.51322 / 9.98203, 6.51322 / 9.57609, 1]),
        ({"scheme": "inverse", "weights": {"sad": 2.0}}, [1 / 6, 2 / 3, 1]),
    ],
)
def test_weights_by_another_scheme_have_the_mean_1_over_the_training_samples(options, relative):
    weights = torch.tensor(relative) * 100 / (60 * relative[0] + 30 * relative[1] + 10 * relative[2])
    expected = (F.cross_entropy(LOGITS, LABELS, reduction="none") * weights[LABELS]).mean()
    assert value(**options) == pytest.approx(expected.item(), rel=1e-5)


def test_named_weights_replace_the_frequencies():
    # Mean over 60 + 30 + 10 samples of 1, 1 and 3: 1.2.
    weights = torch.tensor([1.0, 1.0, 3.0]) / 1.2
    expected = (F.cross_entropy(LOGITS, LABELS, reduction="none") * weights[LABELS]).mean()
    assert value(weights={"disgust": 3.0}) == pytest.approx(expected.item(), rel=1e-5)


def test_sample_weights_multiply():
    weight = torch.tensor([2.0, 0, 0, 0, 0, 0, 0, 0])
    assert value(weight=weight) == pytest.approx(value(LOGITS[:1], LABELS[:1]) * 2 / 8, rel=1e-5)


def test_micro_batches_add_up_to_the_batch():
    parts = value(LOGITS[:3], LABELS[:3]) * 3 + value(LOGITS[3:], LABELS[3:]) * 5
    assert value() == pytest.approx(parts / 8, rel=1e-5)


def test_its_component_is_the_expression():
    result = weighted_cross_entropy(TASK)(Outputs(LOGITS), Targets(LABELS))
    assert {name: c.item() for name, c in result.components.items()} == {"expression": result.total.item()}
