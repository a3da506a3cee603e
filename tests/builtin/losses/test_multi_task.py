"""Expression, valence and arousal together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ferbench import Task, UserError
from ferbench.data.targets import Outputs, Targets
from ferbench.metrics.affect import dimension_scores
from ferbench_builtin.losses.multi_task import discordance, multi_task, squared_error

TASK = Task(("happy", "sad"), channels=1, height=8, width=8, train_counts=(5, 5), has_affect=True)
LOGITS = torch.tensor([[1.0, 0.0], [0.5, 2.0], [0.0, 0.0]])
LABELS = torch.tensor([0, 1, 1])
AFFECT = torch.tensor([[0.5, -0.5], [0.1, 0.2], [-1.0, torch.nan]])
PREDICTED = torch.tensor([[0.0, 0.5], [0.1, 0.0], [-0.5, 0.9]])


def test_the_total_is_the_weighted_sum_of_its_components():
    loss = multi_task(TASK, valence_weight=2.0, arousal_weight=0.5, label_smoothing=0.1)
    result = loss(Outputs(LOGITS, PREDICTED), Targets(LABELS, affect=AFFECT))
    parts = {name: value.item() for name, value in result.components.items()}
    assert parts["expression"] == pytest.approx(F.cross_entropy(LOGITS, LABELS, label_smoothing=0.1).item())
    assert parts["valence"] == pytest.approx((0.25 + 0 + 0.25) / 3)
    assert parts["arousal"] == pytest.approx((1.0 + 0.04) / 3)  # the third has no label, and N stays 3
    total = parts["expression"] + 2 * parts["valence"] + 0.5 * parts["arousal"]
    assert result.total.item() == pytest.approx(total)


def test_one_less_the_concordance_of_the_labelled_samples():
    generator = np.random.default_rng(0)
    truth, predicted = generator.uniform(-1, 1, (2, 20)).astype(np.float32)
    truth[::4] = np.nan
    got = discordance(torch.from_numpy(predicted), torch.from_numpy(truth)).item()
    assert got == pytest.approx(1 - dimension_scores(truth, predicted)["ccc"], abs=1e-5)


def test_the_concordance_takes_the_place_of_the_squared_error_where_it_is_asked_for():
    result = multi_task(TASK, affect="ccc")(Outputs(LOGITS, PREDICTED), Targets(LABELS, affect=AFFECT))
    for column, name in enumerate(("valence", "arousal")):
        truth, predicted = AFFECT[:, column].numpy(), PREDICTED[:, column].numpy()
        expected = 1 - dimension_scores(truth, predicted)["ccc"]
        assert result.components[name].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("affect", ["mse", "ccc"])
def test_a_missing_label_gives_no_gradient_and_no_nan(affect):
    predicted = PREDICTED.clone().requires_grad_()
    loss = multi_task(TASK, affect=affect, label_smoothing=0.0)
    loss(Outputs(LOGITS, predicted), Targets(LABELS, affect=AFFECT)).total.backward()
    assert predicted.grad[2, 1] == 0
    assert torch.isfinite(predicted.grad).all()
    assert predicted.grad[0, 1] != 0


@pytest.mark.parametrize("measure", [squared_error, discordance])
def test_without_any_label_there_is_nothing_to_learn(measure):
    predicted = torch.tensor([0.3, 0.4], requires_grad=True)
    value = measure(predicted, torch.full((2,), torch.nan))
    value.backward()
    assert value.item() == 0
    assert predicted.grad.tolist() == [0, 0]


def test_sample_weights_multiply_the_squared_error():
    got = squared_error(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0]), torch.tensor([3.0, 0.5]))
    assert got.item() == pytest.approx(3.5 / 2)


@pytest.mark.parametrize("measure", [squared_error, discordance])
def test_a_sample_without_a_label_does_not_count_whatever_its_weight(measure):
    truth = torch.tensor([0.5, -0.4, torch.nan, 0.1])
    predicted = torch.tensor([0.2, -0.1, 0.9, 0.3])
    weight = torch.tensor([1.0, 2.0, 5.0, 0.5])
    known = ~truth.isnan()
    alone = measure(predicted[known], truth[known], weight[known]).item()
    share = 3 / 4 if measure is squared_error else 1  # a squared error is divided by all samples
    assert measure(predicted, truth, weight).item() == pytest.approx(alone * share, rel=1e-6)


def test_whole_weights_of_a_concordance_are_copies_of_a_sample():
    truth, predicted, times = torch.tensor([0.5, -0.4, 0.1]), torch.tensor([0.2, -0.1, 0.3]), torch.tensor([1, 3, 2])
    expected = discordance(predicted.repeat_interleave(times), truth.repeat_interleave(times)).item()
    assert discordance(predicted, truth, times.float()).item() == pytest.approx(expected, rel=1e-6)


def test_a_dataset_without_affect_is_refused_when_the_loss_is_built():
    with pytest.raises(UserError, match="needs valence and arousal, which the dataset does not have"):
        multi_task(Task(("happy", "sad"), channels=1, height=8, width=8, train_counts=(5, 5)))


def test_a_model_without_affect_is_refused():
    with pytest.raises(UserError, match="needs a model that predicts valence and arousal"):
        multi_task(TASK)(Outputs(LOGITS), Targets(LABELS, affect=AFFECT))
