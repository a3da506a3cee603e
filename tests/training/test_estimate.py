"""What a run is said to take before it begins."""

from __future__ import annotations

import pytest
from made_packs import make_pack

from ferbench.data.order import Lengths
from ferbench.experiment.plan import Plan, plan
from ferbench.experiment.resolve import resolve
from ferbench.plugin.discovery import load_registry
from ferbench.training.estimate import Estimator, Rates, _timings

CLASSES = ("angry", "happy", "sad")
COUNTS = {part: dict.fromkeys(CLASSES, n) for part, n in (("train", 12), ("validation", 4), ("test", 4))}


def planned(sampler: dict, every: int = 0, optimizer: str = "adam", **training) -> Plan:
    settings = {
        "optimizer": {"name": optimizer},
        "dataset": {"name": "folder"},
        "model": {"name": "basic-cnn"},
        "sampler": sampler,
        "data": {"image_size": 16},
        "training": {"batch_size": 8, **training},
        "runtime": {"checkpoint_every": every},
    }
    return plan(resolve(settings, load_registry()), make_pack(COUNTS, classes=CLASSES))


def seconds(made: Plan) -> float:
    """Where a training image takes a second, and nothing else any time."""
    estimator = Estimator()
    estimator._rates = lambda plan: Rates((1.0,), (0.0,), 0)  # type: ignore[method-assign]
    return estimator.estimate(made).seconds


def test_every_epoch_counts_with_its_length():
    assert seconds(planned({"name": "shuffled"}, epochs=4)) == pytest.approx(4 * 36)
    # 36 samples, then 18, 23.4 and 30.42, each rounded up.
    assert seconds(planned({"name": "self-paced"}, epochs=4)) == pytest.approx(36 + 18 + 24 + 31)


def test_an_update_of_two_passes_counts_twice():
    assert seconds(planned({"name": "shuffled"}, optimizer="sam", epochs=4)) == pytest.approx(2 * 4 * 36)


def test_whole_batches_count_with_what_they_have():
    made = planned({"name": "class-batches", "classes": 3, "samples": 2}, epochs=2)
    assert made.lengths == Lengths((36,), (6,), whole=True)
    assert seconds(made) == pytest.approx(2 * 36)


def test_small_images_count_less_in_the_epochs_that_have_them():
    # Sides of 8 and 12 of 16 pixels in the first two epochs, and 16 in the others.
    made = planned({"name": "self-paced"}, epochs=4, start_size=8, growing=0.5)
    assert seconds(made) == pytest.approx(36 / 4 + 18 * 9 / 16 + 24 + 31)


@pytest.mark.parametrize(("every", "snapshots"), [(0, 3), (2, 3 + 2 + 1 + 1)])
def test_the_disk_holds_a_snapshot_for_every_so_many_batches_of_each_epoch(every, snapshots):
    """36, 18 and 24 samples in batches of 8: 5, 3 and 3 of them."""
    made = planned({"name": "self-paced"}, every, epochs=3, keep="all")
    assert made.lengths.batches == (5, 3, 3)
    one, other = (Estimator() for _ in range(2))
    for number, estimator in ((1000, one), (2000, other)):
        estimator._rates = lambda plan: Rates((0.0,), (0.0,), 0)  # type: ignore[method-assign]
        estimator._checkpoint_bytes = lambda plan, number=number: (0, number)  # type: ignore[method-assign]
    assert other.estimate(made).disk_bytes - one.estimate(made).disk_bytes == 1000 * snapshots


@pytest.mark.parametrize(
    ("each", "sizes", "whole"),
    [
        (0.001, [2, 2, 8, 32, 128, 128, 128, 128], True),  # 128 of them take 0.128 seconds
        (0.04, [2, 2, 8, 8, 8, 8], False),  # 32 would take 1.28 of the 1.5 seconds, of which 0.48 have gone by
        (3.0, [2, 2], False),  # there is no time for another one
    ],
)
def test_batches_are_timed_that_there_is_time_for_and_one_in_any_case(monkeypatch, each, sizes, whole):
    now, timed = [0.0], []

    def batch(size: int) -> float:
        timed.append(size)
        now[0] += size * each
        return each

    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    found, all_of_it = _timings(batch, 128, 1.5)
    assert (timed, all_of_it) == (sizes, whole)
    assert set(found) == {each}


def test_plans_that_differ_share_the_time_and_seeds_of_one_do_not():
    several = [
        planned({"name": "shuffled"}, epochs=4, seed=seed, batch_size=size) for seed in (0, 1) for size in (4, 8)
    ]
    assert Estimator(plans=several)._seconds == Estimator()._seconds / 2


def test_an_estimate_says_how_far_its_timings_are_apart():
    estimator = Estimator()
    estimator._rates = lambda plan: Rates((1.0, 1.5, 3.0), (0.0,), 0, whole=False)  # type: ignore[method-assign]
    made = estimator.estimate(planned({"name": "shuffled"}, epochs=4))
    assert (made.low, made.seconds, made.high, made.whole) == (144, 216, 432, False)
