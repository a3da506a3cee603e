"""What ``ferbench run`` says of all folds of a configuration together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from ferbench.experiment.differences import FOLD, SEED, telling, titles
from ferbench.metrics.measures import measure
from ferbench.ranking.cross_validation import over_folds
from ferbench.runs.partitions import listed, place_of
from ferbench.tables.table import Spread, shown
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.experiment.prepare import Combination

_METRICS = ("accuracy", "macro_f1")


@dataclass
class CrossValidation:
    """The folds of one configuration that a command asked for.

    Attributes:
        label: the configuration.
        of: how many folds there are.
        outcomes: what became of each run, by (seed, fold).
        members: the places of its runs among all.
    """

    label: str
    of: int
    outcomes: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    members: list[int] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for seed, _ in self.outcomes})

    @property
    def missing(self) -> list[dict[str, Any]]:
        """Folds without a result: ``seed``, ``fold`` and ``status``, which may be ``not asked for``."""
        found = []
        for seed in self.seeds:
            for place in range(1, self.of + 1):
                status = self.outcomes.get((seed, place), {"status": "not asked for"})["status"]
                if status != "done":
                    found.append({"seed": seed, "fold": f"{place}/{self.of}", "status": status})
        return found

    @property
    def done(self) -> dict[tuple[int, int], dict[str, Any]]:
        """Evaluations of validation, by (seed, fold)."""
        return {
            place: outcome["evaluations"]["validation"]
            for place, outcome in sorted(self.outcomes.items())
            if outcome["status"] == "done"
        }

    @property
    def n(self) -> int:
        """Samples of the folds that have a result, each fold once."""
        return sum({place: evaluation["n"] for (_, place), evaluation in self.done.items()}.values())

    def metric(self, key: str) -> Spread | None:
        """The mean over folds within each seed, then over seeds."""
        values = [(seed, one["metrics"].get(key)) for (seed, _), one in self.done.items()]
        return over_folds(values) if values and all(value is not None for _, value in values) else None

    @property
    def line(self) -> str:
        """For people. A mean over some of the folds is not called that of all."""
        several = f" × {len(self.seeds)} seeds" if len(self.seeds) > 1 else ""
        found = {key: self.metric(key) for key in _METRICS}
        means = [f"{measure(key).label} {shown(one, 'score')}" for key, one in found.items() if one is not None]
        missing = _missing(self.missing, len(self.seeds) > 1)
        if not missing:
            return f"{self.label}, {self.of} folds{several}: {', '.join(means)}, n = {self.n:,}"
        if not means:
            return f"{self.label}: no result on any of {self.of} folds{several}: {missing}"
        rest = f"over the {len(self.done)} of {self.of * len(self.seeds)} with a result"
        return (
            f"{self.label}: no mean over {self.of} folds{several}: {missing}; {rest}: {', '.join(means)}, "
            f"n = {self.n:,}"
        )

    def to_json(self) -> dict[str, Any]:
        """For programs; without all folds there is no mean."""
        whole = not self.missing
        spreads = {key: self.metric(key) if whole else None for key in _METRICS}
        return {
            "folds": self.of,
            "seeds": self.seeds,
            "missing": self.missing,
            "n": self.n if whole else None,
            **{
                key: None if one is None else {"mean": one.mean, "min": one.low, "max": one.high}
                for key, one in spreads.items()
            },
        }


def cross_validations(combinations: Sequence[Combination], outcomes: Sequence[dict[str, Any]]) -> list[CrossValidation]:
    """Those configurations of a command of which more than one fold was asked for.

    Args:
        combinations: what was asked for.
        outcomes: what became of each.
    """
    from ferbench.experiment.prepare import named_settings

    several = [
        {key: value for key, value in settings.items() if key not in (SEED, FOLD)}
        for settings in named_settings([combination.settings for combination in combinations])
    ]
    named = titles(several, telling(several, ignored=()))
    found: dict[str, CrossValidation] = {}
    for number, (combination, outcome) in enumerate(zip(combinations, outcomes, strict=True)):
        settings = combination.settings
        fold = str(settings.get("data", {}).get("fold") or "")
        if not _is_a_fold(fold):
            continue
        place, of = place_of(fold)
        about = {key: value for key, value in settings.items() if key not in ("name", "data", "training")}
        about["data"] = {key: value for key, value in settings["data"].items() if key != "fold"}
        about["training"] = {key: value for key, value in settings.get("training", {}).items() if key != "seed"}
        key = json.dumps([of, about], sort_keys=True, default=str)
        one = found.setdefault(key, CrossValidation(named[number], of))
        one.outcomes.setdefault((int(settings.get("training", {}).get("seed", 0)), place), outcome)
        one.members.append(number)
    return [one for one in found.values() if len({place for _, place in one.outcomes}) > 1]


def show_cross_validations(several: Sequence[CrossValidation]) -> None:
    """A line for each configuration."""
    if not several:
        return
    click.echo()
    for one in several:
        click.echo(one_line(one.line))
    click.echo(
        "Means over folds, the lowest and highest fold in brackets. A fold is measured on the samples that its epoch "
        "was chosen on."
    )


def _is_a_fold(fold: str) -> bool:
    first, sign, second = fold.partition("/")
    return bool(sign) and first.isdecimal() and second.isdecimal() and int(second) > 1


def _missing(missing: Sequence[dict[str, Any]], with_seed: bool) -> str:
    """``folds 2 and 3 failed, fold 5 was not asked for``."""
    found: dict[tuple[str, int], list[int]] = {}
    for one in missing:
        found.setdefault((one["status"], one["seed"]), []).append(place_of(one["fold"])[0])
    lines = []
    for (status, seed), places in found.items():
        verb = "" if status in ("failed", "diverged") else "were " if len(places) > 1 else "was "
        lines.append(f"{listed(places)}{f' of seed {seed}' if with_seed else ''} {verb}{status}")
    return ", ".join(lines)
