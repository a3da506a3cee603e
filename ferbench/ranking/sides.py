"""The two sides of a comparison: what a user means by a name, and what both were measured on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.ranking.leaderboard import lost
from ferbench.ranking.standing import a_selection
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.find import find_run, in_words
from ferbench.runs.names import WHOLE, digits_of
from ferbench.runs.summary import Scores, Summary

#: What a grid puts behind the name that the runs of a configuration share: the seed, or in older releases a number.
SEEDED = r"-s?\d+"


@dataclass(frozen=True)
class Side:
    """A run, or the runs of a configuration, by seed.

    Attributes:
        label: what the user called it, or the name of the run.
        runs: at least one.
        scores: of each, on the test set that both sides share.
        ended: how many other seeds of the configuration have no result, by how they ended.
    """

    label: str
    runs: tuple[Summary, ...]
    scores: tuple[Scores, ...] = ()
    ended: Mapping[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The label, with the number of seeds where there are several."""
        return self.label if len(self.runs) == 1 else f"{self.label} ({len(self.runs)} seeds)"

    @property
    def tests(self) -> list[tuple[str, str]]:
        """Run and evaluation of each."""
        return [(run.run, scores.evaluation) for run, scores in zip(self.runs, self.scores, strict=True)]

    @property
    def what(self) -> str:
        if len(self.runs) == 1:
            return f"run {self.runs[0].run}"
        return f"configuration {short(self.runs[0].config)}, {len(self.runs)} seeds"


def find_side(results: Path, name: str, runs: Sequence[Summary]) -> Side:
    """The run or configuration that a user means.

    Args:
        results: the results directory.
        name: a run's name, path or first digits of its id (at least four); or of a configuration id its first digits,
            or the name that all its runs have, without the seeds, numbers and settings that a grid puts behind it.
        runs: all of them.

    Raises:
        UserError: nothing, or several unlike things, answer to it, there is no result, or it is a configuration of
            which seeds diverged.
    """
    digits = digits_of(name)
    named = [run for run in runs if run.name == name]
    for behind in (SEEDED, "-.+"):  # seeds of a configuration before all runs of a grid
        of_grid = re.compile(re.escape(name) + behind)
        named = named or [run for run in runs if run.name and of_grid.fullmatch(run.name)]
    begun = [run for run in runs if digits and run.run.startswith(digits)]
    seeds = [run for run in runs if digits and short(run.config).startswith(digits)]
    if len(digits) == WHOLE and (begun or seeds):
        named = []
    meanings = [{run.run for run in runs} for runs in (named, begun, seeds) if runs]
    if any(meaning != meanings[0] for meaning in meanings):
        single = sorted({run.run for run in (*named, *begun)})
        lines = [in_words(RunDirectory(run_path(results, run))) for run in single]
        lines += [f"configuration {configuration}" for configuration in _configurations(seeds)]
        raise UserError(
            f"'{name}' may mean any of these, by name or id: {'; '.join(lines)}",
            "give the id of the one that you mean, in full",
        )
    if seeds and not (named or begun):
        ids = _configurations(seeds)
        if len(ids) > 1:
            raise UserError(f"the ids of {len(ids)} configurations begin with '{name}'", f"say which: {', '.join(ids)}")
        return _whole(name, seeds, runs)
    finished = [run for run in named if run.scores]
    if len(named) > 1 and len({run.config for run in finished}) == 1:
        return _whole(name, finished, runs)
    if len(named) > 1 and all(run.name != name for run in named):
        ids = _configurations(named)
        raise UserError(f"the runs {name}-… are of {len(ids)} configurations", f"say which one: {', '.join(ids)}")
    directory = find_run(results, name)
    summary = next((run for run in runs if run.run == directory.path.name), None)
    if summary is None or directory.path.resolve().parent != (results / "runs").resolve():
        raise UserError(
            f"run {directory.path} is not in {results}", "give its results directory with --results, for both sides"
        )
    if not summary.scores:
        raise UserError(
            f"run {summary.run} has no result: its status is '{summary.status}'", "choose a finished run, or finish it"
        )
    return Side(summary.name or summary.run, (summary,), ended=_ended(summary, runs))


def _configurations(runs: Sequence[Summary]) -> list[str]:
    """Each configuration of some runs: its id, the model and dataset, the names of its runs."""
    of: dict[str, list[Summary]] = {}
    for run in runs:
        of.setdefault(short(run.config), []).append(run)
    return [
        f"{config} ({theirs[0].settings.get('model')} on {theirs[0].data.dataset}: "
        f"{', '.join(sorted(run.name or run.run for run in theirs))})"
        for config, theirs in sorted(of.items())
    ]


def _whole(name: str, runs: Sequence[Summary], everything: Sequence[Summary]) -> Side:
    side = _configuration(name, runs, everything)
    refuse_selections(side)
    return side


def _ended(run: Summary, runs: Sequence[Summary]) -> dict[str, int]:
    """How many seeds of a run's configuration have no result."""
    return {how: count for how in ("diverged", "failed", "interrupted") if (count := lost(runs, how)[run.config])}


def _configuration(name: str, runs: Sequence[Summary], everything: Sequence[Summary]) -> Side:
    finished: dict[str, Summary] = {}
    for run in runs:
        if run.scores:
            finished.setdefault(run.training, run)
    if not finished:
        raise UserError(f"no run of configuration '{name}' has a result", "choose one with finished runs")
    several = tuple(sorted(finished.values(), key=lambda run: (run.seed or 0, run.run)))
    return Side(name, several, ended=_ended(several[0], everything))


def over_seeds(first: Side, second: Side, runs: Sequence[Summary]) -> tuple[Side, Side]:
    """The sides with all finished seeds of their configurations, and called by these, not by one of their runs."""
    sides = [
        _configuration(side.label, [run for run in runs if run.config == side.runs[0].config], runs)
        for side in (first, second)
    ]
    for called in (_shared_name, _model, lambda side: f"{_model(side)} {short(side.runs[0].config)}"):
        labels = [called(side) for side in sides]
        if all(labels) and labels[0] != labels[1]:
            break
    a, b = (replace(side, label=str(label)) for side, label in zip(sides, labels, strict=True))
    return a, b


def _shared_name(side: Side) -> str | None:
    """The name that all runs of a side have, without the seeds or numbers that a grid puts behind it."""
    names = {re.sub(f"{SEEDED}$", "", run.name or "") for run in side.runs}
    return next(iter(names)) or None if len(names) == 1 else None


def _model(side: Side) -> str:
    return str(side.runs[0].settings.get("model"))


def refuse_selections(*sides: Side) -> None:
    """Refuse configurations of which seeds diverged, as the leaderboard does: the others are a selection.

    Raises:
        UserError: there is one among the sides.
    """
    for side in sides:
        if diverged := side.ended.get("diverged"):
            raise UserError(
                f"configuration {side.label} cannot be compared: {a_selection(diverged, len(side.runs))}",
                "compare single runs by their names or ids, or settings with which no seed diverges",
            )


def on_one_test_set(first: Side, second: Side) -> tuple[Side, Side]:
    """Both sides with their scores on the samples that all their runs were measured on: first their own test set.

    Raises:
        UserError: there is no such test set, or they know unlike classes.
    """
    if first.runs == second.runs:
        raise UserError(f"{first.label} and {second.label} are the same", "name two runs or configurations")
    tested = [_by_test_set(run) for side in (first, second) for run in side.runs]
    key = next((key for key in tested[0] if all(key in scores for scores in tested)), None)
    if key is None:
        own = [(side.label, side.runs[0].scores[0]) for side in (first, second)]
        which = [f"{label} on {short(scores.rows)} (n = {scores.n:,})" for label, scores in own]
        raise UserError(
            f"they were measured on unlike test sets: {' and '.join(which)}",
            "test one on the other's data with 'ferbench evaluate', or choose runs of one table of the leaderboard",
        )
    a, b = (replace(side, scores=tuple(_by_test_set(run)[key] for run in side.runs)) for side in (first, second))
    return a, b


def _by_test_set(run: Summary) -> dict[tuple[str, str], Scores]:
    """Scores by samples and the way of testing, plain ones first; what a run had seen before is left out."""
    clean = [scores for scores in run.scores if not scores.contaminated]
    clean.sort(key=lambda scores: (scores.data is not None, bool(scores.options)))
    return {(scores.rows, repr(sorted(scores.options.items()))): scores for scores in clean}
