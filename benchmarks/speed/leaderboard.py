"""How long ``ferbench leaderboard`` takes over many runs, with and without the index of runs.

    python benchmarks/speed/leaderboard.py --runs 1000 10000

With ``--predictions N`` every finished run has predictions of N test samples, so that rows are tested and ranked, and
one more call is made without the tests that were kept.

With ``--against CHECKOUT``, another checkout of ferbench with its ``.venv``, both show the same records in turn, each
with an index of its own, and the ratio is printed. ``frame`` makes a frame of pandas of all results, as
``ferbench.load_results`` does.

Each call is a process of its own. In every round: a bare loop that parses every record with the standard library, no
index, then the index of the call before, then the index after one in a hundred records was rewritten, then the same
again. Processor time is shown beside wall time, since only that means something on a busy machine. Records are as
``ferbench run`` writes them, of twelve models, five seeds, three test sets, and one in twenty without a result.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SECTIONS = ("dataset", "model", "loss", "sampler", "augmentation", "optimizer", "schedule")
AGED = 60  # seconds: older than what the index takes for just written


def digits(draw: random.Random) -> str:
    return f"{draw.getrandbits(256):064x}"


def component(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "distribution": "ferbench", "version": "0.1.0", "source": "5" * 64, "options": options}


def scores(draw: random.Random) -> dict[str, Any]:
    per_class = {
        name: {**{key: draw.random() for key in ("precision", "recall", "f1")}, "support": draw.randrange(900)}
        for name in CLASSES
    }
    names = ("loss", "expression", "accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "macro_precision")
    names += ("macro_recall", "weighted_precision", "worst_class_f1")
    return {"n": 3589, "metrics": {name: draw.random() for name in names}, "per_class": per_class}


def make_record(number: int) -> dict[str, Any]:
    """One record; five in a row are the seeds of one configuration."""
    shared, own = random.Random(number // 5), random.Random(-number - 1)
    status = "done" if own.random() < 0.95 else own.choice(["failed", "diverged", "running", "interrupted"])
    rate, width = shared.choice([1e-4, 3e-4, 1e-3, 3e-3]), 2 ** shared.randrange(3, 8)
    components = {
        "dataset": component("fer2013", usage="all"),
        "model": component(f"model-{shared.randrange(12)}", width=width, depth=shared.randrange(2, 9), dropout=0.3),
        "loss": component("cross-entropy", label_smoothing=0.0),
        "sampler": component(shared.choice(["shuffled", "balanced", "adaptive"])),
        "augmentation": component("standard", flip=0.5, rotation=10.0, shift=0.0, zoom=0.1, crop=1.0, brightness=0.0),
        "optimizer": component("adam", lr=rate, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0),
        "schedule": component("constant"),
    }
    training = {"epochs": 50, "batch_size": 128, "seed": number % 5, "select": "macro_f1", "norm_batches": 0}
    training["deterministic"] = True
    config, test = digits(shared), f"v1:{shared.randrange(3):064x}"
    data = dict.fromkeys(("path", "protocol", "classes", "num_classes", "train_limit", "train_limit_per_class"))
    data |= dict.fromkeys(("test_limit", "test_limit_per_class", "fold", "group_by", "image_size"))
    counts = dict.fromkeys(CLASSES, 4000)
    record: dict[str, Any] = {
        "schema": 1,
        "name": None,
        "status": status,
        "started": "2026-11-23T20:52:53+00:00",
        "finished": "2026-11-23T21:52:53+00:00",
        "identity": {
            "training_id": f"v1:{digits(own)}",
            "config_id": f"v1:{config}",
            "covers": {
                "numerics": 1,
                "precision": "float32",
                "components": {key: value for key, value in components.items() if key != "dataset"},
                "rows": {"classes": CLASSES, "train": "v1:" + "1" * 64, "validation": "v1:" + "2" * 64},
                "data": {"image_size": None},
                "training": training,
            },
        },
        "recipe": {
            "name": None,
            **{section: {"name": components[section]["name"]} for section in SECTIONS},
            "trackers": [],
            "data": {**data, "validation": 0.2, "split_seed": 0, "skip_faulty": False},
            "training": {**training, "parameter_budget": None},
            "runtime": {"device": "auto", "threads": None},
        },
        "components": components,
        "data": {
            "dataset": "fer2013",
            "synthetic": False,
            "protocol": "official",
            "fold": None,
            "class_names": CLASSES,
            "has_affect": False,
            "counts": {"train": counts, "validation": counts, "test": counts},
            "pack": "v1:" + "3" * 64,
            "train_digest": "v1:" + "1" * 64,
            "validation_digest": "v1:" + "2" * 64,
            "test_digest": test,
            "skipped_faulty": 0,
            "faults": [],
            "notes": {},
        },
        "environment": {"python": "3.11.7", "platform": "Linux", "packages": {"ferbench": "0.1.0", "torch": "2.15.0"}},
        "lineage": {"parents": []},
        "evaluations": {},
    }
    if status != "done":
        record["error"] = {"type": "RuntimeError", "message": "it did not work", "traceback": "line\n" * 20}
        return record
    record["evaluations"] = {
        digits(own)[:12]: {"id": f"v1:{digits(own)}", "split": split, "rows_digest": rows, **scores(own)}
        for split, rows in (("validation", "v1:" + "2" * 64), ("test", test))
    }
    record["model"] = {"parameters": 1000 * width, "trainable": 1000 * width, "frozen": 0, "flops": 10**6}
    record["training"] = {"epochs": 50, "best_epoch": own.randrange(1, 51), "seconds": 3600 * own.random()}
    return record


def write(path: Path, record: dict[str, Any], seconds_ago: float) -> None:
    path.write_text(json.dumps(record, indent=2), encoding="utf-8")
    then = time.time() - seconds_ago
    os.utime(path, (then, then))


BARE = """
import json, pathlib, sys
for path in pathlib.Path(sys.argv[1], "runs").glob("*/run.json"):
    json.loads(path.read_bytes())
"""
LEADERBOARD = "from ferbench.cli import main; main()"
FRAME = """
import pathlib, sys
from ferbench.runs.frame import evaluations
from ferbench.runs.index import summaries
evaluations(summaries(pathlib.Path(sys.argv[1])))
assert "torch" not in sys.modules
"""


def call(results: Path, code: str, *arguments: str, python: str = sys.executable) -> tuple[float, float]:
    """Seconds that a fresh process takes, and those of the processor."""
    # Compiled modules are kept as in any installation, even where the environment forbids it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(results / ".pycache")
    start, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    then = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = then.ru_utime - used.ru_utime + then.ru_stime - used.ru_stime
    return time.perf_counter() - start, processor


def write_predictions(directory: Path, record: dict[str, Any], samples: int) -> None:
    """Predictions for the test evaluation of a run; truth depends on the test set alone."""
    import numpy as np

    from ferbench.runs.predictions import Predictions

    for name, one in record["evaluations"].items():
        if one["split"] != "test":
            continue
        truth = np.random.default_rng(int(one["rows_digest"][3:], 16)).integers(0, len(CLASSES), samples)
        own = np.random.default_rng(int(name, 16))
        skill = 0.5 + 0.3 * random.Random(record["identity"]["config_id"]).random()
        predicted = np.where(own.random(samples) < skill, truth, own.integers(0, len(CLASSES), samples))
        ids = np.array([f"PublicTest/{place:08d}" for place in range(samples)])
        given = Predictions(ids, truth, np.eye(len(CLASSES), dtype=np.float32)[predicted] * 0.93 + 0.01)
        path = directory / "evaluations" / name / "predictions.npz"
        path.parent.mkdir(parents=True)
        path.write_bytes(given.to_bytes())


def compare(results: Path, other: Path, rounds: int, arguments: list[str]) -> None:
    """Both checkouts with an index each, in turn; the second reads a copy of the records."""
    copy = results.with_name(f"{results.name}-copy")
    shutil.copytree(results, copy)
    time.sleep(2.5)
    sides = {"this": (results, sys.executable), "other": (copy, str(other / ".venv" / "bin" / "python"))}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, (own, python) in sides.items():
            taken = call(own, LEADERBOARD, "leaderboard", "--results", str(own), *arguments, python=python)
            if turn:  # the first makes the index
                seconds[name].append(taken)
    shutil.rmtree(copy)
    for place, what in enumerate(("wall", "processor")):
        ratios = [a[place] / b[place] for a, b in zip(seconds["this"], seconds["other"], strict=True)]
        medians = {name: statistics.median(taken[place] for taken in several) for name, several in seconds.items()}
        shown = ", ".join(f"{name} {median:.2f} s" for name, median in medians.items())
        print(f"  {what}: {shown}; ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def measure(runs: int, rounds: int, samples: int, arguments: list[str], other: Path | None) -> None:
    sides = ("bare loop", "no index", "index", "1 % changed", "index again", "frame")
    sides += ("no tests",) if samples else ()
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        paths = []
        for number in range(runs):
            record = make_record(number)
            path = results / "runs" / record["identity"]["training_id"][3:15] / "run.json"
            path.parent.mkdir(parents=True)
            write(path, record, AGED)
            if samples:
                write_predictions(path.parent, record, samples)
            paths.append(path)
        size = statistics.median(path.stat().st_size for path in paths)
        time.sleep(2.5)  # the times of the files themselves cannot be set back
        board = (results, LEADERBOARD, "leaderboard", "--results", str(results), *arguments)
        call(*board)
        for turn in range(rounds):
            (results / ".index.json").unlink()
            seconds["bare loop"].append(call(results, BARE, str(results)))
            seconds["no index"].append(call(*board))
            seconds["index"].append(call(*board))
            for number in range(turn, runs, 100):
                write(paths[number], make_record(number), AGED)
            time.sleep(2.5)
            seconds["1 % changed"].append(call(*board))
            seconds["index again"].append(call(*board))
            seconds["frame"].append(call(results, FRAME, str(results)))
            if samples:
                (results / ".tests.json").unlink()
                seconds["no tests"].append(call(*board))
        index = (results / ".index.json").stat().st_size
        if other is not None:
            compare(results, other, rounds, arguments)
    print(f"{runs:,} runs, {size / 1000:.1f} kB a record, index {index / 1e6:.2f} MB, {rounds} rounds")
    print("                     wall                     processor")
    for name, values in seconds.items():
        shown = []
        for several in zip(*values, strict=True):
            low, middle, high = min(several), statistics.median(several), max(several)
            shown.append(f"{middle:6.2f} s  ({low:.2f} to {high:.2f})")
        print(f"  {name:<12} {shown[0]:<24} {shown[1]}")
    for slow, fast in (("no index", "index"), ("no index", "bare loop")):
        ratios = [a[1] / b[1] for a, b in zip(seconds[slow], seconds[fast], strict=True)]
        middle = statistics.median(ratios)
        print(f"  {slow} / {fast}: {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), processor time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--predictions", type=int, default=0, metavar="N", help="test samples; 0: no predictions")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout, called in turn")
    parser.add_argument("arguments", nargs="*", help="for ferbench leaderboard, after --")
    options = parser.parse_args()
    print(f"cores: {os.cpu_count()}, load before: {os.getloadavg()[0]:.1f}")
    for runs in options.runs:
        measure(runs, options.rounds, options.predictions, options.arguments, options.against)


if __name__ == "__main__":
    main()
