"""Finished runs side by side, grouped by the test set that they were measured on.

The runs of one configuration, which differ in their seed alone, are one row; so are its folds, see
`ferbench.ranking.cross_validation`. Ranks within a group come from `ferbench.ranking.standing`. Results on generated
images stand in groups of their own by nature, since their test set is another one, and are marked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ferbench.experiment.differences import FOLDS, differing, telling
from ferbench.ranking.cross_validation import Partition, over_folds
from ferbench.runs.frame import evaluations, metrics
from ferbench.runs.summary import Summary
from ferbench.tables.table import Cell, Spread

if TYPE_CHECKING:
    import pandas as pd

    from ferbench.ranking.chosen_on import ChosenOn
    from ferbench.ranking.planned import Planned
    from ferbench.ranking.read_counts import ReadCounts


@dataclass(frozen=True, eq=False)
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
        rows: a frame with a row a configuration, or a single run, best macro-F1 first: see
            `ferbench.ranking.rows.rows_of`.
        members: a frame with a row an evaluation, as `ferbench.runs.frame.evaluations` has them, with the index of
            its row in ``rows`` as ``row``, its seed or 0 as ``sown``, and its fold as ``place``; by row, seed, and fold
            within a seed.
        measured: what was measured, with the rows of ``members``: a column for each metric.
        ranked_by: the metric of the ranks, once they are known.
        claim: what ranks are about: ``models``, these trained ones, or ``configurations``; empty until they are known.
        left_out: samples that the column ``without`` of ``rows`` is without.
        left_out_for: how many of them, by the reason that the list gives, which may be empty.
        clustered_by: the column whose values are drawn as a whole in intervals and tests; None: samples are.
        unclustered: samples without a value there, which are drawn on their own.
        lacking: why there are too few samples for a test and an interval, by metric.
        hidden: rows of the test set that are not shown; ranks and tests are among them too.
        hidden_runs: runs on the test set that are not shown, in such rows and in those that are.
        hidden_leader: what the leader is called, where it is one of them; else empty.
        partition: the folds that rows are over, or single runs are of; None for what was tested on a test set.
        plan: what was planned on the test set before it was read; None without a plan that names it.
        reads: how often the test set was read; None for folds, and until it is known.
        chosen_on: test samples that other runs chose on; None where there are none.
        luck: how much better the best of `equals` equal rows would seem by chance, in the metric of the ranks; None
            where nothing is ranked.
        equals: rows that have a rank, and those that had one and are removed.
        leader: index in ``rows`` of the best of them; None where it is not shown.
        won: 95 % interval of the leader's true score given that it is the best.
        shrunk: that interval stands in ``rows``.
    """

    dataset: str
    protocol: str
    class_names: tuple[str, ...]
    test_digest: str | None
    rows_digest: str
    synthetic: bool
    n: int
    rows: pd.DataFrame
    members: pd.DataFrame
    measured: pd.DataFrame
    ranked_by: str = ""
    claim: str = ""
    left_out: int = 0
    left_out_for: Mapping[str, int] = field(default_factory=dict)
    clustered_by: str | None = None
    unclustered: int = 0
    lacking: Mapping[str, str] = field(default_factory=dict)
    hidden: int = 0
    hidden_runs: int = 0
    hidden_leader: str = ""
    partition: Partition | None = None
    plan: Planned | None = None
    reads: ReadCounts | None = None
    chosen_on: ChosenOn | None = None
    luck: float | None = None
    equals: int = 0
    leader: int | None = None
    won: tuple[float, float] | None = None
    shrunk: bool = False

    @cached_property
    def places(self) -> list[slice]:
        """Where the members of each of ``rows`` are."""
        return [slice(int(start), int(end)) for start, end in zip(self.rows["start"], self.rows["end"], strict=True)]

    @cached_property
    def tests(self) -> list[list[tuple[str, str]]]:
        """Run and evaluation of each member, by row."""
        every = list(zip(self.members["run"], self.members["evaluation"], strict=True))
        return [every[place] for place in self.places]

    def metric(self, key: str) -> list[Spread | None]:
        """A metric of each row over its runs; None unless every run has it, and every fold is there."""
        if key not in self.measured:
            return [None] * len(self.rows)
        values, seeds = self.measured[key].tolist(), self.members["sown"].tolist()
        about = zip(self.places, self.rows["whole"], self.rows["folds"].notna(), self.rows["intervals"], strict=True)
        made: list[Spread | None] = []
        for place, whole, folds, intervals in about:
            several = values[place]
            if not whole or any(value != value for value in several):
                made.append(None)
            elif folds:
                made.append(over_folds(zip(seeds[place], several, strict=True)))
            else:
                made.append(replace(Spread.of(several), interval=intervals.get(key)))
        return made

    @property
    def metrics(self) -> list[str]:
        """Metrics that any row has, per-class ones among them, in the order of the records."""
        return list(self.measured.columns[self.measured.notna().any()])

    @property
    def varied(self) -> list[str]:
        """Keys of options and fields that are not the same in all rows; all have one protocol, named or not, and
        folds are no setting where rows are over or of them."""
        return self._settings(differing(several_settings([self])))

    @property
    def telling(self) -> list[str]:
        """Those of `varied` that do not follow from the components: what people see."""
        return self._settings(telling(several_settings([self])))

    def _settings(self, keys: Iterable[str]) -> list[str]:
        known = {"data.protocol"} if self.partition is None else {"data.protocol", *FOLDS}
        return sorted(key for key in keys if "." in key and key not in known)


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


def contaminated(runs: Iterable[Summary]) -> pd.DataFrame:
    """Results that stand in no group, since they say nothing of unseen samples: selection, training or tuning had some
    of them, or it is said so. Columns are those of `ferbench.runs.frame.evaluations`, the model, and every metric."""
    import pandas as pd

    concerned = [run for run in runs if any(scores.contaminated for scores in run.scores)]
    table = evaluations(concerned, spread=False)
    models = [settings.get("model") for settings in table["settings"]]
    return pd.DataFrame({**metrics(concerned), **table, "model": models})[table["contaminated"] != ""]


def diverged(runs: Iterable[Summary]) -> Counter[str]:
    """How many runs of each configuration diverged; a copy of a run is no other run."""
    return lost(runs, "diverged")


def lost(runs: Iterable[Summary], *statuses: str) -> Counter[str]:
    """How many runs of each configuration ended so. Folds count for what they share with each other, too; those that
    are tested as one for each seed."""
    there = {run.training: run for run in runs if run.status in statuses}
    lacking = {(run.unfolded, run.seed) for run in there.values() if run.data.tested}
    counted = Counter(
        key for run in there.values() for key in {run.config, "" if run.data.tested else run.unfolded} - {""}
    )
    return counted + Counter(key for key, _ in lacking)


def ordered(rows: pd.DataFrame, cells: Sequence[Cell], *, descending: bool) -> pd.DataFrame:
    """Rows by a cell that each has, those without it last."""
    keys = list(zip(rows["config"], rows["run"], strict=True))
    stable = sorted(range(len(rows)), key=lambda place: keys[place])
    having = [
        (isinstance(cell, str), cell.mean if isinstance(cell, Spread) else cell, place)
        for place in stable
        if (cell := cells[place]) is not None
    ]
    having.sort(key=lambda each: each[:2], reverse=descending)
    return rows.take([place for *_, place in having] + [place for place in stable if cells[place] is None])


def several_settings(groups: Iterable[Group]) -> Collection[Mapping[str, Any]]:
    """The settings of rows; what many of them share is looked at once."""
    return {id(settings): settings for group in groups for settings in group.rows["settings"]}.values()
