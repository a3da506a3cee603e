"""Frames of a sequence, and what a model predicts of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ferbench.data.decode import DecodeError
from ferbench.metrics.probabilities import predicted_classes

#: Frames that are classified together.
BATCH = 64

#: Probabilities float[n, K]; valence and arousal float[n, 2] or None.
Predicted = tuple[NDArray[np.floating], NDArray[np.floating] | None]


class Gathered(Protocol):
    """Images on their way into a model."""

    def add(self, image: NDArray[np.uint8], /) -> None:
        """Take in an image uint8[C, h, w], which is not kept.

        Raises:
            DecodeError: nothing can be predicted of it; it is not taken in then.
        """

    def classify(self) -> Predicted:
        """What the model predicts of the images that were added since it was last asked."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        index: its place among all frames of the sequence, from 0, those included that were passed over.
        name: of its file; of a video or animation ``frame 12``.
        seconds: since the first frame; None where there is no time.
        pixels: uint8[C, h, w]; None where there is a fault.
        fault: why it cannot be seen; empty when it can.
    """

    index: int
    name: str
    seconds: float | None
    pixels: NDArray[np.uint8] | None
    fault: str = ""


def seen(index: int, name: str, seconds: float | None, pixels: Callable[[], NDArray[np.uint8]]) -> Frame:
    """A frame of the pixels that a function gives, or of the fault that it meets."""
    try:
        return Frame(index, name, seconds, pixels())
    except DecodeError as error:
        return Frame(index, name, seconds, None, error.reason)


@dataclass(frozen=True)
class Timeline:
    """Probabilities frame by frame.

    Attributes:
        class_names: K.
        names: of the n frames.
        index: int64[n], their places in the sequence.
        seconds: float64[n], NaN where a frame has no time.
        probabilities: float64[n, K].
        affect: float64[n, 2], valence and arousal; None where the model does not predict them.
        every: places between two frames that follow each other.
    """

    class_names: tuple[str, ...]
    names: tuple[str, ...]
    index: NDArray[np.int64]
    seconds: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    affect: NDArray[np.float64] | None = None
    every: int = 1

    def __len__(self) -> int:
        return len(self.index)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """int64[n], the class with the highest probability; of equal ones the first."""
        return predicted_classes(self.probabilities)

    @property
    def follows(self) -> NDArray[np.bool_]:
        """bool[n], whether the frame before it was seen: not for the first one, nor behind one that was left out."""
        return np.concatenate([np.zeros(min(1, len(self)), bool), np.diff(self.index) == self.every])

    @property
    def deltas(self) -> NDArray[np.float64]:
        """float64[n, K], what each probability gained since the frame before; NaN where that was not seen."""
        change = np.full(self.probabilities.shape, np.nan)
        after = np.flatnonzero(self.follows)
        change[after] = self.probabilities[after] - self.probabilities[after - 1]
        return change

    @property
    def change(self) -> NDArray[np.float64]:
        """float64[n] in [0, 1], the probability that went from some classes to others since the frame before (total
        variation distance: half the sum of the deltas' absolute values); NaN where that was not seen."""
        return np.abs(self.deltas).sum(axis=1) / 2


def watch(
    frames: Iterable[Frame],
    gathered: Gathered,
    class_names: Sequence[str],
    *,
    every: int = 1,
    batch: int = BATCH,
) -> tuple[Timeline, list[Frame]]:
    """The timeline of the frames that can be seen, and those that cannot.

    Args:
        frames: in order.
        gathered: has room for ``batch`` frames, and classifies them.
        class_names: K.
        every: places between two frames that follow each other.
        batch: how many frames are classified together.
    """
    visible: list[Frame] = []
    faulty: list[Frame] = []
    predicted: list[Predicted] = []
    waiting = 0
    for frame in frames:
        if frame.pixels is None:
            faulty.append(frame)
            continue
        try:
            gathered.add(frame.pixels)
        except DecodeError as error:
            faulty.append(replace(frame, pixels=None, fault=error.reason))
            continue
        visible.append(replace(frame, pixels=None))
        waiting += 1
        if waiting == batch:
            predicted.append(gathered.classify())
            waiting = 0
    if waiting:
        predicted.append(gathered.classify())
    affect = [part for _, part in predicted if part is not None]
    none = np.empty((0, len(class_names)))
    return Timeline(
        class_names=tuple(class_names),
        names=tuple(frame.name for frame in visible),
        index=np.array([frame.index for frame in visible], dtype=np.int64),
        seconds=np.array([np.nan if frame.seconds is None else frame.seconds for frame in visible], dtype=np.float64),
        probabilities=np.concatenate([none, *(part for part, _ in predicted)]).astype(np.float64),
        affect=np.concatenate(affect).astype(np.float64) if affect else None,
        every=every,
    ), faulty


def smooth(timeline: Timeline, window: int) -> Timeline:
    """The timeline with each probability, valence and arousal replaced by the mean over so many frames around it.

    Near a frame that was not seen and at both ends the frames that are there count.

    Args:
        timeline: of n frames.
        window: an odd number of frames; 1 changes nothing.
    """
    if window == 1 or not len(timeline):
        return timeline
    half = window // 2
    starts = np.flatnonzero(~timeline.follows)

    def means(values: NDArray[np.float64]) -> NDArray[np.float64]:
        smoothed = np.empty_like(values)
        for first, end in zip(starts, [*starts[1:], len(values)], strict=True):
            places = np.arange(first, end)
            low, high = np.maximum(places - half, first), np.minimum(places + half + 1, end)
            sums = np.concatenate([np.zeros((1, values.shape[1])), values[first:end].cumsum(axis=0)])
            smoothed[first:end] = (sums[high - first] - sums[low - first]) / (high - low)[:, None]
        return smoothed

    affect = None if timeline.affect is None else means(timeline.affect)
    return replace(timeline, probabilities=means(timeline.probabilities), affect=affect)
