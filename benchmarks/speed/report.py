"""How long ``ferbench report`` takes, and how large its page is, over one run and over many.

    python benchmarks/speed/report.py --runs 1 40

Each call is a process of its own over runs that are made up for it: seven classes, 50 epochs, 3,589 test images. Rounds
are interleaved; the medians are printed, with the ratio to a process that only imports the command line.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from leaderboard import CLASSES, make_record

REPORT = "from ferbench.cli import main; main()"
NOTHING = "import ferbench.cli"
EPOCHS = 50


def write_run(results: Path, number: int) -> str:
    """One finished run; gives its id."""
    draw = random.Random(number)
    while (record := make_record(number))["status"] != "done":
        number += 1000
    record["identity"]["training_id"] = f"v1:{draw.getrandbits(256):064x}"
    short = record["identity"]["training_id"][3:15]
    record["training"] |= {"select": "macro_f1", "images_per_second": 300.0, "batch_size": 128, "micro_batch": None}
    path = results / "runs" / short
    path.mkdir(parents=True)
    for identifier, entry in record["evaluations"].items():
        entry["rows_digest"] = f"v1:{entry['split']}"  # all of them on one test set
        entry["metrics"] |= {"weighted_f1": 0.5, "weighted_precision": 0.5, "macro_recall": 0.5}
        confusion = [[draw.randrange(300) for _ in CLASSES] for _ in CLASSES]
        stored = {**entry, "confusion": confusion, "class_names": CLASSES, "dataset": "fer2013"}
        (path / "evaluations" / identifier).mkdir(parents=True)
        (path / "evaluations" / identifier / "metrics.json").write_text(json.dumps(stored))
    (path / "run.json").write_text(json.dumps(record, indent=2))
    (path / "history.jsonl").write_text("".join(json.dumps(epoch(draw, n)) + "\n" for n in range(1, EPOCHS + 1)))
    return short


def epoch(draw: random.Random, number: int) -> dict[str, Any]:
    def scores() -> dict[str, Any]:
        f1 = {name: draw.random() for name in CLASSES}
        return {"loss": draw.random(), "accuracy": draw.random(), "macro_f1": draw.random(), "f1": f1}

    return {"epoch": number, "train": scores(), "validation": scores(), "best": number == EPOCHS, "seconds": 14.2}


def seconds(program: str, *arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 40])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        results = Path(directory)
        names = [write_run(results, number) for number in range(max(options.runs))]
        times: dict[int, list[float]] = {count: [] for count in options.runs}
        bare = []
        for _ in range(options.rounds):
            bare.append(seconds(NOTHING))
            for count in options.runs:
                page = results / f"{count}.html"
                times[count].append(
                    seconds(REPORT, "report", *names[:count], "--results", str(results), "--output", str(page))
                )
        for count in options.runs:
            median, size = statistics.median(times[count]), (results / f"{count}.html").stat().st_size
            ratio = median / statistics.median(bare)
            print(f"{count:>3} runs: {median:.2f} s, {ratio:.1f} × importing the command line, {size:,} bytes")


if __name__ == "__main__":
    main()
