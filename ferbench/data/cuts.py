"""Where the samples of an epoch are cut into batches, and those of a batch into pieces for less memory."""

from __future__ import annotations

import itertools


def joins_last(samples: int, batch_size: int) -> bool:
    """Whether an epoch would end in a batch of one sample, which therefore joins the batch before it.

    Batch norm cannot train on a single value per channel, and the gradient of one sample would be a whole update.
    """
    return 1 < batch_size < samples and samples % batch_size == 1


def batch_bounds(samples: int, batch_size: int) -> list[tuple[int, int]]:
    """First place and the place after the last of each batch of an epoch.

    All have ``batch_size`` samples but the last, which has the rest: fewer, or one more where the rest is one sample.
    """
    starts = range(0, samples - joins_last(samples, batch_size), batch_size)
    return list(itertools.pairwise([*starts, samples]))


def count_pieces(samples: int, most: int) -> int:
    """Into how many pieces of at most ``most`` samples a batch is cut.

    No piece has a single sample as long as ``most`` allows two: of an odd number in pairs, one piece has three.
    """
    pieces = -(-samples // most)
    return pieces if most == 1 else min(pieces, max(samples // 2, 1))


def piece_bounds(samples: int, pieces: int) -> list[tuple[int, int]]:
    """First place and the place after the last of each piece; no two differ in size by more than one."""
    return list(itertools.pairwise(samples * piece // pieces for piece in range(pieces + 1)))
