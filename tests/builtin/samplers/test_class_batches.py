"""Batches of k classes with m samples each."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench import Task, UserError
from ferbench_builtin.samplers.class_batches import ClassBatches

COUNTS = (40, 30, 20, 7, 0, 3)
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(6), COUNTS)).astype(np.int64)
TASK = Task(tuple("abcdef"), 1, 8, 8, COUNTS)


def sampler(seed: int = 1, batch_size: int = 16, **options) -> ClassBatches:
    return ClassBatches(LABELS, TASK, seed=seed, batch_size=batch_size, **options)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        # Of 100 samples: 7 batches of 5 × 3 are nearest to an epoch.
        ({}, (7, 5, 3)),
        ({"samples": 2}, (10, 5, 2)),
        # 12.5 batches, of which 5 make a pile of 5 classes whole: 10 are nearest.
        ({"classes": 2, "samples": 4}, (10, 2, 4)),
        ({"classes": 4}, (5, 4, 4)),
        ({"classes": 1}, (5, 1, 16)),
    ],
)
def test_every_batch_has_so_many_classes_with_so_many_samples(options, shape):
    count, k, m = shape
    for epoch in (1, 2, 3):
        batches = sampler(**options).batches(epoch)
        assert batches.shape == (count, k * m)
        assert batches.dtype == np.int64
        for batch in batches:
            found = np.bincount(LABELS[batch], minlength=6)
            assert sorted(found[found > 0]) == [m] * k
    assert sampler(**options).describe() == {"batches": count, "classes": k, "samples": m}


@pytest.mark.parametrize("options", [{}, {"classes": 2}, {"classes": 3}, {"classes": 4, "samples": 3}])
def test_classes_are_equally_often_in_an_epoch(options):
    found = np.bincount(LABELS[sampler(**options).batches(5).ravel()], minlength=6)
    assert found[4] == 0
    assert len(set(found[[0, 1, 2, 3, 5]])) == 1


@pytest.mark.parametrize("options", [{}, {"classes": 3, "samples": 4}])
def test_no_sample_of_a_class_is_drawn_twice_more_than_another_over_any_epochs(options):
    times = np.zeros(100, dtype=np.int64)
    chosen = sampler(**options)
    for epoch in range(1, 10):
        times += np.bincount(chosen.batches(epoch).ravel(), minlength=100)
        for k in (0, 1, 2, 3, 5):
            of_class = times[k == LABELS]
            assert of_class.max() - of_class.min() <= 1
    assert times.min() >= 4


def test_other_classes_come_together_in_other_batches():
    together = {tuple(np.unique(LABELS[batch])) for epoch in range(1, 9) for batch in sampler(classes=2).batches(epoch)}
    assert len(together) == 10  # all pairs of five classes


def test_the_samples_of_a_batch_are_in_no_order_of_classes():
    """So that Mixup, which mixes the first with the last, and devices, which share a batch, see all of them."""
    assert len({tuple(LABELS[batch]) for batch in sampler().batches(1)}) == 7


def test_batches_depend_on_seed_and_epoch_alone():
    first = sampler()
    later = first.batches(4)
    assert np.array_equal(sampler().batches(4), later)
    assert not np.array_equal(first.batches(3), later)
    assert not np.array_equal(sampler(seed=2).batches(4), later)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 6}, "sampler.classes = 6, but 5 classes have samples"),
        ({"classes": 4, "samples": 5}, "4 classes of 5 each is larger than training.batch_size = 16"),
        ({"batch_size": 4}, "5 classes of 1 each is larger than training.batch_size = 4"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(UserError) as caught:
        sampler(**options)
    assert message in caught.value.message
