"""What choosing the epoch on test would have bought, against populations whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferbench.metrics.classification import confusion_matrix, score
from ferbench.statistics.selection import _scores, bought

EPOCHS, CLASSES = 12, 3


def population(draws, n, spread, groups=None):
    """Truth, and predictions whose rightness is drawn anew for each sample: epochs differ by ``spread`` in accuracy.

    With groups a sample errs as its group does.
    """
    truth = draws.integers(0, CLASSES, n)
    accuracy = 0.7 + spread * np.linspace(-1, 1, EPOCHS) ** 2
    if groups is None:
        luck = draws.random((EPOCHS, n))
    else:
        luck = draws.random((EPOCHS, groups.max() + 1))[:, groups]
    right = luck < accuracy[:, None]
    return np.where(right, truth, (truth + 1) % CLASSES).astype(np.uint8), truth


def really_bought(draws, n, spread, repeats, groups=None):
    """What a choice on a test set of n samples buys over one on a validation set of n others, from fresh samples."""
    gains = []
    for _ in range(repeats):
        both = []
        for _ in range(2):
            predicted, truth = population(draws, n, spread, groups)
            both.append((predicted == truth).mean(axis=1))
        test, validation = both
        gains.append(test.max() - test[validation.argmax()])
    return np.array(gains)


@pytest.mark.parametrize("spread", [0.0, 0.05], ids=["equal epochs", "unequal epochs"])
def test_the_mean_is_what_real_selection_on_a_test_set_like_a_half_buys(spread):
    draws = np.random.default_rng(1)
    n, repeats = 300, 400
    estimates = []
    for repeat in range(repeats):
        predicted, truth = population(draws, n, spread)
        found = bought(predicted, truth, CLASSES, halvings=10, seed=repeat)
        assert found is not None
        estimates.append(found.gains["accuracy"].mean)
    real = really_bought(draws, n // 2, spread, 4000)
    error = np.hypot(np.std(estimates) / np.sqrt(repeats), real.std() / np.sqrt(len(real)))
    assert abs(np.mean(estimates) - real.mean()) < 3.5 * error
    assert error < 0.05 * real.mean()


def test_samples_of_one_person_stay_in_one_half_or_the_estimate_is_too_small():
    draws = np.random.default_rng(2)
    groups = np.repeat(np.arange(60), 10)
    half = np.repeat(np.arange(30), 10)
    together, apart = [], []
    for repeat in range(200):
        predicted, truth = population(draws, 600, 0.0, groups)
        for kept, clusters in ((together, groups), (apart, None)):
            found = bought(predicted, truth, CLASSES, clusters, halvings=10, seed=repeat)
            assert found is not None
            kept.append(found.gains["accuracy"].mean)
    real = really_bought(draws, 300, 0.0, 3000, half)
    error = np.hypot(np.std(together) / np.sqrt(200), real.std() / np.sqrt(3000))
    assert abs(np.mean(together) - real.mean()) < 3.5 * error
    assert np.mean(apart) < 0.7 * real.mean()


def test_a_test_set_of_twice_the_size_buys_less_by_the_root_of_two_where_epochs_are_equally_good():
    draws = np.random.default_rng(3)
    small, large = (really_bought(draws, n, 0.0, 6000).mean() for n in (150, 300))
    assert small / large == pytest.approx(np.sqrt(2), rel=0.04)
    small, large = (really_bought(draws, n, 0.05, 6000).mean() for n in (150, 300))
    assert small / large > np.sqrt(2)


def test_the_gain_is_that_of_a_choice_by_hand():
    truth = np.array([0, 0, 1, 1])
    predicted = np.array([[0, 0, 0, 0], [1, 1, 1, 1]], dtype=np.uint8)
    clusters = np.array([0, 0, 1, 1])
    found = bought(predicted, truth, 2, clusters, halvings=5)
    # One half has class 0 alone: the epoch that is best there is wrong on all of the other.
    assert found is not None
    gain = found.gains["accuracy"]
    assert (gain.mean, gain.deviation, gain.low, gain.high) == (1.0, 0.0, 1.0, 1.0)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_scores_of_halves_are_those_of_their_confusion_matrices(seed):
    draws = np.random.default_rng(seed)
    n, classes = int(draws.integers(4, 40)), int(draws.integers(2, 6))
    truth, predicted = draws.integers(0, classes, n), draws.integers(0, classes, (3, n)).astype(np.uint8)
    half = draws.permutation(n) < n // 2
    found = _scores(predicted, truth, classes, half[:, None].astype(np.float32))
    for epoch in range(3):
        by_hand = score(confusion_matrix(truth[half], predicted[epoch][half], classes)).summary()
        for name, values in found.items():
            assert values[epoch, 0] == pytest.approx(by_hand[name])


def test_one_epoch_or_one_person_says_nothing():
    predicted, truth = population(np.random.default_rng(4), 20, 0.0)
    assert bought(predicted[:1], truth, CLASSES) is None
    assert bought(predicted, truth, CLASSES, np.zeros(20, dtype=np.int64)) is None


def test_the_draws_depend_on_the_seed_alone():
    predicted, truth = population(np.random.default_rng(5), 100, 0.0)
    assert bought(predicted, truth, CLASSES) == bought(predicted, truth, CLASSES)
    assert bought(predicted, truth, CLASSES) != bought(predicted, truth, CLASSES, seed=1)
