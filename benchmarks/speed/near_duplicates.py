"""How long the search for near copies of ``ferbench audit data`` takes, and how that grows with the number of images.

    python benchmarks/speed/near_duplicates.py --images 36000 100000 300000 1000000

Processor time of one thread: of hashing the images, of the search itself (all pairs of hashes that differ in at most
six bits), and of all of it with comparing the pixels of what was found. Growth since the line above is an exponent e:
twice the images take 2^e times as long. What comparing every pair would take is worked out from 20,000 hashes.

Images are made up: one mean face, and random smooth shades upon it, as strong as it takes for hashes to crowd together
as those of FER2013 do (ten times as many pairs agree on 21 bits as by chance). One in fifty is another image made
brighter and noisier. ``--uniform`` searches hashes of random bits too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import idctn

from ferbench.audit.duplicates import MOST_BITS, near_groups, perceptual_hashes
from ferbench.audit.neighbours import near_pairs

SIDE = 48
FREQUENCIES = 12
AT_ONCE = 2000
SHADES = 2.0
COPIES = 50  # one in so many


def make_images(path: Path, count: int) -> NDArray[np.uint8]:
    """uint8[count, 1, 48, 48] in a file."""
    images = np.memmap(path, np.uint8, "w+", shape=(count, 1, SIDE, SIDE))
    rng = np.random.default_rng(1)
    falling = (np.hypot(*np.mgrid[:FREQUENCIES, :FREQUENCIES]) + 1) ** -1.5
    face = rng.normal(size=falling.shape) * falling
    for start in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - start)
        spectrum = np.zeros((size, SIDE, SIDE), np.float32)
        shades = SHADES * rng.normal(size=(size, *falling.shape)) * falling
        spectrum[:, :FREQUENCIES, :FREQUENCIES] = face + shades
        made = idctn(spectrum, axes=(1, 2))
        made -= made.min((1, 2), keepdims=True)
        made *= 255 / made.max((1, 2), keepdims=True)
        if start:
            copied = np.arange(0, size, COPIES)
            others = np.asarray(images[rng.integers(0, start, len(copied)), 0], np.float32)
            made[copied] = 0.9 * others + 20 + rng.normal(0, 2, others.shape)
        images[start : start + size, 0] = np.clip(made, 0, 255)
    return images


def pairs_of(hashes: NDArray[np.uint64]) -> tuple[float, int]:
    """Seconds that the search takes, and how many pairs it finds."""
    start = time.process_time()
    found = sum(map(len, near_pairs(hashes, MOST_BITS)))
    return time.process_time() - start, found


def every_pair(hashes: NDArray[np.uint64]) -> float:
    """Seconds that comparing a hash with another takes when all are compared with all."""
    start = time.process_time()
    for place, one in enumerate(hashes):
        np.flatnonzero(np.bitwise_count(hashes[place + 1 :] ^ one) <= MOST_BITS)
    return (time.process_time() - start) / (len(hashes) * (len(hashes) - 1) / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[36_000, 100_000, 300_000])
    parser.add_argument("--uniform", action="store_true", help="hashes of random bits too")
    options = parser.parse_args()
    a_pair = every_pair(np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64))
    print("   images  hashing   search  growth     pairs   all of it    groups  every pair")
    before: tuple[int, float] | None = None
    for count in options.images:
        with tempfile.TemporaryDirectory() as folder:
            images = make_images(Path(folder, "images"), count)
            start = time.process_time()
            hashes = perceptual_hashes(images)
            hashing = time.process_time() - start
            searching, found = pairs_of(hashes)
            start = time.process_time()
            groups = near_groups(images, np.arange(count))
            together = time.process_time() - start
            several = int((np.bincount(groups) > 1).sum())
        growth = log(searching / before[1], count / before[0]) if before else float("nan")
        before = count, searching
        print(
            f"{count:9,} {hashing:6.2f} s {searching:6.2f} s {growth:7.2f} {found:9,} {together:10.2f} s {several:9,} "
            f"{a_pair * count * (count - 1) / 2:9.1f} s",
            flush=True,
        )
    if options.uniform:
        print("\nrandom bits")
        for count in options.images:
            taken, found = pairs_of(np.random.default_rng(0).integers(0, 2**64, count, dtype=np.uint64))
            print(f"{count:9,} {taken:15.2f} s {found:17,}", flush=True)


if __name__ == "__main__":
    main()
