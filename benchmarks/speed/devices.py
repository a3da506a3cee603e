"""Images/s of a run on two processes of the CPU, here and with another installation of ferbench.

    python benchmarks/speed/devices.py OTHER_PYTHON [--rounds 5] [--epochs 3] [--model basic-cnn]

Both train the same recipe in turns, each time anew; of a run, its fastest epoch counts. Prints both medians, the median
of the ratios within single rounds, and their range.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def images_per_second(python: str, model: str, epochs: int, cache: Path) -> float:
    """Of one run, with whatever ferbench that Python has."""
    settings = {
        "runtime.device": "cpu",
        "training.epochs": str(epochs),
        "training.batch_size": "64",
        "dataset.train": "1400",
        "dataset.test": "35",
    }
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = [python, "-c", "from ferbench.cli import main; main()", "run", "--model", model, *sets, "--devices", "2"]
    with tempfile.TemporaryDirectory() as results:
        places = ["--results", results, "--cache", str(cache), "--no-report", "--quiet"]
        subprocess.run([*command, *places], check=True, stdout=subprocess.DEVNULL)
        (history,) = Path(results).glob("runs/*/history.jsonl")
        return max(json.loads(line)["images_per_second"] for line in history.read_text().splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--model", default="basic-cnn")
    given = parser.parse_args()
    sides: dict[str, list[float]] = {sys.executable: [], given.other: []}
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(given.rounds):
            for number, python in enumerate(list(sides)[:: -1 if turn % 2 else 1]):
                sides[python].append(images_per_second(python, given.model, given.epochs, Path(scratch) / f"{number}"))
    for python, rates in sides.items():
        print(f"{python}: {statistics.median(rates):.0f} images/s ({min(rates):.0f} to {max(rates):.0f})")
    ratios = [here / there for here, there in zip(*sides.values(), strict=True)]
    print(f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}, {given.rounds} rounds)")


if __name__ == "__main__":
    main()
