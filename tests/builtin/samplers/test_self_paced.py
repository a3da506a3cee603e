"""Self-paced learning: a threshold on the loss that rises from epoch to epoch."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench import Task
from ferbench.training.scores import Scores
from ferbench_builtin.samplers.self_paced import SelfPaced

TASK = Task(("happy", "sad"), 1, 8, 8, (5, 5))
LABELS = np.array([0, 1] * 5, dtype=np.int64)
LOSSES = (0.9, 0.1, 0.5, 0.3, 2.0, 0.7, 0.2, 1.5, 0.4, 3.0)


def scores(epoch: int, losses) -> Scores:
    losses = np.array(losses, dtype=np.float32)
    return Scores(epoch, {}, {}, losses=losses, correct=losses)


def sampler(**options) -> SelfPaced:
    return SelfPaced(LABELS, TASK, seed=3, **options)


def test_all_then_half_then_a_third_more_from_epoch_to_epoch():
    """10 samples; 0.5, 0.65, 0.845, 1.0985 of them, rounded up."""
    assert sampler().lengths(7) == [10, 5, 7, 9, 10, 10, 10]
    assert sampler(start=0.2, growth=2.0).lengths(5) == [10, 2, 4, 8, 10]
    assert sampler(start=1e-6).lengths(2) == [10, 1]
    assert SelfPaced(LABELS, TASK, seed=0).lengths(10**5)[-1] == 10


@pytest.mark.parametrize(("epoch", "easiest"), [(2, {1, 6, 3, 8, 2}), (3, {1, 6, 3, 8, 2, 5, 0})])
def test_an_epoch_has_the_samples_below_the_threshold_once(epoch, easiest):
    chosen = sampler()
    for heard in range(1, epoch):
        chosen.update(scores(heard, LOSSES))
    drawn = chosen.indices(epoch)
    assert set(drawn) == easiest
    assert len(drawn) == len(easiest)
    threshold = max(LOSSES[position] for position in easiest)
    share = {2: 0.5, 3: 0.7}[epoch]
    assert chosen.describe() == {"share": share, "threshold": pytest.approx(threshold)}


def test_the_first_epoch_has_every_sample_in_some_order():
    drawn = sampler().indices(1)
    assert sorted(drawn) == list(range(10))
    assert drawn.tolist() != list(range(10))
    assert sampler().describe() == {"share": 1.0}


def test_who_was_left_out_keeps_the_loss_and_comes_in_later():
    chosen = sampler(start=0.2, growth=2.0)
    chosen.update(scores(1, LOSSES))
    assert set(chosen.indices(2)) == {1, 6}
    nan = np.nan
    chosen.update(scores(2, [nan, 5.0, nan, nan, nan, nan, 0.1, nan, nan, nan]))
    assert set(chosen.indices(3)) == {6, 3, 8, 2}


def test_of_equal_losses_chance_decides():
    chosen = sampler()
    chosen.update(scores(1, [1.0] * 10))
    assert len({frozenset(chosen.indices(epoch)[:3].tolist()) for epoch in (2, 12, 13)}) > 1
    other = SelfPaced(LABELS, TASK, seed=4)
    other.update(scores(1, [1.0] * 10))
    assert set(other.indices(2)) != set(chosen.indices(2))


def test_it_goes_on_from_its_state():
    chosen, other = sampler(), sampler()
    chosen.update(scores(1, LOSSES))
    other.load_state_dict(chosen.state_dict())
    assert np.array_equal(other.indices(2), chosen.indices(2))
    assert other.describe() == chosen.describe()
