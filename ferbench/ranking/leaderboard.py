"""Finished runs side by side, grouped by the test set that they were measured on.

The runs of one configuration, which differ in their seed alone, are one row; so are its folds, see
`ferbench.ranking.cross_validation`. Ranks within a group come from `ferbench.ranking.standing`. Results on generated
images stand in groups of their own by nature, since their test set is another one, and are marked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ferbench.experiment.differences import differing, telling
from ferbench.ids import short
from ferbench.ranking.cross_validation import Held, Partition, over_folds
from ferbench.ranking.standing import Standing
from ferbench.runs.summary import Scores, Summary
from ferbench.tables.table import Cell, Spread


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one configuration, or a single run.

    Attributes:
        runs: by seed, and by fold within a seed.
        scores: of each run, on the group's test set, or on its fold.
        standing: its rank and intervals, once they are known.
        without: metrics on the group's samples but those of a list, where one was given.
        held: how many folds it is over; None for a single run, and for what was tested on a test set.
    """

    runs: tuple[Summary, ...]
    scores: tuple[Scores, ...]
    standing: Standing | None = None
    without: Mapping[str, Spread] = field(default_factory=dict)
    held: Held | None = None

    @property
    def config(self) -> str:
        """Twelve digits of the configuration id; of a fold, of what the folds of a configuration share."""
        first = self.runs[0]
        return short(first.config if self.scores[0].data else first.unfolded or first.config)

    @property
    def tests(self) -> list[tuple[str, str]]:
        """Run and evaluation of each."""
        return [(run.run, scores.evaluation) for run, scores in zip(self.runs, self.scores, strict=True)]

    @property
    def seeds(self) -> int:
        """How many seeds it is over."""
        return len(self.runs) if self.held is None else len(self.held.counts)

    @property
    def name(self) -> str | None:
        """As ``--name`` gave it; up to three names with commas between them, of more the first two and a count."""
        names = list(dict.fromkeys(run.name for run in self.runs if run.name))
        return ", ".join(names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]) or None

    @property
    def kind(self) -> str:
        """As `ferbench.runs.summary.Summary` has it; the runs of a configuration are of one kind."""
        return self.runs[0].kind

    @property
    def settings(self) -> dict[str, Any]:
        """What `ferbench.runs.summary.Summary` calls so, and ``evaluation.tta`` where it was not tested plainly."""
        own = self.runs[0].settings
        tested = self.scores[0].options
        if self.held is not None:
            own = {key: value for key, value in own.items() if key != "data.fold"}
        return {**own, **{f"evaluation.{key}": value for key, value in tested.items()}} if tested else own

    def metric(self, key: str) -> Spread | None:
        """A metric over the runs; None unless every run has it, and every fold is there."""
        values = [scores.values.get(key) for scores in self.scores]
        known = [value for value in values if value is not None]
        if len(known) < len(values) or (self.held is not None and not self.held.whole):
            return None
        if self.held is not None:
            return over_folds((run.seed or 0, value) for run, value in zip(self.runs, known, strict=True))
        ends = self.standing.intervals.get(key) if self.standing else None
        return replace(Spread.of(known), interval=ends)


@dataclass(frozen=True)
class Group:
    """Rows that were measured on the same samples and may be compared.

    Attributes:
        dataset: its name; several names where rows were trained on more than the dataset they share.
        protocol: how it was split; with the folds of folds.
        class_names: the classes of the task.
        test_digest: of the test set; None for folds, which are measured on their validation samples.
        rows_digest: of the samples, whichever they are; of several folds, of their partition.
        synthetic: the images are generated.
        n: samples.
        rows: best macro-F1 first.
        ranked_by: the metric of the ranks, once they are known.
        left_out: samples that `Row.without` is without.
        left_out_for: how many of them, by the reason that the list gives, which may be empty.
        clustered_by: the column whose values are drawn as a whole in intervals and tests; None: samples are.
        unclustered: samples without a value there, which are drawn on their own.
        lacking: why there are too few samples for a test and an interval, by metric.
        hidden: rows of the test set that are not shown; ranks and tests are among them too.
        hidden_runs: runs on the test set that are not shown, in such rows and in those that are.
        hidden_leader: what the leader is called, where it is one of them; else empty.
        hidden_few: how many of them are ranked and have too few seeds to say something of others.
        partition: the folds that rows are over, or single runs are of; None for what was tested on a test set.
    """

    dataset: str
    protocol: str
    class_names: tuple[str, ...]
    test_digest: str | None
    rows_digest: str
    synthetic: bool
    n: int
    rows: tuple[Row, ...]
    ranked_by: str = ""
    left_out: int = 0
    left_out_for: Mapping[str, int] = field(default_factory=dict)
    clustered_by: str | None = None
    unclustered: int = 0
    lacking: Mapping[str, str] = field(default_factory=dict)
    hidden: int = 0
    hidden_runs: int = 0
    hidden_leader: str = ""
    hidden_few: int = 0
    partition: Partition | None = None

    @property
    def tests(self) -> list[tuple[str, str]]:
        """Run and evaluation of all that was measured."""
        return [test for row in self.rows for test in row.tests]

    @property
    def varied(self) -> list[str]:
        """Keys of options and fields that are not the same in all rows; all have one protocol, named or not, and
        folds are no setting where rows are over or of them."""
        return self._settings(differing(several_settings(self.rows)))

    @property
    def telling(self) -> list[str]:
        """Those of `varied` that do not follow from the components: what people see."""
        return self._settings(telling(several_settings(self.rows)))

    def _settings(self, keys: Iterable[str]) -> list[str]:
        known = {"data.protocol"} if self.partition is None else {"data.protocol", "data.fold"}
        return sorted(key for key in keys if "." in key and key not in known)

    @property
    def metrics(self) -> list[str]:
        """Metrics that any row has, per-class ones among them, in the order of the records."""
        layouts = {tuple(scores.values) for row in self.rows for scores in row.scores}
        return list(dict.fromkeys(key for layout in sorted(layouts, key=len, reverse=True) for key in layout))


@dataclass(frozen=True)
class Unfinished:
    """A run without a result.

    Attributes:
        run: twelve digits of the training id.
        name: as ``--name`` gave it, or None.
        status: ``running``, ``failed``, ``diverged``, ``interrupted``, ``damaged``; ``copy`` of a run that is in the
            table; ``done`` without an evaluation.
        reason: the cause in one line.
    """

    run: str
    name: str | None
    status: str
    reason: str


@dataclass(frozen=True)
class Contaminated:
    """A result that says nothing of unseen samples: selection, training or tuning had some of them, or it is said so.

    Attributes:
        run: whose.
        scores: that are contaminated; they say why.
    """

    run: Summary
    scores: Scores


def contaminated(runs: Iterable[Summary]) -> list[Contaminated]:
    """Results that stand in no group."""
    return [Contaminated(run, scores) for run in runs for scores in run.scores if scores.contaminated]


def diverged(runs: Iterable[Summary]) -> Counter[str]:
    """How many runs of each configuration diverged; a copy of a run is no other run."""
    return lost(runs, "diverged")


def lost(runs: Iterable[Summary], *statuses: str) -> Counter[str]:
    """How many runs of each configuration ended so. Folds count for what they share with each other, too."""
    there = {run.training: run for run in runs if run.status in statuses}
    return Counter(key for run in there.values() for key in {run.config, run.unfolded or run.config})


def ordered(rows: Iterable[Row], value: Callable[[Row], Cell], *, descending: bool) -> tuple[Row, ...]:
    """Rows by a value of theirs, those without it last."""
    stable = sorted(rows, key=lambda row: (row.config, row.runs[0].run))
    keyed = [(value(row), row) for row in stable]
    having = [(cell.mean if isinstance(cell, Spread) else cell, row) for cell, row in keyed if cell is not None]
    having.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=descending)
    return tuple([row for _, row in having] + [row for cell, row in keyed if cell is None])


def several_settings(rows: Iterable[Row]) -> Collection[Mapping[str, Any]]:
    """The settings of rows; what many of them share is looked at once."""
    each = [row.settings for row in rows]
    return {id(settings): settings for settings in each}.values()


def best_first(rows: Iterable[Row]) -> tuple[Row, ...]:
    return ordered(rows, lambda row: row.metric("macro_f1"), descending=True)
