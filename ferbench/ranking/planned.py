"""Which results were planned before the test set was read, and which are exploratory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ferbench.ids import short
from ferbench.metrics.measures import measure
from ferbench.records.ledger import Read
from ferbench.records.preregistration import Preregistration
from ferbench.wording import few_of, number_of

if TYPE_CHECKING:
    from ferbench.ranking.leaderboard import Group
    from ferbench.runs.summary import Summary

PLANNED, EXPLORATORY = "planned", "exploratory"


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, as far as it is about one test set, or about all of them.

    Attributes:
        file: the plan's path.
        when: it was registered, in UTC.
        digest: of what it says.
        metric: that it names.
        changed: it was changed afterwards, so that nothing counts as planned.
        runs: that are planned.
        family: rows that are planned, which corrections for several comparisons cover.
        missing: what planned runs without a result are called.
        early: what planned runs are called whose test had been read before there was the plan.
    """

    file: str
    when: str
    digest: str
    metric: str
    changed: bool
    runs: int
    family: int
    missing: tuple[str, ...]
    early: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether any result may count as planned."""
        return self.family > 0 and not self.changed

    def lines(self, ranked_by: str = "") -> Iterable[str]:
        """What is to be said of it, in words.

        Args:
            ranked_by: the metric of ranks; empty where nothing is ranked.
        """
        if self.changed:
            yield (
                f"The plan {self.file} was changed after it was registered, its digest is another: nothing counts as "
                "planned."
            )
            return
        yield (
            f"Planned: registered in {self.file} ({short(self.digest)}, {self.when}) before the test set was read. "
            "Exploratory rows have no rank; corrections cover what is planned, there or not."
        )
        if self.missing:
            some = "is" if len(self.missing) == 1 else "are"
            of = number_of(self.runs, "planned run")
            yield f"{len(self.missing):,} of {of} {some} missing: {few_of(self.missing)}."
        if self.early:
            yield f"Read before the plan was registered, and exploratory therefore: {few_of(self.early)}."
        if ranked_by and ranked_by != self.metric:
            label, other = measure(self.metric).label, measure(ranked_by).label
            yield f"The plan compares by {label}: ranks by {other} are exploratory, whatever rows say."


def status(
    plan: Preregistration,
    reads: Iterable[Read],
    runs: Iterable[Summary],
    test_set: str | None = None,
    *,
    single: bool = False,
) -> tuple[Planned, set[str]]:
    """What is known of a plan, and the evaluations that count as planned.

    Args:
        plan: registered.
        reads: of the results directory (`ferbench.runs.reads.with_found`).
        runs: that are there.
        test_set: only what is planned on it; None: all.
        single: a row is a run.
    """
    chosen = [run for run in plan.runs if test_set in (None, run.test_set)]
    there = {scores.evaluation for run in runs for scores in run.scores}
    before = {read.evaluation for read in reads if read.time and _instant(read.time) < _instant(plan.planned)}
    early = [run for run in chosen if run.evaluation in before]
    counted = {run.evaluation for run in chosen} - before
    made = Planned(
        file=str(plan.path),
        when=plan.planned,
        digest=plan.digest,
        metric=plan.metric,
        changed=plan.changed,
        runs=len(chosen),
        family=len({run.evaluation if single else run.config for run in chosen}),
        missing=tuple(f"{run.label}, seed {run.seed}" for run in chosen if run.evaluation not in there),
        early=tuple(f"{run.label}, seed {run.seed}" for run in early),
    )
    return made, set() if plan.changed else counted


def with_plan(
    groups: Sequence[Group],
    plan: Preregistration,
    reads: Sequence[Read],
    runs: Sequence[Summary],
    *,
    single: bool,
) -> list[Group]:
    """The groups with what a plan says of them: ``plan`` of their rows is `PLANNED` or `EXPLORATORY`, and
    ``unplanned`` why it is the latter.

    A row is planned when the tests of all its runs are. Groups of folds, and those of test sets that the plan does not
    name, stay as they are.

    Args:
        groups: of a leaderboard.
        plan: registered.
        reads: of the results directory.
        runs: that are there, shown or not.
        single: a row is a run.
    """
    planned_sets = {run.test_set for run in plan.runs}
    made = []
    for group in groups:
        if group.partition is not None or group.test_digest not in planned_sets:
            made.append(group)
            continue
        known, counted = status(plan, reads, runs, group.test_digest, single=single)
        seeds = group.members["seed"].tolist()
        why: list[str | None] = []
        for place, tests in zip(group.places, group.tests, strict=True):
            others = [
                number for number, (_, evaluation) in zip(seeds[place], tests, strict=True) if evaluation not in counted
            ]
            why.append(None if not others or known.changed else _why(others, len(tests)))
        marks = [None if known.changed else PLANNED if reason is None else EXPLORATORY for reason in why]
        made.append(replace(group, plan=known, rows=group.rows.assign(plan=marks, unplanned=why)))
    return made


def _why(seeds: Sequence[object], count: int) -> str:
    """Why a row is exploratory, of whose runs those with these seeds are not planned."""
    if len(seeds) == count:
        return "exploratory: it is not in the plan"
    few = few_of(str(seed) for seed in seeds)
    return f"exploratory: seed {few} is not in the plan, the others are; rank single runs with --runs"


def _instant(time: str) -> str:
    """A time in UTC as a text that sorts."""
    return time.replace("Z", "+00:00")
