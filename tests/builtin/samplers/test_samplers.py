"""Balanced, weighted and adaptive samplers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ferbench import Task
from ferbench.training.scores import Scores
from ferbench_builtin.samplers.adaptive import Adaptive, AdaptiveSmooth
from ferbench_builtin.samplers.balanced import Balanced
from ferbench_builtin.samplers.weighted import Weighted

NAMES = ("happy", "sad", "fear", "disgust")
COUNTS = (400, 200, 100, 25)
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(4), COUNTS))
TASK = Task(NAMES, channels=1, height=8, width=8, train_counts=COUNTS)
ALL = [Balanced, Weighted, Adaptive, AdaptiveSmooth]


def scores(
    epoch: int,
    f1: tuple[float, ...],
    train_f1: tuple[float, ...] = (0.5,) * 4,
    support: tuple[int, ...] = (9,) * 4,
) -> Scores:
    by_name = [dict(zip(NAMES, one, strict=True)) for one in (f1, train_f1, support)]
    return Scores(epoch, {}, by_name[0], train_f1=by_name[1], support=by_name[2])


def drawn(sampler, epochs: int = 40, start: int = 1) -> np.ndarray:
    """Draws of each class per epoch, on average."""
    orders = np.concatenate([sampler.indices(epoch) for epoch in range(start, start + epochs)])
    return np.bincount(LABELS[orders], minlength=4) / epochs


@pytest.mark.parametrize("kind", ALL)
def test_an_epoch_is_as_long_as_the_split_and_others_differ(kind):
    order = kind(LABELS, TASK, seed=5).indices(2)
    assert len(order) == len(LABELS)
    assert not np.array_equal(order, kind(LABELS, TASK, seed=5).indices(3))
    assert not np.array_equal(order, kind(LABELS, TASK, seed=6).indices(2))


def test_balanced_draws_every_class_equally_often():
    counts = np.bincount(LABELS[Balanced(LABELS, TASK, seed=0).indices(1)], minlength=4)
    assert sorted(counts) == [181, 181, 181, 182]


def test_balanced_takes_every_member_in_turn():
    order = Balanced(LABELS, TASK, seed=0).indices(1)
    times = np.bincount(order, minlength=len(LABELS))
    for k in range(4):
        of_class = times[k == LABELS]
        assert of_class.max() - of_class.min() <= 1


def test_balanced_gives_the_rest_to_other_classes_in_other_epochs():
    sampler = Balanced(LABELS, TASK, seed=0)
    more = {int(np.bincount(LABELS[sampler.indices(e)], minlength=4).argmax()) for e in range(1, 20)}
    assert more == {0, 1, 2, 3}


def test_balanced_leaves_out_a_class_without_samples():
    labels = LABELS[LABELS != 3]
    counts = np.bincount(labels[Balanced(labels, TASK, seed=0).indices(1)], minlength=4)
    assert counts.tolist() in ([234, 233, 233, 0], [233, 234, 233, 0], [233, 233, 234, 0])


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, [1 / n**0.5 for n in COUNTS]),
        ({"power": 0.0}, [1, 1, 1, 1]),
        ({"power": -1.0}, [1 / n for n in COUNTS]),
        ({"emphasis": {"disgust": 3.0, "fear": 2.0}}, [1, 1, 2, 3]),
        ({"emphasis": {"disgust": 3.0}, "power": -1.0}, [1 / 400, 1 / 200, 1 / 100, 3 / 25]),
    ],
)
def test_weighted_draws_by_power_and_emphasis(options, weights):
    expected = np.array(weights) * COUNTS
    np.testing.assert_allclose(
        drawn(Weighted(LABELS, TASK, seed=0, **options)), 725 * expected / expected.sum(), rtol=0.08
    )


def test_weighted_says_its_weights():
    said = Weighted(LABELS, TASK, seed=0, emphasis={"disgust": 3.0}).describe()
    assert said == {"weights": {"happy": 1.0, "sad": 1.0, "fear": 1.0, "disgust": 3.0}}


def test_adaptive_starts_at_the_natural_frequencies():
    sampler = Adaptive(LABELS, TASK, seed=0)
    assert sampler.describe() == {"focus": [], "weights": dict.fromkeys(NAMES, 1.0)}
    np.testing.assert_allclose(drawn(sampler), COUNTS, rtol=0.1)


def test_adaptive_boosts_the_two_classes_with_the_lowest_f1():
    sampler = Adaptive(LABELS, TASK, seed=0)
    sampler.update(scores(1, (0.9, 0.5, 0.6, 0.1)))
    said = sampler.describe()
    assert said == {"focus": ["disgust", "sad"], "weights": {"happy": 1.0, "sad": 3.0, "fear": 1.0, "disgust": 3.0}}
    expected = np.array([400, 600, 100, 75])
    np.testing.assert_allclose(drawn(sampler), 725 * expected / expected.sum(), rtol=0.1)


@pytest.mark.parametrize(("mode", "weights"), [("reset", (5.0, 5.0, 1.0, 1.0)), ("accumulate", (5.0, 25.0, 1.0, 5.0))])
def test_adaptive_resets_or_accumulates(mode, weights):
    sampler = Adaptive(LABELS, TASK, seed=0, boost=5.0, mode=mode)
    sampler.update(scores(1, (0.9, 0.5, 0.6, 0.1)))
    sampler.update(scores(2, (0.1, 0.2, 0.6, 0.7)))
    assert sampler.describe() == {"focus": ["happy", "sad"], "weights": dict(zip(NAMES, weights, strict=True))}


def test_adaptive_accumulates_up_to_its_limit():
    sampler = Adaptive(LABELS, TASK, seed=0, focus=1, boost=3.0, mode="accumulate", limit=10.0)
    for epoch in range(1, 6):
        sampler.update(scores(epoch, (0.9, 0.5, 0.6, 0.1)))
    assert sampler.describe()["weights"]["disgust"] == 10


def test_adaptive_may_follow_the_training_batches():
    sampler = Adaptive(LABELS, TASK, seed=0, focus=1, source="train")
    sampler.update(scores(1, (0.9, 0.5, 0.6, 0.1), train_f1=(0.1, 0.9, 0.9, 0.9)))
    assert sampler.describe()["focus"] == ["happy"]


def test_a_class_without_training_samples_is_never_in_the_focus():
    sampler = Adaptive(LABELS[LABELS != 3], TASK, seed=0, focus=4)
    sampler.update(scores(1, (0.9, 0.5, 0.6, 0.0)))
    assert sampler.describe()["focus"] == ["sad", "fear", "happy"]


def test_a_class_without_validation_samples_is_never_in_the_focus():
    """As in a union, whose added classes are learnt and not validated: their F1 of 0 says nothing."""
    sampler = Adaptive(LABELS, TASK, seed=0, focus=3)
    heard = scores(1, (0.9, 0.0, 0.7, 0.0), train_f1=(0.1, 0.2, 0.9, 0.3), support=(9, 9, 9, 0))
    sampler.update(heard)
    assert sampler.describe()["focus"] == ["sad", "fear", "happy"]
    sampler.update(scores(2, (0.9, 0.0, 0.7, 0.0), support=(9, 0, 9, 0)))
    assert sampler.describe() == {
        "focus": ["fear", "happy"],
        "weights": {"happy": 3, "sad": 1, "fear": 3, "disgust": 1},
    }
    on_train = Adaptive(LABELS, TASK, seed=0, focus=3, source="train")
    on_train.update(heard)
    assert on_train.describe()["focus"] == ["happy", "sad", "disgust"]


def test_without_any_validated_class_there_is_no_focus():
    sampler = Adaptive(LABELS, TASK, seed=0)
    sampler.update(scores(1, (0.0,) * 4, support=(0,) * 4))
    assert sampler.describe() == {"focus": [], "weights": dict.fromkeys(NAMES, 1)}


def test_adaptive_smooth_keeps_the_weight_of_a_class_without_validation_samples():
    sampler = AdaptiveSmooth(LABELS, TASK, seed=0, memory=0.5)
    for epoch in (1, 2):
        sampler.update(scores(epoch, (0.8, 0.6, 0.4, 0.0), support=(9, 9, 9, 0)))
    # Errors 0.2, 0.4, 0.6 of the three that are measured: relative to their mean of 0.4.
    weights = {"happy": 0.5, "sad": 1.0, "fear": 1.5, "disgust": 1.0}
    assert sampler.describe()["weights"] == pytest.approx(weights)
    other = AdaptiveSmooth(LABELS, TASK, seed=0, memory=0.5)
    other.load_state_dict(json.loads(json.dumps(sampler.state_dict(), allow_nan=False)))
    assert other.describe() == sampler.describe()
    assert np.array_equal(other.indices(3), sampler.indices(3))


def test_adaptive_smooth_by_hand():
    sampler = AdaptiveSmooth(LABELS, TASK, seed=0, memory=0.5)
    sampler.update(scores(1, (0.9, 0.5, 0.8, 0.2)))  # errors 0.1, 0.5, 0.2, 0.8: mean 0.4
    assert sampler.describe()["weights"] == pytest.approx({"happy": 0.25, "sad": 1.25, "fear": 0.5, "disgust": 2.0})
    sampler.update(scores(2, (0.9, 0.9, 0.8, 0.8)))  # averages 0.1, 0.3, 0.2, 0.5: mean 0.275
    expected = {"happy": 0.1 / 0.275, "sad": 0.3 / 0.275, "fear": 0.2 / 0.275, "disgust": 0.5 / 0.275}
    assert sampler.describe()["weights"] == pytest.approx(expected)


def test_the_memory_of_adaptive_smooth_is_the_share_that_stays():
    sampler = AdaptiveSmooth(LABELS, TASK, seed=0, memory=0.75)
    sampler.update(scores(1, (0.9, 0.5, 0.8, 0.2)))  # errors 0.1, 0.5, 0.2, 0.8
    sampler.update(scores(2, (0.9, 0.9, 0.8, 0.8)))  # errors 0.1, 0.1, 0.2, 0.2: averages 0.1, 0.4, 0.2, 0.65
    expected = {"happy": 0.1, "sad": 0.4, "fear": 0.2, "disgust": 0.65}
    assert sampler.describe()["weights"] == pytest.approx({name: e / 0.3375 for name, e in expected.items()})


def test_adaptive_smooth_may_follow_the_training_batches():
    sampler = AdaptiveSmooth(LABELS, TASK, seed=0, source="train")
    sampler.update(scores(1, (0.9, 0.5, 0.6, 0.1), train_f1=(0.2, 0.8, 0.6, 0.4)))  # errors with the mean 0.5
    expected = {"happy": 1.6, "sad": 0.4, "fear": 0.8, "disgust": 1.2}
    assert sampler.describe()["weights"] == pytest.approx(expected)


@pytest.mark.parametrize("kind", [Adaptive, AdaptiveSmooth])
def test_draws_go_on_from_what_was_heard_before(kind):
    sampler = kind(LABELS, TASK, seed=0)
    sampler.update(scores(1, (0.9, 0.5, 0.6, 0.1)))
    again = kind(LABELS, TASK, seed=0)
    again.load_state_dict(sampler.state_dict())
    assert again.describe() == sampler.describe()
    assert np.array_equal(again.indices(2), sampler.indices(2))
    assert not np.array_equal(again.indices(2), kind(LABELS, TASK, seed=0).indices(2))


def test_a_class_without_training_samples_does_not_count_in_the_mean_error():
    sampler = AdaptiveSmooth(LABELS[LABELS != 3], TASK, seed=0)
    sampler.update(scores(1, (0.9, 0.5, 0.7, 0.0)))  # errors 0.1, 0.5, 0.3 have the mean 0.3
    weights = sampler.describe()["weights"]
    assert [weights[name] for name in NAMES[:3]] == pytest.approx([1 / 3, 5 / 3, 1.0])


def test_adaptive_smooth_keeps_weights_within_its_limit():
    sampler = AdaptiveSmooth(LABELS, TASK, seed=0, strength=4.0, limit=3.0)
    sampler.update(scores(1, (1.0, 0.9, 0.8, 0.1)))
    assert list(sampler.describe()["weights"].values()) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 3.0])


def test_adaptive_smooth_leaves_a_perfect_model_alone():
    sampler = AdaptiveSmooth(LABELS, TASK, seed=0)
    sampler.update(scores(1, (1.0, 1.0, 1.0, 1.0)))
    assert sampler.describe()["weights"] == dict.fromkeys(NAMES, 1.0)
