"""Makes methods.csv of the runs of methods.toml: a row for each method and share of wrong labels, over the seeds.

python benchmarks/results/methods.py RESULTS [--recipe RECIPE] [--output CSV] [--partial]

Exit code 2, and nothing written, where tests are missing (unless --partial says to do without them; the column `seeds`
says how many a row has), where two runs claim one place, or where runs differ in more than the method, the share of
wrong labels and the seed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import ferbench as fb

if TYPE_CHECKING:
    import pandas as pd

RECIPE = Path(__file__).parents[1] / "recipes" / "methods.toml"
OUTPUT = Path(__file__).with_name("methods.csv")

#: Losses that are tried at other shares of wrong labels too.
AT_OTHER_SHARES = ("cross-entropy", "gce", "elr", "scn")
OTHER_SHARES = (0.1, 0.2, 0.4)

#: The row of the runs of cross-entropy with a step after them, and how their evaluations call it.
ADJUSTED = "logit-adjusted"
PLAIN = "cross-entropy"
ADJUSTMENT = "postprocessing='logit-adjustment', postprocessing.tau=1.0"

#: What a recipe leaves out.
DEFAULTS = {
    "loss": "cross-entropy",
    "sampler": "shuffled",
    "optimizer": "adam",
    "model.head": "linear",
    "model.pool": "flatten",
}

#: What no two runs of a table may differ in, besides every setting of these sections.
SAME = ("dataset", "protocol", "rows_digest", "n", "model", "augmentation", "schedule", "optimizer.lr")
SECTIONS = ("data.", "training.", "augmentation.", "schedule.", "model.")
#: But for these, and for what a variant of the recipe sets.
MAY_DIFFER = ("data.label_noise", "data.path", "data.paths", "training.keep", "training.parameter_budget")

METRICS = ("accuracy", "macro_f1", "balanced_accuracy")

Place = tuple[str, float, int]  # method, share of wrong labels, seed


class Unfit(Exception):
    """Why there is no table, in one line."""


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A section of a recipe by dotted keys; the name of a component is the key of its section."""
    settings: dict[str, Any] = {}
    for key, value in table.items():
        dotted = prefix.removesuffix(".") if key == "name" and prefix else prefix + key
        settings |= flat(value, dotted + ".") if isinstance(value, Mapping) else {dotted: value}
    return settings


class Variants:
    """The variants of a recipe, and how their runs are told apart.

    Attributes:
        settings: by variant, the value of every key that some variant sets.
        grid: what the recipe varies for each of them.
    """

    def __init__(self, recipe: Path) -> None:
        table = tomllib.loads(recipe.read_text(encoding="utf-8"))
        variants = {name: flat(changes) for name, changes in table.pop("variants").items()}
        self.grid = flat(table.pop("grid"))
        keys = sorted(set().union(*variants.values()))
        base = DEFAULTS | flat(table)
        self.settings = {name: {key: (base | own).get(key) for key in keys} for name, own in variants.items()}

    def variant(self, row: Mapping[str, Any]) -> str | None:
        """Whose run it is; None: none of these.

        Raises:
            Unfit: several variants are the same as far as the recipe says.
        """
        names = [
            name
            for name, settings in self.settings.items()
            if all(same(row.get(key), value) for key, value in settings.items() if value is not None)
        ]
        if len(names) > 1:
            raise Unfit(f"run {row['run']} could be {' or '.join(names)}: let the recipe say what tells them apart")
        return names[0] if names else None


class Methods(Variants):
    """The methods, and every test that the commands of the recipe's header make.

    Attributes:
        places: of these tests.
    """

    def __init__(self, recipe: Path) -> None:
        super().__init__(recipe)
        shares, seeds = self.grid["data.label_noise"], self.grid["training.seed"]
        others = [name for name in AT_OTHER_SHARES if name in self.settings]
        self.places: list[Place] = [
            *itertools.product([*self.settings, ADJUSTED], shares, seeds),
            *itertools.product(others, [share for share in OTHER_SHARES if share not in shares], seeds),
        ]

    def method(self, row: Mapping[str, Any]) -> str | None:
        """Whose test it is; None: none of these.

        Raises:
            Unfit: as `variant` does.
        """
        name = self.variant(row)
        if row["own"] is True:
            return name
        return ADJUSTED if name == PLAIN and row["how"] == ADJUSTMENT else None


def same(one: Any, other: Any) -> bool:
    equal = one == other  # what is missing equals nothing, and is no truth either
    return str(one) == str(other) or (isinstance(equal, (bool, np.bool_)) and bool(equal))


def tests(results: str) -> pd.DataFrame:
    """A row a test of each run that is done."""
    frame = fb.load_results(results).frame()
    return frame[(frame["status"] == "done") & frame["evaluation"].notna() & frame["fold"].isna()]


def chosen(frame: pd.DataFrame, methods: Methods, *, partial: bool) -> dict[Place, pd.Series]:
    """The run of each place.

    Raises:
        Unfit: some are missing, two claim one place, or they differ in what they must not.
    """
    found: dict[Place, pd.Series] = {}
    for _, row in frame.iterrows():
        method = methods.method(row)
        if method is None:
            continue
        if row["contaminated"]:
            raise Unfit(f"the test of run {row['run']} does not count: {row['contaminated']}")
        place = (method, float(row["data.label_noise"]), int(row["seed"]))
        if place in found:
            first = found[place]["run"]
            raise Unfit(f"two runs are {described(place)}: {first} and {row['run']}; keep one of them in RESULTS")
        found[place] = row
    missing = [place for place in methods.places if place not in found]
    if missing and (not partial or not found):
        raise Unfit(f"{len(missing)} of {len(methods.places)} tests are missing: {listed(map(described, missing))}")
    if missing:
        print(f"without {len(missing)} tests: {listed(map(described, missing))}", file=sys.stderr)
    check_alike(found.values(), {*MAY_DIFFER, *set().union(*methods.settings.values()) - set(SAME)})
    for cell, places in itertools.groupby(sorted(found), key=lambda place: place[:2]):
        configs = {found[place]["config"] for place in places}
        if len(configs) > 1:
            raise Unfit(
                f"{cell[0]} at {cell[1]:g} has runs of {len(configs)} configurations: {listed(sorted(configs))}"
            )
    return found


def check_alike(rows: Iterable[pd.Series], varied: set[str]) -> None:
    """Refuse runs that differ in another setting than ``varied``, or were tested on other samples."""
    first, *others = rows
    keys = [*SAME, *(key for key in first.index if str(key).startswith(SECTIONS))]
    for key in keys:
        for row in others if key not in varied else ():
            if not same(first[key], row[key]):
                raise Unfit(
                    f"{key} is {first[key]} in run {first['run']} and {row[key]} in run {row['run']}: "
                    "methods are compared where it is the same; keep runs of one kind in RESULTS"
                )


def described(place: Place) -> str:
    method, noise, seed = place
    return f"{method} at {noise:g} with seed {seed}"


def listed(names: Iterable[str]) -> str:
    first, rest = (every := list(names))[:6], len(every) - 6
    return ", ".join(first) + (f" and {rest} more" if rest > 0 else "")


def table(results: str, methods: Methods, *, partial: bool = False) -> pd.DataFrame:
    """A row for each method and share of wrong labels: means over seeds of test and validation, standard deviations
    between seeds (n − 1), seconds of training.

    Raises:
        Unfit: what `chosen` says.
    """
    import pandas as pd

    found = chosen(tests(results), methods, partial=partial)
    runs = {run.id: run for run in fb.load_results(results)}
    rows = []
    cells = dict.fromkeys((method, noise) for method, noise, _ in [*methods.places, *sorted(found)])
    for method, noise in cells:
        of_cell = pd.DataFrame([row for place, row in found.items() if place[:2] == (method, noise)])
        if of_cell.empty:
            continue
        validation = pd.DataFrame([runs[run].metrics("validation") for run in of_cell["run"]])
        entry: dict[str, Any] = {
            "method": method,
            "label_noise": noise,
            "seeds": len(of_cell),
            "n": of_cell["n"].iloc[0],
        }
        for metric in METRICS:
            entry |= {metric: of_cell[metric].mean(), f"{metric}_sd": of_cell[metric].std()}
        entry |= {f"validation_{metric}": validation[metric].mean() for metric in METRICS}
        entry |= {str(key): of_cell[key].mean() for key in of_cell.columns if str(key).startswith("f1:")}
        rows.append({**entry, "seconds": of_cell["seconds"].mean(), "epochs": of_cell["training.epochs"].iloc[0]})
    return pd.DataFrame(rows)


def command(
    purpose: str,
    recipe: Path,
    output: Path,
    make: Callable[[str, Path, bool], pd.DataFrame],
    arguments: list[str] | None,
) -> int:
    """The command line of a script that makes a table of results: exit code 2, and nothing written, where they do not
    fit.

    Args:
        purpose: of the script.
        recipe: whose runs they are.
        output: where the table goes.
        make: it, of a results directory and a recipe; the third says to make do with the runs that there are.
        arguments: of the command; None: those of the process.
    """
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("results", metavar="RESULTS")
    parser.add_argument("--recipe", type=Path, default=recipe)
    parser.add_argument("--output", type=Path, default=output)
    parser.add_argument("--partial", action="store_true", help="make a table of the runs that there are")
    given = parser.parse_args(arguments)
    try:
        made = make(given.results, given.recipe, given.partial)
    except (Unfit, fb.UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    made.round({"seconds": 1}).to_csv(given.output, index=False, float_format="%.6g")
    print(f"{given.output}: {len(made)} rows")
    return 0


def main(arguments: list[str] | None = None) -> int:
    def make(results: str, recipe: Path, partial: bool) -> pd.DataFrame:
        return table(results, Methods(recipe), partial=partial)

    return command(__doc__.partition("\n")[0], RECIPE, OUTPUT, make, arguments)


if __name__ == "__main__":
    sys.exit(main())
