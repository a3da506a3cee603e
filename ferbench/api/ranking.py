"""The leaderboard, as values, tables and frames."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.api.conditions import conditions
from ferbench.api.given import checked
from ferbench.api.html import table_html
from ferbench.api.results import Results
from ferbench.errors import UserError
from ferbench.runs.frame import values_of
from ferbench.tables.table import Table
from ferbench.tables.terminal import to_terminal
from ferbench.wording import number_of

if TYPE_CHECKING:
    import pandas as pd

    from ferbench.plugin.registry import Registry
    from ferbench.ranking.leaderboard import Group, Unfinished
    from ferbench.ranking.published import Published
    from ferbench.records.preregistration import Preregistration
    from ferbench.report.board import Board as Layout


@dataclass(frozen=True, repr=False)
class Board:
    """A leaderboard: runs side by side, grouped by the test set that they were measured on.

    Attributes:
        groups: rows that may be compared, with their ranks, intervals and tests: ``group.rows`` is a frame with a row a
            configuration, ``group.members`` one with a row an evaluation.
        unfinished: runs without a result, and why they have none.
        contaminated: results that say nothing of unseen samples, and why: a frame with a row an evaluation.
        published: results that others reported.
        unread: files beside those that are no such results.
        known: how many runs the results directory has, whether they were asked for or not.
        layout: which columns there are.
        columns: keys of those that were asked for; None: the usual ones.
        sort: the column that rows are sorted by; None: the one that ranks.
        reverse: rows are sorted the other way round.
        per_class: scores of each class are among the usual columns.
        plan_note: what is to be said of a plan that names no test set of these groups; else empty.
        missing: the results directory, where there is none.
    """

    groups: Sequence[Group]
    unfinished: Sequence[Unfinished]
    contaminated: pd.DataFrame
    published: Sequence[Published]
    unread: Sequence[Path]
    known: int
    layout: Layout
    columns: Sequence[str] | None
    sort: str | None
    reverse: bool
    per_class: bool
    missing: Path | None = None
    plan_note: str = ""

    def tables(self, *, people: bool = True) -> list[Table]:
        """A table for each group; of the usual columns, a program gets every metric, people those that tell apart."""
        tables = []
        for number, group in enumerate(self.groups, start=1):
            same = sum(earlier.rows_digest == group.rows_digest for earlier in self.groups[:number])
            keys = self._keys([group], people=people)
            tables.append(self.layout.table(group, same, keys, self._rows(group)))
        return tables

    def joint_table(self) -> Table:
        """All groups in one table, for programs; its first columns say which samples a row was measured on."""
        return self.layout.joint_table(self._keys(self.groups, people=False), list(map(self._rows, self.groups)))

    @property
    def frame(self) -> pd.DataFrame:
        """All rows, with the columns of ``ferbench leaderboard --format csv``.

        Rows may be compared where ``dataset``, ``test_set``, ``protocol`` and ``classes`` are the same. Metrics are
        means over seeds, ``KEY_mean``, with ``KEY_min``, ``KEY_max``, ``KEY_ci_low`` and ``KEY_ci_high``; of single
        runs ``KEY``.
        """
        from ferbench.tables.formats import to_frame

        return to_frame(self.joint_table())

    def unranked_table(self) -> Table:
        """What has no rank: results that others reported, and those that say nothing of unseen samples."""
        from ferbench.report.unranked_tables import unranked_table

        return unranked_table(self.contaminated, self.published)

    def other_tables(self) -> list[Table]:
        """What stands below the groups, where there is such: results without a rank, runs without a result."""
        from ferbench.report.unranked_tables import unfinished_table

        unranked = [self.unranked_table()] if len(self.contaminated) or self.published else []
        return [*unranked, *([unfinished_table(self.unfinished)] if self.unfinished else [])]

    def document(self) -> dict[str, Any]:
        """As plain values: what ``ferbench leaderboard --json`` prints."""
        from ferbench.tables.formats import to_json_value

        groups = []
        for group, table in zip(self.groups, self.tables(people=False), strict=True):
            value = to_json_value(table)
            if not self.layout.single:
                rows, members = self._rows(group), _runs(group)
                for cells, start, end in zip(value["rows"], rows["start"], rows["end"], strict=True):
                    cells["runs"] = members[start:end]
            about = {field.name: getattr(group, field.name) for field in fields(group) if field.name not in _APART}
            about["folds"] = None if group.partition is None else asdict(group.partition)
            about["plan"] = None if group.plan is None else asdict(group.plan)
            about["test_reads"] = None if group.reads is None else group.reads.document()
            about["chosen_on"] = None if group.chosen_on is None else asdict(group.chosen_on)
            groups.append({**about, "varied": group.varied, "columns": value["columns"], "rows": value["rows"]})
        unranked = to_json_value(self.unranked_table())["rows"]
        return {"groups": groups, "unfinished": list(map(asdict, self.unfinished)), "unranked": unranked}

    def _rows(self, group: Group) -> pd.DataFrame:
        return self.layout.rows(group, self.sort, self.reverse)

    def _keys(self, groups: Sequence[Group], *, people: bool) -> Sequence[str]:
        """Columns: those that were asked for, else the usual ones and the one that rows are sorted by."""
        if self.columns is not None:
            return self.columns
        keys = self.layout.default(groups, people=people, per_class=self.per_class)
        if self.sort is None or self.sort in keys:
            return keys
        place = keys.index("runs") if "runs" in keys else len(keys)
        return [*keys[:place], self.sort, *keys[place:]]

    def __str__(self) -> str:
        parts = ["\n".join([table.caption, *table.above, *to_terminal(table, None)]) for table in self.tables()]
        return "\n\n".join(parts) or self._nothing

    __repr__ = __str__

    @property
    def _nothing(self) -> str:
        return "no results yet" if self.missing is None else f"there is no directory {self.missing}"

    def _repr_html_(self) -> str:
        return "".join(map(table_html, self.tables())) or f"<p>{escape(self._nothing)}</p>"


@checked
def leaderboard(
    results: str | PathLike[str] | Results = "results",
    *,
    where: Mapping[str, Any] | Sequence[str] | None = None,
    rank_by: str = "macro_f1",
    sort: str | None = None,
    reverse: bool = False,
    columns: str | Sequence[str] | None = None,
    per_class: bool = False,
    single: bool = False,
    shrink: bool = False,
    plan: str | PathLike[str] | None = None,
    without: str | PathLike[str] | None = None,
    published: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
    plugins: Sequence[str | PathLike[str]] = (),
) -> Board:
    """Rank finished runs, grouped by the test set that they were measured on.

    A row is a configuration: metrics are means over its seeds with a 95 % interval. A rank is 1 + the rows that are
    significantly better; rows that cannot be told apart share it.

    Args:
        results: the results directory, or some runs of one; ranks are among all runs of their test set all the same.
        where: only runs with these: ``{"dataset": "fer2013", "optimizer.lr": [0.01, 0.001]}``; ``*`` and ``?`` stand
            for any text. Or texts, as ``--where`` has them.
        rank_by: the metric of ranks and tests: any that the runs have and that follows from predictions.
        sort: a column to sort by, best first; None: the metric of ranks.
        reverse: sort the other way round.
        columns: keys of the columns to show; ``all`` for all there are; None: the usual ones.
        per_class: with precision, recall and F1 of every class.
        single: a row for each run instead of each configuration.
        shrink: the interval of the best row, in the metric of ranks, is that of its true value given that it is the
            best: the highest of several scores is too high on average.
        plan: a plan of ``ferbench plan``, whose rows alone are ranked where it names a test set; None: ``plan.toml`` of
            the results directory, where there is one.
        without: a file that lists samples: some metrics without these too.
        published: a directory with tables that others published, or several.
        plugins: files or importable modules with metrics of your own, whose intervals are computed by them.

    Raises:
        UserError: no run meets a condition, there is no such column or metric, or a file cannot be read.
    """
    from ferbench.ranking import filters
    from ferbench.ranking.chosen_on import with_choices
    from ferbench.ranking.grouping import group
    from ferbench.ranking.hidden import among_all, on_the_same
    from ferbench.ranking.leaderboard import contaminated, diverged, lost
    from ferbench.ranking.planned import with_plan
    from ferbench.ranking.published import read_published
    from ferbench.ranking.rankable import PluginMetrics, check_ranking
    from ferbench.ranking.read_counts import with_reads
    from ferbench.ranking.standing import shrunk, with_standings
    from ferbench.records.ledger import read_ledger
    from ferbench.records.preregistration import plan_of
    from ferbench.report.board import Board as Layout
    from ferbench.runs.index import summaries
    from ferbench.runs.reads import with_found

    chosen = {run.id for run in results} if isinstance(results, Results) else None
    path = _directory(results)
    registered = plan_of(path, None if plan is None else Path(plan))
    everything = summaries(path)
    gc.freeze()  # all of it is needed to the end: no use in looking through it for garbage
    try:
        selected = [run for run in everything if chosen is None or run.run in chosen]
        selected = filters.select(selected, filters.parse(conditions(where)))
        groups, unfinished = group(selected, single=single)
        hides = len(selected) < len(everything)
        whole = groups
        if hides:
            shown = {run.run for run in selected}
            others = (run for run in everything if run.run not in shown and shown.isdisjoint(run.folds))
            # Of copies of a run the first counts, which is to be the one that is shown.
            whole = on_the_same(groups, group([*selected, *others], single=single)[0])
        named = dict.fromkeys(name for run in everything for name in run.plugin_metrics)
        of_plugins = PluginMetrics(named, lambda: _registry(plugins))
        check_ranking(groups, rank_by, of_plugins)
        whole = with_choices(path, whole, everything)
        whole = with_reads(path, whole, everything, single=single)
        if registered is not None:
            reads = with_found(read_ledger(path), everything)
            whole = with_plan(whole, registered, reads, everything, single=single)
            groups = with_plan(groups, registered, reads, everything, single=single)
        whole = with_standings(path, whole, diverged(everything), rank_by, of_plugins)
        groups = among_all(groups, whole) if hides else whole
        groups = [shrunk(of) for of in groups] if shrink else groups
        if without is not None:
            from ferbench.ranking.without import with_and_without

            groups = with_and_without(path, groups, Path(without), whole)
    finally:
        gc.unfreeze()
    layout = Layout(groups, single=single, ended={how: lost(everything, how) for how in ("failed", "interrupted")})
    asked = columns if columns is None or isinstance(columns, str) else ",".join(columns)
    directories = [published] if isinstance(published, (str, PathLike)) else published or ()
    read = [read_published(Path(directory)) for directory in directories]
    return Board(
        groups=groups,
        unfinished=[_looked_at(path, run) for run in unfinished],
        contaminated=contaminated(selected),
        published=[result for results, _ in read for result in results],
        unread=[path for _, unread in read for path in unread],
        known=len(everything),
        layout=layout,
        columns=None if asked is None else layout.chosen(asked),
        sort=None if sort is None else layout.find(sort, "--sort"),
        reverse=reverse,
        per_class=per_class,
        missing=None if path.is_dir() else path,
        plan_note=_plan_note(registered, groups),
    )


def _plan_note(plan: Preregistration | None, groups: Sequence[Group]) -> str:
    if plan is None or any(group.plan is not None for group in groups):
        return ""
    return (
        f"the plan {plan.path} names no test set that is shown: none of its {number_of(len(plan.runs), 'run')} is there"
    )


def _registry(plugins: Sequence[str | PathLike[str]]) -> Registry:
    from ferbench.plugin.discovery import load_registry

    return load_registry([os.fspath(plugin) for plugin in plugins])


def _directory(results: str | PathLike[str] | Results) -> Path:
    if not isinstance(results, Results):
        return Path(results)
    places = {run.results for run in results}
    if len(places) != 1:
        raise UserError("these runs are of no or several results directories", "give the runs of one, or its path")
    return places.pop()


def _looked_at(results: Path, run: Unfinished) -> Unfinished:
    """A run without a result; of one that says it is running, who is at work on it."""
    if run.status != "running":
        return run
    from ferbench.runs.directory import RunDirectory, run_path
    from ferbench.runs.lock import at_work

    holder = at_work(RunDirectory(run_path(results, run.run)))
    return replace(run, reason=f"{holder} is at work on it" if holder else "no process is at work on it any more")


#: Attributes of a group that its document has in another form.
_APART = ("rows", "members", "measured", "partition", "plan", "reads", "chosen_on", "leader")


def _runs(group: Group) -> list[dict[str, Any]]:
    """Who the members of a group are."""
    keys = ("run", "name", "seed", *(() if group.partition is None else ("fold",)))
    members = zip(*(values_of(group.members[key]) for key in keys), strict=True)
    return [dict(zip(keys, values, strict=True)) for values in members]
