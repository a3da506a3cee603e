"""The results of methods.toml as methods.csv: a row a run.

    python benchmarks/results/methods.py RESULTS        write methods.csv of the runs in that results directory
    python benchmarks/results/methods.py RESULTS -o F   somewhere else

A run's method is the recipe's variant that it is named after. Runs that are not done are counted on stderr.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

import ferbench

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "methods.toml"
METRICS = ("accuracy", "macro_f1", "balanced_accuracy", "worst_class_f1", "log_loss", "ece")


def methods() -> list[str]:
    """The variants of the recipe, in its order."""
    return list(tomllib.loads(RECIPE.read_text(encoding="utf-8"))["variants"])


def method_of(name: str | None) -> str | None:
    """The variant that a run is named after, without the number that tells runs of one variant apart; None: it is of
    another recipe."""
    known = methods()
    bare = re.sub(r"-\d+$", "", name or "")
    return name if name in known else bare if bare in known else None


def rows(results: Path) -> tuple[list[dict[str, object]], int]:
    """A row for each run that is done, by method, noise and seed; and how many runs of these methods are not done."""
    made, unfinished, order = [], 0, methods()
    for run in ferbench.load_results(results):
        method = method_of(run.name)
        if method is None:
            continue
        if run.status != "done" or run.record.training is None:
            unfinished += 1
            continue
        record, tested = run.record, run.metrics("test")
        noise = record.data.label_noise
        made.append(
            {
                "method": method,
                "label_noise": 0.0 if noise is None else noise.share,
                "wrong_labels": 0 if noise is None else noise.wrong,
                "seed": run.seed,
                "run": run.id,
                "protocol": record.data.protocol,
                "test_set": (record.data.test_digest or "").removeprefix("v1:")[:12],
                "n": sum(record.data.counts["test"].values()),
                "epochs": record.training.epochs,
                "best_epoch": record.training.best_epoch,
                **{key: None if tested.get(key) is None else f"{tested[key]:.5f}" for key in METRICS},
                **{f"f1:{name}": f"{value:.5f}" for name, value in run.per_class["f1"].items()},
                "seconds": record.training.seconds,
            }
        )
    made.sort(key=lambda row: (row["label_noise"], order.index(str(row["method"])), row["seed"]))
    return made, unfinished


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "methods.csv")
    given = parser.parse_args()
    made, unfinished = rows(given.results)
    if not made:
        sys.exit(f"no run of {RECIPE.name} is done in {given.results}: ferbench run {RECIPE} --results {given.results}")
    lines = [
        ",".join(made[0]),
        *(",".join("" if value is None else str(value) for value in row.values()) for row in made),
    ]
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{given.output}: {len(made)} runs" + (f"; {unfinished} are not done" if unfinished else ""), file=sys.stderr)


if __name__ == "__main__":
    main()
