"""Which samples of a batch each rank has, when several devices share a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.data.cuts import piece_bounds


@dataclass(frozen=True, slots=True)
class Shards:
    """Cuts batches into one part for each rank; together the parts have every sample once.

    Attributes:
        count: ranks.
        index: of this one.
        paired: the two samples that Mixup and CutMix mix, as far from the batch's end as from its start, stay together.
            Else a part is a contiguous piece, and no two differ in size by more than one.
    """

    count: int = 1
    index: int = 0
    paired: bool = False

    def all(self, n: int) -> list[NDArray[np.int64]]:
        """The places of each rank's samples within a batch of ``n``, ascending; may be empty for some."""
        units = -(-n // 2) if self.paired else n
        parts = [np.arange(first, last, dtype=np.int64) for first, last in piece_bounds(units, self.count)]
        return [np.union1d(part, n - 1 - part) for part in parts] if self.paired else parts

    def longest(self, n: int) -> int:
        """The most samples that a rank has of a batch of ``n``."""
        return n if self.count == 1 else max(map(len, self.all(n)))

    def own(self, n: int) -> NDArray[np.int64]:
        """The places of this rank's samples within a batch of ``n``."""
        return self.all(n)[self.index]


def describe(batch_size: int, count: int) -> str:
    """How a batch is shared out, for people: "batch of 64 on 2 devices: 32 each"."""
    sizes = sorted({len(part) for part in Shards(count).all(batch_size)}, reverse=True)
    return f"batch of {batch_size} on {count} devices: {' or '.join(map(str, sizes))} each"
