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

from ferbench.data.pack import Pack, open_pack
from ferbench.data.pack_cache import pack_dataset

BATCH = 128
SIDE = 48


def trained(pack: Pack, batches: int, threads: int) -> Callable[[], None]:
    """Trains a number of batches of the training part, each time anew."""
    import torch

    from ferbench.data.batches import Batches, InputShape, Truth
    from ferbench.plugin.discovery import load_registry
    from ferbench.task import Task
    from ferbench.training import runtime
    from ferbench.training.loop import Observer, Training, fit
    from ferbench.training.position import Position
    from ferbench.training.stopping import BestEpoch

    device = torch.device("cpu")
    runtime.prepare(device, threads, deterministic=True)
    registry = load_registry()

    def build(kind: str, name: str, *args: object, **options: object) -> object:
        return registry.find(kind, name).builder()(*args, **options)

    rows = np.random.default_rng(0).permutation(training_rows(pack))[: batches * BATCH]
    labels = pack.labels.astype(np.int64)
    task = Task(pack.class_names, 1, SIDE, SIDE, tuple(np.bincount(labels[rows], minlength=len(pack.class_names))))
    model = build("model", "basic-cnn", task).to(memory_format=torch.channels_last)  # type: ignore[attr-defined]
    shape = InputShape(1, (SIDE, SIDE), (0.0,), (1.0,))
    training = Training(
        model=model,
        loss=build("loss", "cross-entropy", task),  # type: ignore[arg-type]
        optimizer=build("optimizer", "adam", list(model.parameters())),  # type: ignore[arg-type]
        schedule=build("schedule", "constant", (1e-3,), 1, 1),  # type: ignore[arg-type]
        sampler=build("sampler", "shuffled", labels[rows], task, seed=0),  # type: ignore[arg-type]
        augment=build("augmentation", "standard", task),  # type: ignore[arg-type]
        train=Batches(pack.images, rows, Truth(labels[rows]), shape, device),
        validation=Batches(pack.images, rows[:2], Truth(labels[rows[:2]]), shape, device),
        class_names=task.class_names,
        epochs=1,
        batch_size=BATCH,
        seed=0,
        best=BestEpoch("loss"),
    )

    def go() -> None:
        training.at = Position()
        fit(training, Observer())

    return go


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
        mapped = np.memmap(pack.path / "images.bin", dtype=np.uint8, mode="r", shape=pack.images.shape)
        sides = {
            "check": pack.check,
            "train": trained(pack, given.batches, given.threads),
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
