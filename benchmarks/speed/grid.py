"""What several workers give a grid: ``ferbench run --workers 2`` against the same command without.

    python benchmarks/speed/grid.py                            eight runs of basic-cnn, five rounds
    python benchmarks/speed/grid.py --model linear

Whole commands, from start to the table at the end, both sides on the same cores, each with results of its own.
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


def seconds(workers: int, model: str, runs: int, epochs: int, cache: Path) -> tuple[float, float]:
    """Wall time of the command, and processor time of all its processes."""
    sets = {"training.epochs": epochs, "dataset.train": 600, "dataset.test": 140, "training.batch_size": 32}
    command = [sys.executable, "-c", "from ferbench.cli import main; main()", "run", "--model", model]
    command += [part for seed in range(runs) for part in ("--seed", str(seed))]
    command += [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as results:
        command += ["--results", results, "--cache", str(cache), "--no-report", "--quiet", "--workers", str(workers)]
        started, before = time.perf_counter(), os.times()
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        return time.perf_counter() - started, spent


def main() -> None:
    """Interleave both sides, and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="basic-cnn")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    took: dict[int, list[tuple[float, float]]] = {1: [], asked.workers: []}
    with tempfile.TemporaryDirectory() as cache:
        seconds(1, "linear", 1, 1, Path(cache))  # packs the data
        for _ in range(asked.rounds):
            for workers, all_of_it in took.items():
                all_of_it.append(seconds(workers, asked.model, asked.runs, asked.epochs, Path(cache)))
                wall, spent = all_of_it[-1]
                print(f"{workers} at once: {wall:.1f} s, {spent:.1f} s of processors", flush=True)
    for place, what in enumerate(("wall", "processor")):
        alone, together = (statistics.median(each[place] for each in side) for side in took.values())
        sides = f"{alone:.1f} / {together:.1f} s = {alone / together:.2f}"
        print(f"{what} time of {asked.runs} runs of {asked.model}: {sides}")


if __name__ == "__main__":
    main()
