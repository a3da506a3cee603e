"""How fast a batch is augmented: ferbench on the whole batch, torchvision v2 on one tensor after the other.

    python benchmarks/speed/augmentation.py [--rounds 15] [--threads 1 2] [--batch 128]

The target is ten times torchvision at 48×48 gray to 64×64 (the project's issue).

Equal on both sides: the uint8 images in memory; float32[N, C, H, W] in [0, 1] as the result; parameters of
its own for every image, from the same ranges and drawn inside the timing; the number of threads; the
allocator's settings (those that ferbench makes at its start); one process, in turns.

Not equal, being what is compared or the nature of the two: torchvision moves at the native size in uint8 and
then resizes, ferbench does both in one step in float32; torchvision shifts by whole pixels and fills with
black, ferbench shifts by fractions and reflects at the border (the costlier fill); torchvision takes contrast
and brightness in random order. Most of torchvision's time at 48×48 is its cost per call, at 224×224 it is the
resampling. The side "batch at once" gives all images the same parameters, so it is no substitute: it
shows what torchvision takes without the calls.

With two threads or more, leave the machine alone while this runs: one core taken by another program stalls
every parallel region, and torchvision has many per image where ferbench has few per batch: that flatters.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
from collections.abc import Callable

import numpy as np
import torch
from interleave import interleave, print_ratio
from torch import Tensor
from torchvision.transforms import v2

from ferbench import Draws, Task
from ferbench_builtin.augmentations.standard import Standard

GEOMETRY = {"flip": 0.5, "rotation": 10.0, "shift": 0.1, "zoom": 0.1}
LIGHT = {"brightness": 0.2, "contrast": 0.2}

OURS, ONE_BY_ONE, AT_ONCE = "ferbench", "torchvision v2, one by one", "torchvision v2, batch at once"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="timings per side (at least 7)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of torch, on both sides")
    parser.add_argument("--batch", type=int, default=128, help="images per batch")
    arguments = parser.parse_args()
    keep_freed_memory()
    cases = itertools.product(arguments.threads, ((1, 48, 64), (3, 224, 224)), (GEOMETRY, GEOMETRY | LIGHT))
    for threads, (channels, native, size), options in cases:
        torch.set_num_threads(threads)
        images = torch.randint(0, 256, (arguments.batch, channels, native, native), dtype=torch.uint8)
        seconds = interleave(sides(images, size, options), max(7, arguments.rounds))
        title = f"{arguments.batch}×{channels}×{native}×{native} → {size}×{size}, {threads} thread(s), "
        print_ratio(title + ", ".join(options), seconds, slow=ONE_BY_ONE, fast=OURS)


def sides(images: Tensor, size: int, options: dict[str, float]) -> dict[str, Callable[[], Tensor]]:
    count, channels = images.shape[:2]
    ours = Standard(Task(("a", "b"), channels, size, size, (1, 1)), **options)
    theirs = torchvision_pipeline(size, options)
    rows, epochs = np.arange(count), itertools.count()
    return {
        OURS: lambda: ours(images, (size, size), Draws(0, next(epochs), rows, rows)),
        ONE_BY_ONE: lambda: torch.stack([theirs(image) for image in images]),
        AT_ONCE: lambda: theirs(images),
    }


def torchvision_pipeline(size: int, options: dict[str, float]) -> v2.Compose:
    zoom, shift = options["zoom"], options["shift"]
    transforms: list[torch.nn.Module] = [
        v2.RandomHorizontalFlip(options["flip"]),
        v2.RandomAffine(
            degrees=options["rotation"],
            translate=(shift, shift),
            scale=(1 - zoom, 1 + zoom),
            interpolation=v2.InterpolationMode.BILINEAR,
        ),
        v2.Resize((size, size), antialias=True),
        v2.ToDtype(torch.float32, scale=True),
    ]
    if "brightness" in options:
        transforms.append(v2.ColorJitter(brightness=options["brightness"], contrast=options["contrast"]))
    return v2.Compose(transforms)


def keep_freed_memory() -> None:
    """glibc: no mmap for large blocks, no giving back of freed memory; for every side alike."""
    try:
        glibc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    m_trim_threshold, m_mmap_max = -1, -4
    glibc.mallopt(m_mmap_max, 0)
    glibc.mallopt(m_trim_threshold, -1)


if __name__ == "__main__":
    main()
