"""Random numbers for augmentation that depend on what is augmented, not on when or in which company.

Each number is a hash of (seed, epoch, sample, position, name, column), and of the view but for the first. There is no
state that advances, so a resumed run, another batch size or any worker count gives the same bits, and a new operation
shifts no other's numbers.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
_FACTOR_1, _FACTOR_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def splitmix64(state: NDArray[np.uint64], outputs: int = 1) -> NDArray[np.uint64]:
    """The first outputs of SplitMix64 generators, many at once.

    Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), with the constants
    of Vigna's public-domain ``splitmix64.c``.

    Args:
        state: uint64[N], the generators' seeds.
        outputs: how many numbers each generator gives.

    Returns:
        uint64[N, outputs].
    """
    bits = state[:, None] + _increments(outputs)
    bits ^= bits >> _SHIFT_1
    bits *= _FACTOR_1
    bits ^= bits >> _SHIFT_2
    bits *= _FACTOR_2
    bits ^= bits >> _SHIFT_3
    return bits


class Draws:
    """Named random numbers for a batch, one row per sample.

    A row depends on the seed, the epoch, the sample, its position in the epoch, the view and the draw's name alone:
    neither on the rest of the batch nor on other draws. Asking twice for one name gives the same numbers, so
    name each use.

    Args:
        seed: the run's seed; any integer, taken modulo 2**64.
        epoch: number of the epoch.
        samples: int64[N], the samples' row numbers in the pack.
        positions: int64[N], their places in the epoch; they tell apart the copies of a sample that is drawn
            often.
        device: where the numbers are wanted. They are computed on the host, so every device gets the same
            bits.
        view: of the sample, from 0, where it is seen several times.
    """

    __slots__ = ("_rows", "device")

    def __init__(
        self,
        seed: int,
        epoch: int,
        samples: NDArray[np.int64],
        positions: NDArray[np.int64],
        device: torch.device | str = "cpu",
        view: int = 0,
    ) -> None:
        samples, positions = (np.ascontiguousarray(ids, dtype=np.int64) for ids in (samples, positions))
        if samples.ndim != 1 or samples.shape != positions.shape:
            raise ValueError(f"samples {samples.shape} and positions {positions.shape} must be vectors of one length")
        rows = np.array([seed & _MASK], dtype=np.uint64)
        for part in (
            np.array([epoch & _MASK], dtype=np.uint64),
            samples.view(np.uint64),
            positions.view(np.uint64),
        ):
            rows = splitmix64(rows)[:, 0] ^ part
        if view:
            rows = splitmix64(rows)[:, 0] ^ np.uint64(view)
        self._rows: NDArray[np.uint64] = splitmix64(rows)[:, 0]
        self.device = torch.device(device)

    def __len__(self) -> int:
        return len(self._rows)

    def to(self, device: torch.device | str) -> Draws:
        """The same numbers on another device. What follows from a few of them is quicker on the host."""
        moved = object.__new__(Draws)
        moved._rows, moved.device = self._rows, torch.device(device)
        return moved

    def uniform(self, name: str, low: float = 0.0, high: float = 1.0, columns: int | None = None) -> Tensor:
        """Uniform numbers: float32[N], or float32[N, columns], of 24 random bits each.

        From ``low`` to ``high``, exclusive but for rounding; within [0, 1) exclusive always. The first column
        is what the same name gives without ``columns``.
        """
        return self._deliver(self._unit(name, columns or 1) * (high - low) + low, columns)

    def normal(self, name: str, columns: int | None = None) -> Tensor:
        """Standard normal numbers: float32[N], or float32[N, columns].

        Box and Muller, "A note on the generation of random normal deviates" (1958), from two uniform numbers
        each.
        """
        unit = self._unit(name, 2 * (columns or 1))
        radius, angle = np.sqrt(-2.0 * np.log1p(-unit[:, 0::2])), 2.0 * np.pi * unit[:, 1::2]
        return self._deliver(radius * np.cos(angle), columns)

    def chance(self, name: str, p: float) -> Tensor:
        """Whether something of probability ``p`` happens: bool[N]; never at 0, always at 1."""
        return upload(torch.from_numpy(self._unit(name, 1)[:, 0] < p), self.device)

    def _unit(self, name: str, columns: int) -> NDArray[np.float64]:
        """Multiples of 2**-24 in [0, 1): float32 holds them exactly."""
        bits = splitmix64(self._rows ^ _name_hash(name), columns)
        return (bits >> np.uint64(40)).astype(np.float64) * 2.0**-24

    def _deliver(self, values: NDArray[np.float64], columns: int | None) -> Tensor:
        numbers = values[:, 0] if columns is None else values
        return upload(torch.from_numpy(numbers.astype(np.float32)), self.device)


@lru_cache(maxsize=256)
def _name_hash(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little"))


@lru_cache(maxsize=8)
def _increments(outputs: int) -> NDArray[np.uint64]:
    steps = np.arange(1, outputs + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    steps.flags.writeable = False
    return steps


def upload(values: Tensor, device: torch.device) -> Tensor:
    """A tensor on ``device``; through pinned memory, so that work queued on a GPU is not waited for."""
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
