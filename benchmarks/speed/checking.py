"""What it costs to compare the images of a pack with their hashes, and to read them instead of mapping them.

    python benchmarks/speed/checking.py --data DIR [--rounds 5] [--batches 8] [--threads 2]

DIR has FER2013 in any layout. Four sides take turns in one process, each counted in processor time of all threads:

- check: every image of the pack is read and hashed, as is done once before a run.
- train: batches of 128 through the harness's own loop with basic-cnn at 48×48, augmentation on: a part of an epoch.
- read: the images of an epoch in batches of 128 in shuffled order, as training takes them.
- map: the same from a memory map of the file, as releases before did.

Prints milliseconds, and what checking and reading add to a training of one and of ten epochs (aim: 2 % at most).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from training import BATCH, epoch_of

from ferbench.data.pack import Pack, open_pack
from ferbench.data.pack_cache import pack_dataset


def training_rows(pack: Pack) -> np.ndarray:
    """Rows of the part that training takes."""
    return np.flatnonzero(pack.part == pack.parts.index("Training"))


def gathered(images: object, rows: np.ndarray) -> Callable[[], None]:
    """Takes an epoch's images in batches."""
    order = np.random.default_rng(1).permutation(rows)

    def go() -> None:
        for start in range(0, len(order), BATCH):
            images[order[start : start + BATCH]]  # type: ignore[index]

    return go


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=8, help="of 128 images, trained in a round")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    from ferbench_builtin.datasets.fer2013 import fer2013

    with tempfile.TemporaryDirectory() as cache:
        pack = open_pack(pack_dataset(fer2013(given.data), name="fer2013", cache=Path(cache)).path)
        rows = training_rows(pack)
        some = np.random.default_rng(0).permutation(rows)[: given.batches * BATCH]
        mapped = np.memmap(pack.path / "images.bin", dtype=np.uint8, mode="r", shape=pack.images.shape)
        sides: dict[str, Callable[[], object]] = {
            "check": pack.check,
            "train": epoch_of(pack, some, 48, given.threads),
            "read": gathered(pack.images, rows),
            "map": gathered(mapped, rows),
        }
        spent: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(given.rounds + 1):
            for name, work in sides.items():
                started = time.process_time()
                work()
                if turn:  # the first round warms up
                    spent[name].append(time.process_time() - started)
                if sys.stderr.isatty():
                    print(f"round {turn}: {name}", file=sys.stderr)
    for name, seconds in spent.items():
        low, middle, high = (1000 * value for value in (min(seconds), statistics.median(seconds), max(seconds)))
        print(f"{name:<6} {middle:9.1f} ms of processor time  ({low:.1f} to {high:.1f}, {given.rounds} rounds)")
    epoch = statistics.median(spent["train"]) * len(rows) / (given.batches * BATCH)
    check = statistics.median(spent["check"])
    reading = statistics.median(spent["read"]) - statistics.median(spent["map"])
    print(f"an epoch of {len(rows):,} images: {epoch:.1f} s; the pack has {len(pack):,} images")
    for epochs in (1, 10):
        share = (check + epochs * reading) / (epochs * epoch)
        print(f"checking and reading add {100 * share:.2f} % to a training of {epochs} (aim: at most 2 %)")


if __name__ == "__main__":
    main()
