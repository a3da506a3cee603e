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
    from ferbench.api.conduct import Outcome
    from ferbench.records.evaluation import EvaluationEntry
    from ferbench.runs.directory import RunDirectory

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
    outcomes: dict[tuple[int, int], Outcome] = field(default_factory=dict)
    members: list[int] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for seed, _ in self.outcomes})

    @property
    def missing(self) -> list[dict[str, Any]]:
        """Folds without a result: ``seed``, ``fold`` and ``status``, which may be ``not asked for``."""
        missing = []
        for seed in self.seeds:
            for place in range(1, self.of + 1):
                outcome = self.outcomes.get((seed, place))
                status = "not asked for" if outcome is None else outcome.status
                if status != "done":
                    missing.append({"seed": seed, "fold": f"{place}/{self.of}", "status": status})
        return missing

    @property
    def done(self) -> dict[tuple[int, int], EvaluationEntry]:
        """Evaluations of validation, by (seed, fold)."""
        there = {place: self.outcomes[place].evaluations for place in sorted(self.outcomes)}
        return {place: evaluations["validation"] for place, evaluations in there.items() if evaluations}

    @property
    def n(self) -> int:
        """Samples of the folds that have a result, each fold once."""
        return sum({place: evaluation.n for (_, place), evaluation in self.done.items()}.values())

    def metric(self, key: str) -> Spread | None:
        """The mean over folds within each seed, then over seeds."""
        return over_folds((seed, entry.metrics.get(key)) for (seed, _), entry in self.done.items())

    @property
    def line(self) -> str:
        """For people. A mean over some of the folds is not called that of all."""
        several = f" × {len(self.seeds)} seeds" if len(self.seeds) > 1 else ""
        spreads = {key: self.metric(key) for key in _METRICS}
        means = [f"{measure(key).label} {shown(spread, 'score')}" for key, spread in spreads.items() if spread]
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
                key: spread and {"mean": spread.mean, "min": spread.low, "max": spread.high}
                for key, spread in spreads.items()
            },
        }


def cross_validations(outcomes: Sequence[Outcome]) -> list[CrossValidation]:
    """Those configurations of a command of which more than one fold was asked for, with what became of each."""
    from ferbench.experiment.differences import named_settings

    combinations = [outcome.combination for outcome in outcomes]
    asked = named_settings([one.settings for one in combinations], [one.defaults for one in combinations])
    shared = [{key: value for key, value in settings.items() if key not in (SEED, FOLD)} for settings in asked]
    named = titles(shared, telling(shared, ignored=()))
    by_configuration: dict[str, CrossValidation] = {}
    for number, (settings, outcome) in enumerate(zip(asked, outcomes, strict=True)):
        fold = str(settings.get(FOLD) or "")
        if _is_a_fold(fold):
            place, of = place_of(fold)
            key = json.dumps([of, shared[number]], sort_keys=True, default=str)
            configuration = by_configuration.setdefault(key, CrossValidation(named[number], of))
            configuration.outcomes.setdefault((int(settings.get(SEED, 0)), place), outcome)
            configuration.members.append(number)
    several = by_configuration.values()
    return [validation for validation in several if len({place for _, place in validation.outcomes}) > 1]


def show_cross_validations(several: Sequence[CrossValidation]) -> None:
    """A line for each configuration."""
    if not several:
        return
    click.echo()
    for validation in several:
        click.echo(one_line(validation.line))
    click.echo(
        "Means over folds, the lowest and highest fold in brackets. A fold is measured on the samples that its epoch "
        "was chosen on."
    )


def pooled_plain(directory: RunDirectory) -> dict[str, Any]:
    """The run that all folds together are, for programs."""
    record = directory.load()
    (entry, *_) = record.own_evaluations("test").values()
    return {
        "run": directory.path.name,
        "name": record.name,
        "directory": str(directory.path),
        "training_id": record.identity.training_id,
        "config_id": record.identity.config_id,
        "protocol": record.data.protocol,
        "folds": [] if record.pooled is None else [fold.run for fold in record.pooled.folds],
        "evaluation": entry.plain(),
    }


def show_unpooled(outcomes: Sequence[Outcome]) -> None:
    """Say of which tests there is no result, since folds are missing."""
    asked = [outcome for outcome in outcomes if outcome.combination.settings.get("data", {}).get("test_fold")]
    lacking = [outcome for outcome in asked if outcome.pooled is None]
    if lacking:
        click.echo(
            f"\n{len(lacking)} of {len(asked)} folds are in no result yet: a test is all folds of a seed together, and "
            "some of theirs are missing or failed. The command with --test-folds runs them."
        )


def _is_a_fold(fold: str) -> bool:
    first, sign, second = fold.partition("/")
    return bool(sign) and first.isdecimal() and second.isdecimal() and int(second) > 1


def _missing(missing: Sequence[dict[str, Any]], with_seed: bool) -> str:
    """``folds 2 and 3 failed, fold 5 was not asked for``."""
    places_of: dict[tuple[str, int], list[int]] = {}
    for fold in missing:
        places_of.setdefault((fold["status"], fold["seed"]), []).append(place_of(fold["fold"])[0])
    lines = []
    for (status, seed), places in places_of.items():
        verb = "" if status in ("failed", "diverged") else "were " if len(places) > 1 else "was "
        lines.append(f"{listed(places)}{f' of seed {seed}' if with_seed else ''} {verb}{status}")
    return ", ".join(lines)
