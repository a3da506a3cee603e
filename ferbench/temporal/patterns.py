"""Patterns of a timeline: what dominates, how long it lasts, what changes into what, how restless it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.temporal.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Episode:
    """Frames in a row with one predicted class.

    Attributes:
        label: class id.
        first: row of its first frame in the timeline.
        last: row of its last frame.
        start: seconds of its first frame; NaN without times.
        seconds: until the frame behind it; where none follows, its last frame counts as long as frames do in the
            middle (median); NaN without times.
    """

    label: int
    first: int
    last: int
    start: float
    seconds: float

    @property
    def frames(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Patterns:
    """Patterns over n frames and K classes.

    Attributes:
        frames: n.
        share: float64[K], of the frames by predicted class.
        mean: float64[K], mean probability.
        peak: int64[K], row of the frame with the highest probability of each class, the first of equal ones.
        episodes: in order.
        steps: int64[K, K], how often a frame predicted as i was followed by one predicted as j, i = j included.
        restlessness: float64[K], mean absolute delta of each class; NaN without two frames in a row.
        volatility: mean change from frame to frame (total variation distance); NaN likewise.
        seconds: what all episodes last together; NaN without times.
    """

    frames: int
    share: NDArray[np.float64]
    mean: NDArray[np.float64]
    peak: NDArray[np.int64]
    episodes: tuple[Episode, ...]
    steps: NDArray[np.int64]
    restlessness: NDArray[np.float64]
    volatility: float
    seconds: float

    @property
    def dominant(self) -> int:
        """The class that most frames were predicted as; of equal ones the one with the higher mean probability."""
        return max(range(len(self.share)), key=lambda k: (self.share[k], self.mean[k]))

    @property
    def transitions(self) -> list[tuple[int, int, int]]:
        """(from, to, count) of each change between two classes, the most frequent first."""
        changes = [(int(i), int(j), int(self.steps[i, j])) for i, j in np.argwhere(self.steps) if i != j]
        return sorted(changes, key=lambda change: -change[2])

    @property
    def switches(self) -> int:
        """How often the predicted class changed from a frame to the next."""
        return int(self.steps.sum() - np.trace(self.steps))

    @property
    def switch_rate(self) -> float:
        """Share of the steps in which the predicted class changed; NaN without steps."""
        total = int(self.steps.sum())
        return self.switches / total if total else float("nan")

    @property
    def switches_per_minute(self) -> float:
        """NaN without times."""
        return 60 * self.switches / self.seconds if self.seconds > 0 else float("nan")

    def of_class(self, label: int) -> list[Episode]:
        """The episodes of a class, in order."""
        return [episode for episode in self.episodes if episode.label == label]


def find_patterns(timeline: Timeline) -> Patterns:
    """The patterns of a timeline with at least one frame.

    Raises:
        ValueError: it has none.
    """
    n, classes = timeline.probabilities.shape
    if not n:
        raise ValueError("a timeline without frames has no patterns")
    predicted, follows = timeline.predicted, timeline.follows
    steps = np.zeros((classes, classes), dtype=np.int64)
    after = np.flatnonzero(follows)
    np.add.at(steps, (predicted[after - 1], predicted[after]), 1)
    episodes = _episodes(timeline)
    return Patterns(
        frames=n,
        share=np.bincount(predicted, minlength=classes) / n,
        mean=timeline.probabilities.mean(axis=0),
        peak=timeline.probabilities.argmax(axis=0),
        episodes=episodes,
        steps=steps,
        restlessness=np.abs(timeline.deltas[after]).mean(axis=0) if len(after) else np.full(classes, np.nan),
        volatility=float(timeline.change[after].mean()) if len(after) else float("nan"),
        seconds=float(sum(episode.seconds for episode in episodes)),
    )


def _episodes(timeline: Timeline) -> tuple[Episode, ...]:
    predicted, follows, seconds = timeline.predicted, timeline.follows, timeline.seconds
    begins = np.flatnonzero(~follows | np.concatenate([[True], np.diff(predicted) != 0]))
    ends = np.append(begins[1:], len(timeline))
    stays = np.diff(seconds)[follows[1:]]
    stay = float(np.median(stays)) if len(stays) else float("nan")
    episodes = []
    for first, end in zip(begins.tolist(), ends.tolist(), strict=True):
        until = seconds[end] if end < len(timeline) and follows[end] else seconds[end - 1] + stay
        episodes.append(
            Episode(int(predicted[first]), first, end - 1, float(seconds[first]), float(until - seconds[first]))
        )
    return tuple(episodes)
