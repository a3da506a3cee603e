import numpy as np
import pytest

from ferbench import Scores, Task
from ferbench_builtin.samplers.shuffled import Shuffled

TASK = Task(("happy", "sad"), channels=1, height=8, width=8, train_counts=(50, 50))


def shuffled(seed: int = 0, n: int = 100) -> Shuffled:
    return Shuffled(np.zeros(n, dtype=np.int64), TASK, seed=seed)


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_an_epoch_is_a_permutation(n):
    order = shuffled(n=n).indices(1)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(n))


def test_epochs_differ():
    sampler = shuffled()
    assert not np.array_equal(sampler.indices(1), sampler.indices(2))


def test_seeds_differ():
    assert not np.array_equal(shuffled(0).indices(1), shuffled(1).indices(1))


def test_seed_and_epoch_do_not_swap():
    assert not np.array_equal(shuffled(1).indices(2), shuffled(2).indices(1))


def test_scores_and_state_change_nothing():
    sampler = shuffled(7)
    sampler.update(Scores(epoch=1, metrics={"loss": 1.0}, f1={"happy": 0.1, "sad": 0.9}))
    assert sampler.state_dict() == {}
    sampler.load_state_dict({})
    assert np.array_equal(sampler.indices(2), shuffled(7).indices(2))


def test_every_order_of_three_is_about_as_likely():
    counts: dict[tuple[int, ...], int] = {}
    sampler = shuffled(n=3)
    for epoch in range(3000):
        order = tuple(sampler.indices(epoch).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    # 3000 draws over 6 orders: chi-squared with 5 degrees of freedom, 20.5 is its 99.9 % point.
    assert sum((count - 500) ** 2 / 500 for count in counts.values()) < 20.5
