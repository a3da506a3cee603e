"""Online batch selection by loss, against the formula of the paper by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from ferbench import Task
from ferbench.training.scores import Scores
from ferbench_builtin.samplers.hard_examples import HardExamples

LABELS = np.array([0, 1, 0, 1], dtype=np.int64)
TASK = Task(("happy", "sad"), 1, 8, 8, (2, 2))


def scores(epoch: int, losses) -> Scores:
    losses = np.array(losses, dtype=np.float32)
    return Scores(epoch, {}, {}, losses=losses, correct=losses)


def sampler(epochs: int = 6, labels: np.ndarray = LABELS, **options) -> HardExamples:
    return HardExamples(labels, TASK, seed=3, epochs=epochs, **options)


def test_chances_fall_with_the_rank_as_in_the_paper():
    """p_i ∝ 1 / exp(ln(s)/N)^i of the i-th largest loss; with N = 4 and s = 16 that halves from rank to rank."""
    chosen = sampler(pressure=16.0, final_pressure=16.0)
    chosen.update(scores(1, [0.2, 3.0, 1.0, 0.1]))
    chances = [1 / math.exp(math.log(16) / 4) ** i for i in (1, 2, 3, 4)]
    assert chances == pytest.approx([1 / 2, 1 / 4, 1 / 8, 1 / 16])
    expected = dict(zip((1, 2, 0, 3), np.array(chances) / sum(chances), strict=True))
    counts = np.bincount(np.concatenate([chosen.indices(epoch) for epoch in range(2, 2002)]), minlength=4)
    wanted = [8000 * expected[position] for position in range(4)]
    assert scipy.stats.chisquare(counts, wanted).pvalue > 0.001


def test_the_pressure_falls_by_one_factor_an_epoch():
    chosen = sampler(epochs=6, pressure=81.0, final_pressure=1.0)
    assert [chosen.pressure(epoch) for epoch in range(2, 7)] == pytest.approx([81, 27, 9, 3, 1])


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_training_of_two_epochs_has_one_pressure(epochs):
    assert sampler(epochs=epochs, pressure=50.0).pressure(2) == 50.0


def test_the_first_epoch_has_every_sample_once():
    labels = np.zeros(100, dtype=np.int64)
    first = sampler(labels=labels).indices(1)
    assert sorted(first) == list(range(100))
    assert not np.array_equal(first, np.arange(100))


def test_a_pressure_of_one_draws_all_alike():
    labels = np.zeros(50, dtype=np.int64)
    chosen = sampler(labels=labels, pressure=1.0)
    chosen.update(scores(1, np.arange(50)))
    counts = np.bincount(np.concatenate([chosen.indices(epoch) for epoch in range(2, 202)]), minlength=50)
    assert scipy.stats.chisquare(counts).pvalue > 0.001


def test_who_was_not_drawn_keeps_the_loss_and_who_never_was_is_the_hardest():
    chosen = sampler(pressure=1e9, final_pressure=1e9)
    chosen.update(scores(1, [5.0, 0.2, 0.3, np.nan]))
    chosen.update(scores(2, [np.nan, 0.4, 0.1, np.nan]))
    assert chosen.state_dict()["losses"].tolist() == pytest.approx([5.0, 0.4, 0.1, math.nan], nan_ok=True)
    drawn = np.bincount(np.concatenate([chosen.indices(epoch) for epoch in range(3, 200)]), minlength=4)
    assert np.argsort(-drawn).tolist() == [3, 0, 1, 2]


def test_equal_losses_are_in_another_order_each_epoch():
    chosen = sampler(pressure=1e9, final_pressure=1e9)
    chosen.update(scores(1, [1.0, 1.0, 1.0, 1.0]))
    most = {int(np.bincount(chosen.indices(epoch), minlength=4).argmax()) for epoch in range(2, 40)}
    assert most == {0, 1, 2, 3}


def test_it_says_the_pressure_and_the_losses_that_it_ranks_by():
    chosen = sampler(epochs=4, pressure=100.0)
    assert chosen.describe() == {}
    chosen.update(scores(1, [0.25, 3.0, 1.0, np.nan]))
    assert chosen.describe() == {"pressure": 100.0, "losses": {"easiest": 0.25, "median": 1.0, "hardest": 3.0}}
    chosen.update(scores(2, [0.25, 2.0, 1.0, np.nan]))
    assert chosen.describe()["pressure"] == 10.0


def test_it_goes_on_from_its_state():
    chosen, other = sampler(), sampler()
    chosen.update(scores(1, [0.2, 3.0, 1.0, 0.1]))
    other.load_state_dict(chosen.state_dict())
    assert np.array_equal(other.indices(2), chosen.indices(2))
    assert other.describe() == chosen.describe()
    with pytest.raises(ValueError, match="other samples"):
        other.load_state_dict({"losses": np.zeros(3, dtype=np.float32), "epoch": 1})
