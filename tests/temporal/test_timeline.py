"""Timelines and their patterns, against sums by hand and loops over rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ferbench.temporal.patterns import find_patterns
from ferbench.temporal.timeline import Frame, Timeline, smooth, watch

NAMES = ("angry", "happy", "sad")


def timeline(probabilities, index=None, seconds=None, affect=None, every=1):
    probabilities = np.asarray(probabilities, dtype=np.float64)
    n = len(probabilities)
    return Timeline(
        NAMES[: probabilities.shape[1]],
        tuple(f"f{i}" for i in range(n)),
        np.arange(0, n * every, every) if index is None else np.asarray(index, dtype=np.int64),
        np.full(n, np.nan) if seconds is None else np.asarray(seconds, dtype=np.float64),
        probabilities,
        None if affect is None else np.asarray(affect, dtype=np.float64),
        every,
    )


def one_hot(*labels):
    return np.eye(3)[list(labels)]


def test_deltas_and_change_by_hand():
    seen = timeline([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.1, 0.6, 0.3]])
    assert np.isnan(seen.deltas[0]).all()
    assert seen.deltas[1] == pytest.approx([-0.4, 0.3, 0.1])
    assert seen.change[1:] == pytest.approx([0.4, 0.0])


def test_nothing_is_said_across_a_gap():
    seen = timeline(one_hot(0, 0, 1, 1), index=[0, 1, 3, 4])
    assert seen.follows.tolist() == [False, True, False, True]
    found = find_patterns(seen)
    assert found.steps.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert found.switches == 0
    assert [(one.label, one.first, one.last) for one in found.episodes] == [(0, 0, 1), (1, 2, 3)]


def test_an_episode_ends_at_a_gap_even_with_the_same_class():
    found = find_patterns(timeline(one_hot(1, 1, 1, 1), index=[0, 1, 5, 6]))
    assert [(one.first, one.last) for one in found.episodes] == [(0, 1), (2, 3)]


def test_patterns_by_hand():
    labels = (1, 1, 1, 0, 1, 2, 2, 1, 1, 1)
    seconds = np.arange(10) * 0.5
    found = find_patterns(timeline(one_hot(*labels), seconds=seconds))
    assert found.frames == 10
    assert found.share.tolist() == [0.1, 0.7, 0.2]
    assert found.dominant == 1
    assert found.switches == 4
    assert found.switch_rate == pytest.approx(4 / 9)
    assert found.volatility == pytest.approx(4 / 9)  # a whole probability moves at each switch
    assert found.restlessness == pytest.approx([2 / 9, 4 / 9, 2 / 9])
    assert found.transitions == [(0, 1, 1), (1, 0, 1), (1, 2, 1), (2, 1, 1)]
    assert np.trace(found.steps) == 5
    assert [(NAMES[one.label], one.frames, one.start, one.seconds) for one in found.episodes] == [
        ("happy", 3, 0.0, 1.5),
        ("angry", 1, 1.5, 0.5),
        ("happy", 1, 2.0, 0.5),
        ("sad", 2, 2.5, 1.0),
        ("happy", 3, 3.5, 1.5),
    ]
    assert found.seconds == pytest.approx(5.0)
    assert found.switches_per_minute == pytest.approx(48)
    assert found.peak.tolist() == [3, 0, 5]


def test_the_most_frequent_transition_comes_first():
    found = find_patterns(timeline(one_hot(0, 1, 0, 1, 2, 0, 1)))
    assert found.transitions[0] == (0, 1, 3)


def test_uneven_times_make_uneven_episodes():
    found = find_patterns(timeline(one_hot(0, 1, 1, 2), seconds=[0.0, 3.0, 4.0, 5.0]))
    assert [one.seconds for one in found.episodes] == pytest.approx([3.0, 2.0, 1.0])


def test_of_two_classes_with_as_many_frames_the_likelier_one_dominates():
    found = find_patterns(timeline([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0]]))
    assert found.dominant == 1


def test_one_frame_has_shares_but_no_steps():
    found = find_patterns(timeline([[0.2, 0.5, 0.3]]))
    assert found.share.tolist() == [0, 1, 0]
    assert found.switches == 0
    assert np.isnan([found.volatility, found.switch_rate, found.seconds, found.switches_per_minute]).all()


def test_no_frames_have_no_patterns():
    with pytest.raises(ValueError, match="without frames"):
        find_patterns(timeline(np.empty((0, 3))))


def test_smoothing_is_the_mean_of_the_frames_around_that_are_there():
    seen = timeline(one_hot(0, 1, 1, 0, 0), index=[0, 1, 2, 7, 8], affect=[[0, 0], [3, 0], [3, 0], [8, 1], [10, 1]])
    smoothed = smooth(seen, 3)
    assert smoothed.probabilities[:, 1] == pytest.approx([1 / 2, 2 / 3, 1, 0, 0])
    assert smoothed.affect[:, 0] == pytest.approx([1.5, 2, 3, 9, 9])
    assert smooth(seen, 1) is seen


def test_watching_classifies_in_batches_and_keeps_order_and_faults():
    frames = [Frame(i, f"f{i}", i / 10, np.full((1, 2, 2), i, np.uint8)) for i in range(7)]
    frames[3] = Frame(3, "f3", 0.3, None, "broken")
    sizes = []

    class Gathered:
        def __init__(self):
            self.means = []

        def add(self, image):
            self.means.append(image.mean() / 10)

        def classify(self):
            sizes.append(len(self.means))
            rows = np.array([[mean, 1 - mean] for mean in self.means], dtype=np.float32)
            self.means = []
            return rows, rows[:, :1].repeat(2, axis=1)

    seen, faulty = watch(iter(frames), Gathered(), ("a", "b"), batch=4)
    assert sizes == [4, 2]
    assert [one.name for one in faulty] == ["f3"]
    assert seen.names == ("f0", "f1", "f2", "f4", "f5", "f6")
    assert seen.probabilities[:, 0] == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 0.6])
    assert seen.affect[:, 1] == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 0.6])
    assert seen.seconds == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 0.6])
    assert seen.follows.tolist() == [False, True, True, False, True, True]


some = arrays.arrays(np.float64, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(0.01, 1))
gaps = st.lists(st.integers(1, 3), min_size=30, max_size=30)


@given(some, gaps, st.sampled_from([1, 3, 5, 9]))
def test_patterns_agree_with_a_loop_over_rows(raw, gap, window):
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    index = np.cumsum(gap[: len(raw)])
    seen = smooth(timeline(probabilities, index=index), window)
    half = window // 2

    def run_of(i):
        """Rows that are seen without a gap around row i."""
        first = last = i
        while first and index[first] - index[first - 1] == 1:
            first -= 1
        while last + 1 < len(index) and index[last + 1] - index[last] == 1:
            last += 1
        return first, last

    for i in range(len(raw)):
        first, last = run_of(i)
        around = probabilities[max(first, i - half) : min(last, i + half) + 1]
        assert seen.probabilities[i] == pytest.approx(around.mean(axis=0))
    assert seen.probabilities.sum(axis=1) == pytest.approx(1)

    found = find_patterns(seen)
    labels = seen.predicted.tolist()
    pairs = [(a, b) for a, b in itertools.pairwise(range(len(labels))) if index[b] - index[a] == 1]
    steps = np.zeros((3, 3), int)
    changes = []
    for a, b in pairs:
        steps[labels[a], labels[b]] += 1
        changes.append(np.maximum(seen.probabilities[b] - seen.probabilities[a], 0).sum())
    assert found.steps.tolist() == steps.tolist()
    assert found.switches == sum(labels[a] != labels[b] for a, b in pairs)
    if changes:
        # What some classes gain, others lose.
        assert found.volatility == pytest.approx(np.mean(changes), abs=1e-12)
    assert sum(one.frames for one in found.episodes) == len(labels)
    assert len(found.episodes) == 1 + found.switches + (len(labels) - 1 - len(pairs))
    assert all(set(labels[one.first : one.last + 1]) == {one.label} for one in found.episodes)
