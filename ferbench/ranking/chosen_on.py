"""Test samples on which other runs of the same results directory chose an epoch, or settings.

One run's validation may be another one's test, as FER2013's PublicTest is for some. Whoever saw the first has chosen on
the second's test set. Samples are held against each other by their ids, within one dataset, whatever their part is
called.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.errors import UserError
from ferbench.wording import few_of, number_of

if TYPE_CHECKING:
    from ferbench.ranking.leaderboard import Group
    from ferbench.runs.summary import Summary


@dataclass(frozen=True, slots=True)
class ChosenOn:
    """Which of a group's test samples other runs chose on.

    Attributes:
        samples: how many.
        n: test samples.
        runs: that have some of them for validation, by name of their directory.
    """

    samples: int
    n: int
    runs: tuple[str, ...]

    @property
    def line(self) -> str:
        """It in words."""
        which = "All" if self.samples == self.n else f"{self.samples:,} of the"
        return (
            f"{which} {number_of(self.n, 'sample')} of this test set {'is' if self.n == 1 else 'are'} validation of "
            f"{number_of(len(self.runs), 'other run')} here ({few_of(self.runs, 3)}): what was chosen there was "
            "chosen on this test set."
        )


def with_choices(results: Path, groups: Sequence[Group], runs: Iterable[Summary]) -> list[Group]:
    """The groups with the samples of their test sets that other runs chose on.

    Args:
        results: the results directory.
        groups: all that there are of their test sets.
        runs: that are there.
    """
    # Of runs with one validation set one is looked at.
    several: dict[str, list[Summary]] = {}
    for run in runs:
        if run.validation:
            several.setdefault(run.validation, []).append(run)
    known: dict[str, frozenset[str]] = {}
    return [group if group.test_digest is None else _held(results, group, several, known) for group in groups]


def _held(results: Path, group: Group, several: dict[str, list[Summary]], known: dict[str, frozenset[str]]) -> Group:
    there, parts = None, set(group.dataset.replace(", ", "+").split("+"))
    samples, found = set[str](), list[str]()
    for digest, runs in several.items():
        # A run's own test set has nothing of its validation; nor is it news that tested folds are each other's.
        others = [run for run in runs if run.test != group.test_digest and group.test_digest != run.partition]
        others = [run for run in others if not parts.isdisjoint((run.data.dataset or "").split("+"))]
        if not others:
            continue
        if there is None:
            there = _tested(results, group)
        if digest not in known:
            known[digest] = _validated(results, others[0])
        if both := there & known[digest]:
            samples |= both
            found += [run.run for run in others]
    return replace(group, chosen_on=ChosenOn(len(samples), group.n, tuple(sorted(found)))) if found else group


def _tested(results: Path, group: Group) -> frozenset[str]:
    """Ids of the tested samples, of the first run whose predictions can be read."""
    from ferbench.runs.directory import RunDirectory, run_path

    for run, evaluation in (test for tests in group.tests for test in tests):
        try:
            given = RunDirectory(run_path(results, run)).predictions(evaluation)
        except UserError:
            continue
        return _named(given.ids.tolist(), group.dataset)
    return frozenset()


def _validated(results: Path, run: Summary) -> frozenset[str]:
    from ferbench.runs.directory import RunDirectory, run_path
    from ferbench.runs.learnt import read_samples

    learnt = read_samples(RunDirectory(run_path(results, run.run)))
    return frozenset() if learnt is None else _named(learnt["validation"].ids.tolist(), run.data.dataset or "")


def _named(ids: Iterable[str], dataset: str) -> frozenset[str]:
    """Ids with their dataset's name before them, as those of several joined ones have it."""
    names = dataset.replace(", ", "+").split("+")
    joined = tuple(f"{name}:" for name in names) if len(names) > 1 else ()
    return frozenset(sample if joined and sample.startswith(joined) else f"{names[0]}:{sample}" for sample in ids)
