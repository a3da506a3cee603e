"""Makes transfer.csv of the runs of fer2013-transfer.toml: a row for each variant and probe, over the seeds.

python benchmarks/results/transfer.py RESULTS [--recipe RECIPE] [--output CSV] [--partial]

Intervals are those of `ferbench leaderboard`, differences of macro-F1 those of `ferbench compare`. Exit code 2, and
nothing written, where tests are missing (unless --partial says to do without them; the column `seeds` says how many a
row has), where two claim one place, or where runs differ in more than the variant and the seed.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods import MAY_DIFFER, METRICS, SAME, Unfit, Variants, check_alike, command, listed, tests

import ferbench as fb

if TYPE_CHECKING:
    import pandas as pd

RECIPE = Path(__file__).parents[1] / "recipes" / "fer2013-transfer.toml"
OUTPUT = Path(__file__).with_name("transfer.csv")

WEIGHTS = "model.weights"
PROBES = ("linear", "knn")

#: What each variant is held against.
AGAINST = {"limited": "limited-scratch", "full": "scratch", "weighted": "full", "adaptive": "full"}

Place = tuple[str, str, int]  # variant, probe or "", seed


class Experiments(Variants):
    """The variants, and every test that the commands of the recipe's header make.

    Attributes:
        places: of these tests. A variant that trains nothing has probes alone, and where its weights come from a file
            one seed, since its features are the same for all.
    """

    def __init__(self, recipe: Path) -> None:
        super().__init__(recipe)
        for settings in self.settings.values():
            settings[WEIGHTS] = source(settings[WEIGHTS])
        self.places: list[Place] = []
        for name, settings in self.settings.items():
            still, seeds = settings["training.epochs"] == 0, self.grid["training.seed"]
            alike = still and settings[WEIGHTS] != "none"
            self.places += itertools.product([name], PROBES if still else ("",), seeds[:1] if alike else seeds)


def source(weights: str) -> str:
    """Whether weights come from a file, wherever it lies."""
    return weights if weights == "none" else "a file"


def chosen(results: str, experiments: Experiments, *, partial: bool) -> dict[Place, pd.Series]:
    """The test of each place.

    Raises:
        Unfit: some are missing, two claim one place, or they differ in what they must not.
    """
    found: dict[Place, pd.Series] = {}
    frame = tests(results)
    for _, row in frame.iterrows():
        name = experiments.variant({**row, WEIGHTS: source(row[WEIGHTS])})
        probe = row.get("evaluation.probe")
        place = (name, probe if isinstance(probe, str) else "", int(row["seed"]))
        if place not in experiments.places or row["how"] not in ("", f"probe='{place[1]}'"):
            continue
        if row["contaminated"]:
            raise Unfit(f"the test of run {row['run']} does not count: {row['contaminated']}")
        if place in found:
            first = found[place]["run"]
            raise Unfit(f"two runs are {described(place)}: {first} and {row['run']}; keep one of them in RESULTS")
        found[place] = row
    missing = [place for place in experiments.places if place not in found]
    if missing and (not partial or not found):
        raise Unfit(f"{len(missing)} of {len(experiments.places)} tests are missing: {listed(map(described, missing))}")
    if missing:
        print(f"without {len(missing)} tests: {listed(map(described, missing))}", file=sys.stderr)
    check_alike(found.values(), {*MAY_DIFFER, WEIGHTS, *set().union(*experiments.settings.values()) - set(SAME)})
    return found


def described(place: Place) -> str:
    variant, probe, seed = place
    return f"{variant}{f' ({probe} probe)' if probe else ''} with seed {seed}"


def table(results: str, experiments: Experiments, *, partial: bool = False) -> pd.DataFrame:
    """A row for each variant and probe: means over seeds with 95 % intervals, the difference from what it is held
    against, seconds of training.

    Raises:
        Unfit: what `chosen` says.
    """
    import pandas as pd

    found = chosen(results, experiments, partial=partial)
    board = fb.leaderboard(results, columns=("config", "evaluation.probe", *METRICS)).frame
    probes = board.get("evaluation.probe", pd.Series("", board.index)).fillna("")
    runs = {run.id: run for run in fb.load_results(results)}
    rows = []
    for variant, probe in dict.fromkeys(place[:2] for place in experiments.places):
        of_row = [row for place, row in found.items() if place[:2] == (variant, probe)]
        if not of_row:
            continue
        several = pd.DataFrame(of_row)
        if several["config"].nunique() > 1:
            raise Unfit(f"{variant} has runs of several configurations: {listed(sorted(set(several['config'])))}")
        (ranked,) = board[(board["config"] == several["config"].iloc[0]) & (probes == probe)].to_dict("records")
        entry: dict[str, Any] = {
            "variant": variant,
            "probe": probe,
            "seeds": len(several),
            "train": several["train"].iloc[0],
            "epochs": several["training.epochs"].iloc[0],
            "n": several["n"].iloc[0],
        }
        for metric in METRICS:
            entry |= {metric: several[metric].mean()}
            entry |= {f"{metric}_{end}": ranked.get(f"{metric}_ci_{end}") for end in ("low", "high")}
        other = next((row for place, row in found.items() if place[:2] == (AGAINST.get(variant), "")), None)
        if other is not None:
            sides = runs[of_row[0]["run"]], runs[other["run"]]
            frame = fb.compare(*sides, seeds=len(of_row) > 1).frame.set_index("metric")
            entry["against"] = AGAINST[variant]
            ends = {"difference": "difference", "difference_low": "low", "difference_high": "high", "p": "p"}
            entry |= {key: frame.loc["macro-F1", column] for key, column in ends.items()}
        entry |= {str(key): several[key].mean() for key in several.columns if str(key).startswith("f1:")}
        rows.append({**entry, "seconds": several["seconds"].mean()})
    return pd.DataFrame(rows)


def main(arguments: list[str] | None = None) -> int:
    def make(results: str, recipe: Path, partial: bool) -> pd.DataFrame:
        return table(results, Experiments(recipe), partial=partial)

    return command(__doc__.partition("\n")[0], RECIPE, OUTPUT, make, arguments)


if __name__ == "__main__":
    sys.exit(main())
