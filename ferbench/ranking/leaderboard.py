"""Finished runs side by side, grouped by the test set that they were measured on.

The runs of one configuration, which differ in their seed alone, are one row; folds are seen to by
`ferbench.ranking.folds`. Ranks within a group come from `ferbench.ranking.standing`. Results on generated images stand
in groups of their own by nature, since their test set is another one, and are marked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ferbench.experiment.differences import differing, telling
from ferbench.ranking.folds import Bucket, Held, Member, Partition, by_seed, over_folds
from ferbench.ranking.standing import Standing
from ferbench.runs.folds import place_of
from ferbench.runs.index import summaries
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
        values = [one.values.get(key) for one in self.scores]
        known = [value for value in values if value is not None]
        if len(known) < len(values) or (self.held is not None and not self.held.whole):
            return None
        if self.held is not None:
            return over_folds((run.seed or 0, value) for run, value in zip(self.runs, known, strict=True))
        found = spread(known)
        ends = self.standing.intervals.get(key) if self.standing else None
        return replace(found, interval=ends) if ends else found


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
    hidden_leader: str = ""
    hidden_few: int = 0
    partition: Partition | None = None

    @property
    def tests(self) -> list[tuple[str, str]]:
        """Run and evaluation of all that was measured."""
        return [(run.run, one.evaluation) for row in self.rows for run, one in zip(row.runs, row.scores, strict=True)]

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
        layouts = {tuple(one.values) for row in self.rows for one in row.scores}
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


def collect(results: Path) -> tuple[list[Group], list[Unfinished]]:
    """Groups of comparable runs (real data first, larger groups first), and the runs without a result."""
    return group(summaries(results))


def contaminated(runs: Iterable[Summary]) -> list[Contaminated]:
    """Results that stand in no group."""
    return [Contaminated(run, one) for run in runs for one in run.scores if one.contaminated]


def diverged(runs: Iterable[Summary]) -> Counter[str]:
    """How many runs of each configuration diverged; a copy of a run is no other run."""
    return lost(runs, "diverged")


def lost(runs: Iterable[Summary], *statuses: str) -> Counter[str]:
    """How many runs of each configuration ended so. Folds count for what they share with each other, too."""
    there = {run.training: run for run in runs if run.status in statuses}
    return Counter(key for run in there.values() for key in {run.config, run.unfolded or run.config})


def group(runs: Iterable[Summary], *, single: bool = False) -> tuple[list[Group], list[Unfinished]]:
    """The same for given runs.

    Args:
        runs: what to group.
        single: a row for each run instead of each configuration.
    """
    groups: dict[tuple[Any, ...], dict[str, list[Member]]] = {}
    folds: dict[tuple[str, bool], Bucket] = {}
    names: dict[tuple[Any, ...], tuple[str, ...]] = {}
    unfinished = []
    seen: dict[str, str] = {}
    for run in runs:
        if not run.scores:
            unfinished.append(Unfinished(run.run, run.name, run.status, run.reason))
            continue
        first = seen.setdefault(run.training, run.run)
        if first != run.run:  # the same seed would count twice
            unfinished.append(Unfinished(run.run, run.name, "copy", f"it has the training id of {first}"))
            continue
        data = run.data
        for scores in run.scores:
            if scores.contaminated:
                continue
            if data["fold"] and not scores.data:
                of = place_of(data["fold"])[1]
                folds.setdefault((run.partition, data["synthetic"]), Bucket(of)).add(run, scores)
                continue
            on = scores.data or data
            # Not the dataset: joined with another one, it is still tested on its own test set. Nor the order of the
            # classes, which no score depends on.
            key = (on["protocol"], frozenset(on["class_names"]), scores.rows, on["synthetic"], scores.n)
            names.setdefault(key, tuple(on["class_names"]))
            rows = groups.setdefault(key, {})
            # The same weights tested in another way are another row.
            row = f"{run.run if single else run.config} {scores.options}"
            rows.setdefault(row, []).append((run, scores))
    made = []
    for key, rows in groups.items():
        protocol, _, digest, synthetic, n = key
        best_first = _best_first(map(_row, rows.values()))
        made.append(Group(_datasets(rows), protocol, names[key], digest, digest, synthetic, n, best_first))
    made += [_fold_group(part, single=single) for bucket in folds.values() for part in bucket.apart()]
    made.sort(key=lambda g: (g.synthetic, -sum(len(row.runs) for row in g.rows), g.dataset, g.protocol, g.rows_digest))
    return made, unfinished


def ordered(rows: Iterable[Row], value: Callable[[Row], Cell], *, descending: bool) -> tuple[Row, ...]:
    """Rows by a value of theirs, those without it last."""
    stable = sorted(rows, key=lambda row: (row.config, row.runs[0].run))
    keyed = [(value(row), row) for row in stable]
    having = sorted(((_sortable(v), row) for v, row in keyed if v is not None), key=_first, reverse=descending)
    return tuple([row for _, row in having] + [row for v, row in keyed if v is None])


def spread(values: list[float]) -> Spread:
    """Mean, lowest and highest of at least one value."""
    low, high = min(values), max(values)
    return Spread(min(max(math.fsum(values) / len(values), low), high), low, high)


def short(identifier: str) -> str:
    """Twelve digits of an id."""
    return identifier.removeprefix("v1:")[:12]


def several_settings(rows: Iterable[Row]) -> Collection[Mapping[str, Any]]:
    """The settings of rows; what many of them share is looked at once."""
    each = [row.settings for row in rows]
    return {id(one): one for one in each}.values()


def _fold_group(bucket: Bucket, *, single: bool) -> Group:
    first, scores = bucket.members[0]
    partition = Partition(bucket.of, dict(sorted(bucket.sizes.items())), mixed=bucket.mixed)
    if single:
        rows = tuple(Row((run,), (one,)) for run, one in bucket.members)
    else:
        rows = _best_first(replace(_row(members), held=held) for members, held in bucket.parts())
    return Group(
        dataset=first.data["dataset"],
        protocol=f"{first.data['protocol']}, {partition.title}",
        class_names=tuple(first.data["class_names"]),
        test_digest=None,
        rows_digest=scores.rows if len(partition.sizes) == 1 else first.partition,
        synthetic=first.data["synthetic"],
        n=partition.n,
        rows=rows,
        partition=partition,
    )


def _datasets(rows: dict[str, list[Member]]) -> str:
    return ", ".join(
        sorted({(scores.data or run.data)["dataset"] for members in rows.values() for run, scores in members})
    )


def _row(members: list[Member]) -> Row:
    members.sort(key=by_seed)
    return Row(tuple(run for run, _ in members), tuple(scores for _, scores in members))


def _best_first(rows: Iterable[Row]) -> tuple[Row, ...]:
    return ordered(rows, lambda row: row.metric("macro_f1"), descending=True)


def _sortable(value: Cell) -> tuple[bool, Any]:
    value = value.mean if isinstance(value, Spread) else value
    return isinstance(value, str), value


def _first(pair: tuple[tuple[bool, Any], Row]) -> tuple[bool, Any]:
    return pair[0]
