"""``ferbench predict DIR`` against a plain loop over the same pictures: whole commands, from start to the last line.

    python benchmarks/speed/predicting.py [--pictures 7178] [--rounds 7] [--model resnet9] [--threads 2]

Trains a run for one step, draws gray pictures of 48×48 as JPEG files, and calls both sides in turn. The plain loop
imports torch and Pillow, builds the same network with the same weights, opens one picture after the other, and
classifies them in batches of 128. Prints wall and processor time, their ratios, and the peak of the memory of each
side; with ``--large``, the same peak over one picture in a hundred, of 3000×3000 pixels.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 48
CLASSES = ("angry", "happy", "sad")

PLAIN = """
import sys, csv
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from ferbench import Task
from ferbench.plugin.discovery import load_registry

classes = {classes!r}
build = load_registry(()).find("model", {model!r}).builder()
model = build(Task(classes, 1, {side}, {side}, (20,) * len(classes)))
model.load_state_dict(load_file(sys.argv[1]))
model.eval()
paths = sorted(Path(sys.argv[2]).rglob("*.jpg"))
out = csv.writer(sys.stdout)
with torch.inference_mode():
    for start in range(0, len(paths), 128):
        batch = paths[start : start + 128]
        pixels = np.stack([np.asarray(Image.open(path).convert("L")) for path in batch])
        images = torch.from_numpy(pixels)[:, None].float() / 255
        given = model((images - 0.5) / 0.25)
        probabilities = torch.softmax(getattr(given, "logits", given), dim=1)
        for path, row in zip(batch, probabilities.tolist()):
            out.writerow([path, classes[row.index(max(row))], *row])
"""


def call(command: list[str], folder: Path, threads: int) -> tuple[float, float, float]:
    """Seconds of wall time and of the processor, and the peak of resident memory in MB."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": str(threads), "XDG_CACHE_HOME": str(folder / "cache")}
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[:3]} ended with {process.returncode}")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def picture(draw: np.random.Generator, side: int) -> Image.Image:
    """Light and dark, as smooth as a face."""
    coarse = Image.fromarray(draw.integers(0, 256, (6, 6), np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=7178)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model", default="resnet9")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--large", action="store_true")
    asked = parser.parse_args()
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("train", "test"):
            for label in CLASSES:
                (folder / "faces" / part / label).mkdir(parents=True)
                for number in range(20):
                    picture(draw, SIDE).save(folder / "faces" / part / label / f"{number}.png")
        ferbench = [sys.executable, "-c", "from ferbench.cli import main; main()"]
        train = (
            f"run --dataset folder --data faces --model {asked.model} --set training.epochs=1 --name one --no-report"
        )
        call([*ferbench, *train.split()], folder, asked.threads)
        for place, count, side in (("pictures", asked.pictures, SIDE), ("large", asked.pictures // 100, 3000)):
            (folder / place).mkdir()
            for number in range(count if place == "pictures" or asked.large else 0):
                picture(draw, side).save(folder / place / f"{number:06}.jpg", quality=90)
        (weights,) = folder.glob("results/runs/*/checkpoints/best.safetensors")
        (folder / "plain.py").write_text(PLAIN.format(classes=CLASSES, model=asked.model, side=SIDE))
        sides = {
            "plain": [sys.executable, "plain.py", str(weights), "pictures"],
            "ferbench": [*ferbench, "predict", "one", "pictures", "--format", "csv"],
        }
        took: dict[str, list[tuple[float, float, float]]] = {side: [] for side in sides}
        for turn in range(asked.rounds):
            for side in list(sides)[:: 1 if turn % 2 else -1]:
                took[side].append(call(sides[side], folder, asked.threads))
        large = 0.0
        if asked.large:
            large = call([*ferbench, "predict", "one", "large", "--format", "csv"], folder, asked.threads)[2]
    print(f"{asked.pictures:,} pictures, {asked.model}, {asked.threads} threads, {asked.rounds} rounds")
    for side, several in took.items():
        wall, spent, memory = (statistics.median(values) for values in zip(*several, strict=True))
        print(f"  {side:<9} {wall:6.1f} s wall, {spent:6.1f} s of processors, {memory:,.0f} MB at most")
    for place, what in enumerate(("wall", "processor")):
        ratios = [a[place] / b[place] for a, b in zip(took["ferbench"], took["plain"], strict=True)]
        middle = statistics.median(ratios)
        print(f"  ferbench / plain, {what} time: {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f}); aim: 0.75")
    if asked.large:
        print(f"  over {asked.pictures // 100} pictures of 3000×3000: {large:,.0f} MB at most")


if __name__ == "__main__":
    main()
