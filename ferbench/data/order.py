"""The samples of an epoch in the batches that they come in, and how long the epochs of a training are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.data.cuts import batch_bounds, joins_last


@dataclass(frozen=True, slots=True)
class Order:
    """An epoch as a sampler drew it.

    Attributes:
        positions: int64[m] within the training split, batch after batch.
        bounds: first place and the place after the last of each batch.
    """

    positions: NDArray[np.int64]
    bounds: Sequence[tuple[int, int]]

    @classmethod
    def cut(cls, positions: NDArray[np.int64], batch_size: int) -> Order:
        """Samples in a row, cut into batches of one size; `batch_bounds` says which the last one has."""
        return cls(positions, batch_bounds(len(positions), batch_size))

    @classmethod
    def of(cls, batches: Sequence[NDArray[np.int64]]) -> Order:
        """Whole batches."""
        ends = list(itertools.accumulate(map(len, batches), initial=0))
        return cls(np.concatenate(batches), list(itertools.pairwise(ends)))

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long the epochs of a training are. Where an attribute has fewer values than there are epochs, the last one is
    that of all the others.

    Attributes:
        samples: of each epoch; where the sampler gives whole batches, as many as the batches have on average.
        batches: of each epoch.
        whole: the sampler gives whole batches.
        single: one of them has a single sample.
    """

    samples: tuple[int, ...]
    batches: tuple[int, ...]
    whole: bool = False
    single: bool = False

    @classmethod
    def cut(cls, samples: Sequence[int], batch_size: int) -> Lengths:
        """Of epochs that are cut into batches of one size."""
        counts = {length: len(batch_bounds(length, batch_size)) for length in set(samples)}
        single = batch_size == 1 or 1 in counts
        return cls(tuple(samples), tuple(counts[length] for length in samples), single=single)

    @classmethod
    def of(cls, order: Order, batches: Sequence[int] | None = None) -> Lengths:
        """Of epochs of whole batches like those of an order.

        Args:
            order: the first epoch.
            batches: of each epoch; None: all have as many.
        """
        batches = batches or [len(order.bounds)]
        samples = tuple(round(count * len(order) / len(order.bounds)) for count in batches)
        single = any(stop - start == 1 for start, stop in order.bounds)
        return cls(samples, tuple(batches), whole=True, single=single)

    def joins(self, batch_size: int) -> bool:
        """Whether the last sample of an epoch joins the batch before it."""
        return not self.whole and any(joins_last(length, batch_size) for length in set(self.samples))

    def samples_of(self, epoch: int) -> int:
        """Samples of an epoch, counted from 1."""
        return self.samples[min(epoch, len(self.samples)) - 1]

    def batches_of(self, epoch: int) -> int:
        """Batches of an epoch, counted from 1."""
        return self.batches[min(epoch, len(self.batches)) - 1]

    def steps_per_epoch(self, accumulate: int) -> int:
        """Updates of the longest epoch, each from ``accumulate`` batches but the last, which has the rest of them."""
        return -(-max(self.batches) // accumulate)

    def steps_before(self, epoch: int, accumulate: int) -> int:
        """Updates of all epochs before one."""
        told = [-(-batches // accumulate) for batches in self.batches[: epoch - 1]]
        return sum(told) + (epoch - 1 - len(told)) * -(-self.batches[-1] // accumulate)

    def scheduled(self, epoch: int, batches: int, accumulate: int) -> int:
        """The step that a schedule is asked for: it counts as if every epoch had as many as the longest.

        Args:
            epoch: that is trained, from 1.
            batches: of it that are done.
            accumulate: batches of an update.
        """
        most, here = self.steps_per_epoch(accumulate), -(-self.batches_of(epoch) // accumulate)
        return (epoch - 1) * most + batches // accumulate * most // here
