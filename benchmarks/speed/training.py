"""Training throughput of basic-cnn at 64×64, batch 128, augmentation on.

    python benchmarks/speed/training.py [--rounds 5] [--batches 10] [--threads 2]

Three kinds of loop, each in a process of its own (the allocator's settings are a process's), taking turns:

- ferbench: the harness's own loop (pack, batched augmentation, step, metrics, progress hook).
- bare: only steps the model on one fixed batch, with the same allocator, layout, optimiser and threads. The ceiling.
- plain: PyTorch as users write it: ImageFolder over JPEG files, torchvision transforms one by one, a DataLoader with
  0, 1 and 2 workers, default allocator and memory layout.

The images are rendered faces, written as JPEG for the plain loop. Prints the median images/s of each and the ratios;
and the peak anonymous memory of a whole `ferbench run`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ferbench.data.pack import Pack

BATCH = 128
SIDE = 64
ROTATION, ZOOM = 10.0, 0.1


def render(folder: Path, images: int) -> None:
    """Rendered faces as ``folder/<class>/<id>.jpg``."""
    from PIL import Image

    from ferbench_builtin.datasets.synthetic_faces import synthetic_faces

    for sample in synthetic_faces(None, train=images, test=35).samples():
        if sample.part == "train":
            path = folder / sample.label / f"{sample.id}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(sample.image).save(path, quality=95)


def ferbench_side(folder: Path, threads: int) -> Callable[[], int]:
    import numpy as np

    from ferbench.data.pack_cache import pack_dataset
    from ferbench.plugin.discovery import load_registry

    dataset = load_registry().find("dataset", "folder").builder()(folder.parent, color="gray")
    pack = pack_dataset(dataset, name="folder", cache=folder.parent / "cache")
    rows = np.flatnonzero(pack.part == pack.parts.index("train"))
    return epoch_of(pack, rows, SIDE, threads, rotation=ROTATION, zoom=ZOOM)


def epoch_of(pack: Pack, rows: NDArray[np.int64], side: int, threads: int, **augmentation: object) -> Callable[[], int]:
    """Trains basic-cnn at ``side``×``side`` on rows of a pack, at each call the same epoch; gives how many images."""
    import numpy as np
    import torch

    from ferbench.data.batches import Batches, InputShape, Truth
    from ferbench.plugin.discovery import load_registry
    from ferbench.task import Task
    from ferbench.training import runtime
    from ferbench.training.loop import Training, fit
    from ferbench.training.observer import Observer
    from ferbench.training.position import Position
    from ferbench.training.stopping import BestEpoch

    device = torch.device("cpu")
    runtime.prepare(device, threads, deterministic=True)
    registry = load_registry()

    def build(kind: str, name: str, *args: object, **options: object) -> object:
        return registry.find(kind, name).builder()(*args, **options)

    labels = pack.labels.astype(np.int64)
    task = Task(pack.class_names, 1, side, side, tuple(np.bincount(labels[rows], minlength=len(pack.class_names))))
    model = build("model", "basic-cnn", task).to(memory_format=torch.channels_last)  # type: ignore[attr-defined]
    optimizer = build("optimizer", "adam", list(model.parameters()))
    shape = InputShape(1, (side, side), (0.0,), (1.0,))
    training = Training(
        model=model,
        loss=build("loss", "cross-entropy", task),  # type: ignore[arg-type]
        optimizer=optimizer,  # type: ignore[arg-type]
        schedule=build("schedule", "constant", (1e-3,), 1, 1),  # type: ignore[arg-type]
        sampler=build("sampler", "shuffled", labels[rows], task, seed=0),  # type: ignore[arg-type]
        augment=build("augmentation", "standard", task, **augmentation),  # type: ignore[arg-type]
        train=Batches(pack.images, rows, Truth(labels[rows]), shape, device),
        validation=Batches(pack.images, rows[:2], Truth(labels[rows[:2]]), shape, device),
        class_names=task.class_names,
        epochs=1,
        batch_size=BATCH,
        seed=0,
        best=BestEpoch("loss"),
    )

    def go() -> int:
        training.at = Position()  # each call trains the same epoch anew
        return fit(training, Observer()).images

    return go


def bare_side(folder: Path, threads: int) -> Callable[[], int]:
    import torch
    from torch.nn.functional import cross_entropy

    from ferbench.plugin.discovery import load_registry
    from ferbench.task import Task
    from ferbench.training import runtime

    runtime.prepare(torch.device("cpu"), threads, deterministic=True)
    registry = load_registry()
    task = Task(tuple("abcdefg"), 1, SIDE, SIDE, (1,) * 7)
    model = registry.find("model", "basic-cnn").builder()(task).to(memory_format=torch.channels_last)
    optimizer = registry.find("optimizer", "adam").builder()(list(model.parameters()))
    images = torch.rand(BATCH, 1, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 7, (BATCH,))
    batches = len(list(folder.glob("*/*.jpg"))) // BATCH

    def go() -> int:
        model.train()
        for _ in range(batches):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(images).logits, labels).backward()
            optimizer.step()
        return batches * BATCH

    return go


def plain_side(folder: Path, threads: int, workers: int) -> Callable[[], int]:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    torch.set_num_threads(threads)
    transform = transforms.Compose(
        [
            transforms.Grayscale(1),
            transforms.Resize((SIDE, SIDE)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomAffine(ROTATION, scale=(1 - ZOOM, 1 + ZOOM)),
            transforms.ToTensor(),
        ]
    )
    data = datasets.ImageFolder(str(folder), transform)
    loader = DataLoader(data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    layers: list[nn.Module] = []
    for before, after in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.3)]
    layers += [nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 7)]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters())
    loss = nn.CrossEntropyLoss()

    def go() -> int:
        model.train()
        seen = 0
        for images, labels in loader:
            optimizer.zero_grad()
            loss(model(images), labels).backward()
            optimizer.step()
            seen += len(labels)
        return seen

    return go


SIDES: dict[str, Callable[[Path, int], Callable[[], int]]] = {
    "ferbench": ferbench_side,
    "bare": bare_side,
    "plain, 0 workers": lambda folder, threads: plain_side(folder, threads, 0),
    "plain, 1 worker": lambda folder, threads: plain_side(folder, threads, 1),
    "plain, 2 workers": lambda folder, threads: plain_side(folder, threads, 2),
}


def serve(side: str, folder: Path, threads: int) -> None:
    """One side in a process of its own: does a round for each line on stdin and prints images and seconds."""
    go = SIDES[side](folder, threads)
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        images = go()
        print(json.dumps([images, time.perf_counter() - started]), flush=True)


def measure(folder: Path, threads: int, rounds: int) -> dict[str, list[float]]:
    """Images/s of each side by round; the first round warms up and is left out."""
    command = [sys.executable, __file__, "--threads", str(threads), "--folder", str(folder), "--serve"]
    servers = {
        side: subprocess.Popen([*command, side], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for side in SIDES
    }
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    try:
        for server in servers.values():
            assert server.stdout is not None
            assert server.stdout.readline().strip() == "ready"
        for turn in range(rounds + 1):
            for side, server in servers.items():
                assert server.stdin is not None
                assert server.stdout is not None
                server.stdin.write("go\n")
                server.stdin.flush()
                images, seconds = json.loads(server.stdout.readline())
                if turn:
                    rates[side].append(images / seconds)
    finally:
        for server in servers.values():
            server.kill()
    return rates


def anonymous_memory(command: list[str]) -> tuple[int, float]:
    """Peak anonymous memory in bytes of a command and its children, and its seconds."""
    import psutil

    started = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_anonymous(pid) for pid in _family(process)))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return peak, time.perf_counter() - started


def _family(process: object) -> Iterator[int]:
    import psutil

    yield process.pid  # type: ignore[attr-defined]
    try:
        yield from (child.pid for child in process.children(recursive=True))  # type: ignore[attr-defined]
    except psutil.NoSuchProcess:
        return


def _anonymous(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=10, help="batches of 128 images in a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.folder, given.threads)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "train"
        render(folder, given.batches * BATCH)
        for path in sorted(folder.glob("*/*.jpg"))[::50]:  # the folder dataset wants a test part too
            copy = folder.parent / "test" / path.parent.name / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
        rates = measure(folder, given.threads, given.rounds)
        run = [sys.executable, "-c", "from ferbench.cli import main; main()", "run", "--quiet"]
        run += ["--results", f"{scratch}/results", "--cache", f"{scratch}/cache", "--set", "training.epochs=2"]
        memory, seconds = anonymous_memory(run)
    medians = {side: statistics.median(values) for side, values in rates.items()}
    for side, median in medians.items():
        spread = f"{min(rates[side]):.0f} to {max(rates[side]):.0f}"
        print(f"{side:<18} {median:7.0f} images/s  ({spread}, {len(rates[side])} rounds)")
    best = max(value for side, value in medians.items() if side.startswith("plain"))
    print(f"ferbench / bare        {medians['ferbench'] / medians['bare']:.3f}   (aim: at least 0.95)")
    print(f"ferbench / best plain  {medians['ferbench'] / best:.2f}   (aim: at least 2)")
    print(f"anonymous memory of `ferbench run` on synthetic-faces, 2 epochs: {memory / 1e9:.2f} GB in {seconds:.0f} s")


if __name__ == "__main__":
    main()
