"""What several workers give a grid: ``ferbench run --workers 2`` against the same command without.

    python benchmarks/speed/grid.py                            eight runs of basic-cnn, three rounds
    python benchmarks/speed/grid.py --model linear --rounds 5

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


def seconds(workers: int, model: str, runs: int, epochs: int, cache: Path) -> float:
    """Wall time of the command."""
    sets = {"training.epochs": epochs, "dataset.train": 600, "dataset.test": 140, "training.batch_size": 32}
    command = [sys.executable, "-c", "from ferbench.cli import main; main()", "run", "--model", model]
    command += [part for seed in range(runs) for part in ("--seed", str(seed))]
    command += [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as results:
        command += ["--results", results, "--cache", str(cache), "--no-report", "--quiet", "--workers", str(workers)]
        started = time.perf_counter()
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started


def main() -> None:
    """Interleave both sides, and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="basic-cnn")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    took: dict[int, list[float]] = {1: [], asked.workers: []}
    with tempfile.TemporaryDirectory() as cache:
        seconds(1, "linear", 1, 1, Path(cache))  # packs the data
        for _ in range(asked.rounds):
            for workers, all_of_it in took.items():
                all_of_it.append(seconds(workers, asked.model, asked.runs, asked.epochs, Path(cache)))
                print(f"{workers} at once: {all_of_it[-1]:.1f} s", flush=True)
    alone, together = statistics.median(took[1]), statistics.median(took[asked.workers])
    ratio = f"{alone / together:.2f} times as fast"
    print(f"{asked.runs} runs of {asked.model}: {alone:.1f} s, {asked.workers} at once {together:.1f} s: {ratio}")


if __name__ == "__main__":
    main()
