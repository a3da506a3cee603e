"""The leaderboard and the comparison of two results, as values and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ferbench.api import frames
from ferbench.api.conditions import conditions
from ferbench.api.given import checked
from ferbench.api.html import table_html
from ferbench.api.results import Results, Run
from ferbench.errors import UserError
from ferbench.tables.table import Table
from ferbench.tables.terminal import to_terminal

if TYPE_CHECKING:
    import pandas as pd

    from ferbench.ranking.compare import Comparison as Sides
    from ferbench.ranking.leaderboard import Group, Unfinished

RankedBy = Literal["macro_f1", "accuracy", "balanced_accuracy"]


@dataclass(frozen=True, repr=False)
class Board:
    """A leaderboard: runs side by side, grouped by the test set that they were measured on.

    Attributes:
        groups: rows that may be compared, with their ranks, intervals and tests.
        tables: one for each group, as ``ferbench leaderboard`` shows it.
        frame: all rows; they may be compared where ``dataset``, ``test_set``, ``protocol`` and ``classes`` are the
            same. Metrics are means over seeds, with ``KEY_min``, ``KEY_max``, ``KEY_ci_low`` and ``KEY_ci_high``.
        unfinished: runs without a result.
    """

    groups: Sequence[Group]
    tables: Sequence[Table]
    frame: pd.DataFrame
    unfinished: Sequence[Unfinished]

    def __str__(self) -> str:
        parts = ["\n".join([table.caption, *table.above, *to_terminal(table, None)]) for table in self.tables]
        return "\n\n".join(parts) or "no results yet"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(map(table_html, self.tables)) or "<p>no results yet</p>"


@checked
def leaderboard(
    results: str | PathLike[str] | Results = "results",
    *,
    where: Mapping[str, Any] | None = None,
    metric: RankedBy = "macro_f1",
    per_class: bool = False,
    single: bool = False,
    without: str | PathLike[str] | None = None,
) -> Board:
    """Rank finished runs, grouped by the test set that they were measured on.

    A row is a configuration: metrics are means over its seeds with a 95 % interval. A rank is 1 + the rows that are
    significantly better; rows that cannot be told apart share it.

    Args:
        results: the results directory, or some runs of one; ranks are among all runs of their test set all the same.
        where: only runs with these: ``{"dataset": "fer2013", "optimizer.lr": [0.01, 0.001]}``; ``*`` and ``?`` stand
            for any text.
        metric: of ranks and tests.
        per_class: with precision, recall and F1 of every class.
        single: a row for each run instead of each configuration.
        without: a file that lists samples: some metrics without these too.

    Raises:
        UserError: no run meets a condition.
    """
    from ferbench.ranking import filters
    from ferbench.ranking.grouping import group
    from ferbench.ranking.hidden import among_all, on_the_same
    from ferbench.ranking.leaderboard import diverged, lost
    from ferbench.ranking.standing import RANKED_BY, with_standings
    from ferbench.report.board import Board as Columns
    from ferbench.runs.index import summaries

    if metric not in RANKED_BY:
        raise UserError(f"metric='{metric}' ranks nothing", f"choose among: {', '.join(RANKED_BY)}")
    chosen = None if not isinstance(results, Results) else {run.id for run in results}
    path = _directory(results)
    everything = summaries(path)
    selected = [run for run in everything if chosen is None or run.run in chosen]
    selected = filters.select(selected, filters.parse(conditions(where)))
    groups, unfinished = group(selected, single=single)
    hides = len(selected) < len(everything)
    whole = on_the_same(groups, group(everything, single=single)[0]) if hides else groups
    whole = with_standings(path, whole, diverged(everything), metric)
    groups = among_all(groups, whole) if hides else whole
    if without is not None:
        from ferbench.ranking.without import with_and_without

        groups = with_and_without(path, groups, Path(without), whole)
    columns = Columns(groups, single=single, ended={how: lost(everything, how) for how in ("failed", "interrupted")})
    rows = [columns.rows(one, None, False) for one in groups]
    tables = []
    for number, one in enumerate(groups):
        same = sum(earlier.rows_digest == one.rows_digest for earlier in groups[: number + 1])
        keys = columns.default([one], people=True, per_class=per_class)
        tables.append(columns.table(one, same, keys, rows[number]))
    joint = columns.joint_table(columns.default(groups, people=False, per_class=per_class), rows)
    return Board(groups, tables, frames.of_table(joint), unfinished)


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two runs or configurations on the same samples.

    Attributes:
        sentence: what may be concluded.
        frame: one row a metric: ``first``, ``second``, their ``difference`` with its 95 % interval ``low`` and
            ``high``, ``p``, ``p_adjusted`` (of classes), and the relative ``improvement``.
        samples: one row a sample that only one side gets right.
        sides: everything that is known, as `ferbench.ranking.compare.Comparison` has it.
        table: ``frame`` as ``ferbench compare`` shows it.
    """

    sentence: str
    frame: pd.DataFrame
    samples: pd.DataFrame
    sides: Sides
    table: Table

    def __str__(self) -> str:
        return "\n".join([self.sentence, "", *to_terminal(self.table, None)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.sentence)}</p>{table_html(self.table)}"


@checked
def compare(
    first: Run | str,
    second: Run | str,
    *,
    seeds: bool = False,
    draws: int = 10_000,
    results: str | PathLike[str] | None = None,
) -> Comparison:
    """Say whether one run or configuration is better than another, paired sample by sample.

    Args:
        first: A: a run, or a name, the first digits of a run's or a configuration's id.
        second: B, the baseline.
        seeds: compare their configurations, over all their seeds.
        draws: of the bootstrap.
        results: the results directory; None: that of a run that is given, or ``results``.

    Raises:
        UserError: they were not measured on the same samples, or have no result.
    """
    from ferbench.ranking.compare import compare as compared
    from ferbench.ranking.sides import find_side, on_one_test_set, over_seeds, refuse_selections
    from ferbench.report.paired_tables import metrics, unlike_samples
    from ferbench.runs.index import summaries

    given = [one for one in (first, second) if isinstance(one, Run)]
    path = Path(results) if results is not None else given[0].results if given else Path("results")
    runs = summaries(path)
    sides = tuple(find_side(path, one.id if isinstance(one, Run) else one, runs) for one in (first, second))
    if seeds:
        sides = over_seeds(sides[0], sides[1], runs)
        refuse_selections(*sides)
    found = compared(path, *on_one_test_set(sides[0], sides[1]), draws=draws, runs=runs)
    table = metrics(found)
    samples = frames.of_table(unlike_samples(found, None))
    return Comparison(found.conclusion, frames.of_table(table), samples, found, table)


def _directory(results: str | PathLike[str] | Results) -> Path:
    if not isinstance(results, Results):
        return Path(results)
    places = {run.results for run in results}
    if len(places) != 1:
        raise UserError("these runs are of no or several results directories", "give the runs of one, or its path")
    return places.pop()
