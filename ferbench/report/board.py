"""A leaderboard as tables: which columns are shown unasked, which were asked for, in what order rows stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.metrics.measures import PER_CLASS, measure
from ferbench.ranking.leaderboard import Group, ordered, several_settings
from ferbench.ranking.rankable import RANKED_BY
from ferbench.report.leaderboard_columns import (
    COSTS,
    GROUP_COLUMNS,
    SHARED,
    BoardColumn,
    alike,
    base_columns,
    group_cells,
    metric_column,
    metrics_in_order,
    of_class,
    setting_column,
    without_column,
)
from ferbench.report.leaderboard_notes import above, caption, fold_notes, ranking_notes, several, shared, without_note
from ferbench.tables.formats import to_frame
from ferbench.tables.table import Cell, Table
from ferbench.wording import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"


class Board:
    """Groups as tables.

    Args:
        groups: what to show.
        single: their rows are single runs.
        ended: how many runs of each configuration ended without a result, by how they did, such as ``failed``.
    """

    def __init__(
        self, groups: Sequence[Group], *, single: bool, ended: Mapping[str, Mapping[str, int]] | None = None
    ) -> None:
        self.groups = groups
        self.single = single
        self._ended = ended or {}
        base = {column.column.key: column for column in base_columns(single)}
        taken = {*base, *(column.key for column in GROUP_COLUMNS)}
        self._measured = {f"measured_{key}" if key in taken else key: key for key in metrics_in_order(groups)}
        settings = several_settings(groups)
        dotted = sorted({key for values in settings for key in values if "." in key})
        self._without = RANKED_BY if any(group.left_out for group in groups) else ()
        drawn = {name for group in groups for ends in group.rows["intervals"] for name in ends}
        self.columns: dict[str, BoardColumn] = {
            **base,
            **{key: metric_column(key, name, single, interval=name in drawn) for key, name in self._measured.items()},
            **{f"{key}_without": without_column(key, single) for key in self._without},
            **{key: setting_column(key, [values.get(key) for values in settings]) for key in dotted},
        }

    def default(self, groups: Sequence[Group], *, people: bool, per_class: bool) -> list[str]:
        """Keys of the columns that these groups are shown with unasked.

        Args:
            groups: of this board.
            people: leave out what is empty or rarely looked at; a program gets every metric.
            per_class: with the scores of each class.
        """
        import pandas as pd

        keys = list(self.columns)[: len(base_columns(self.single))]
        if people and groups:
            rows = pd.concat([group.rows[[*SHARED, *COSTS, "name", "rank", "plan"]] for group in groups])
            same = {section for section in SHARED if alike(rows, section)}
            elsewhere = any((group.members["trained_on"] != group.dataset).any() for group in groups)
            empty = {key for key in (*COSTS, "name", "plan") if rows[key].isna().all()}
            hidden = {"rank", "unranked", *same, *empty} | (set() if elsewhere else {"trained_on"})
            hidden |= set() if any(group.partition for group in groups) else {"fold", "folds"}
            hidden |= set() if rows["rank"].notna().any() else {"rank_range", "gap", "p"}
            keys = [key for key in keys if key not in hidden]
        present = {name for group in groups for name in group.metrics}
        shown = [(key, name) for key, name in self._measured.items() if name in present]
        ranked_by = {group.ranked_by for group in groups}
        overall = [
            key
            for key, name in shown
            if name in ranked_by or (not of_class(name) and (measure(name).headline or not people))
        ]
        classes = [key for key, name in shown if of_class(name) and key not in overall] if per_class else []
        if classes:  # as the task orders them, not as another task with some of them does
            tasks = sorted((group.class_names for group in groups), key=len, reverse=True)
            order = {name: place for place, name in enumerate(dict.fromkeys(name for task in tasks for name in task))}
            classes.sort(key=lambda key: order.get(key.partition(":")[2], len(order)))
        varied = list(dict.fromkeys(key for group in groups for key in (group.telling if people else group.varied)))
        costs = [key for key in COSTS if key in keys] if people else []
        standing = [key for key in keys if key in ("gap", "p")] if people else []
        first = [key for key in keys if key == "rank_range"] if people else []
        last = [key for key in keys if key == "config"] if people else []
        named = [key for key in keys if key not in (*costs, *standing, *first, *last, "runs")]
        without = [f"{key}_without" for key in self._without if any(group.left_out for group in groups)]
        ranked = [key for key in overall if people and (key in RANKED_BY or self._measured[key] in ranked_by)]
        others = [key for key in overall if key not in ranked]
        runs = [] if self.single else ["runs"]
        if people:
            standing = [key for key in standing if any(self._is_there(key, group) for group in groups)]
        return [*first, *named, *ranked, *standing, *others, *without, *classes, *varied, *costs, *last, *runs]

    def _is_there(self, key: str, group: Group) -> bool:
        """Whether any row of a group has something in a column."""
        return any(cell is not None for cell in self.columns[key].of(group))

    def chosen(self, text: str) -> list[str]:
        """Keys from ``a,b,c``, or of all columns from ``all``. A class may have commas in its name.

        Raises:
            UserError: there is no such column.
        """
        if text.strip() == ALL:
            return list(self.columns)
        words, keys = text.split(","), []
        while words:
            joined = [",".join(words[:count]).strip() for count in range(len(words), 1, -1)]
            key = next((name for name in joined if name in self.columns), words[0].strip())
            keys.append(self.find(key, "--columns"))
            words = words[key.count(",") + 1 :]
        return list(dict.fromkeys(keys))

    def find(self, key: str, option: str) -> str:
        """``key``, when there is such a column.

        Raises:
            UserError: there is none.
        """
        if key not in self.columns:
            classes = [known for known, name in self._measured.items() if of_class(name)]
            listed = [name for name in self.columns if name not in classes and "." not in name]
            more = [f"{which}:CLASS" for which in PER_CLASS] if classes else []
            raise UserError(
                f"{option}: there is no column '{key}'",
                f"{did_you_mean(key, self.columns)}columns: {', '.join([*listed, *more])}, and settings such as "
                "optimizer.lr",
            )
        return key

    def rows(self, group: Group, sort: str | None, reverse: bool) -> pd.DataFrame:
        """The group's rows by a column, best first, or with ``reverse`` last; as they are when ``sort`` is None."""
        if sort is None and group.partition is not None and self.single:  # by fold
            return group.rows[::-1] if reverse else group.rows
        ranked_by = group.ranked_by or "macro_f1"
        column = self.columns.get(sort or next((key for key, name in self._measured.items() if name == ranked_by), ""))
        if column is None or (sort is None and not reverse and ranked_by == "macro_f1"):
            return group.rows
        descending = measure(ranked_by).higher_is_better if sort == "gap" else column.descending
        return ordered(group.rows, column.of(group), descending=descending != reverse)

    def table(self, group: Group, number: int, keys: Sequence[str], rows: pd.DataFrame) -> Table:
        """One group; ``number`` tells groups with one test set apart."""
        slug = re.sub(r"[^a-z0-9]+", "-", f"leaderboard-{group.dataset}-{short(group.rows_digest)}".lower())
        notes = list(ranking_notes(group, keys))
        notes += filter(None, [without_note(group)])
        notes += [] if self.single else list(self._without_result(group))
        if group.partition is not None:
            notes[:0] = fold_notes(group.partition, group.rows, single=self.single)
        elif len(group.members) > len(group.rows):
            notes.insert(0, "Metrics are means over the seeds of a configuration, the lowest and highest in brackets.")
        notes[:0] = shared(group, keys)
        return Table(
            id=slug if number == 1 else f"{slug}-{number}",
            caption=caption(group),
            columns=tuple(self.columns[key].column for key in keys),
            rows=tuple(self._cells(group, keys, rows)),
            notes=tuple(notes),
            above=tuple(above(group, keys)),
        )

    def _cells(self, group: Group, keys: Sequence[str], rows: pd.DataFrame) -> Iterable[tuple[Cell, ...]]:
        """The cells of a group's rows, in the order of ``rows``."""
        cells = dict(
            zip(group.rows.index, zip(*(self.columns[key].of(group) for key in keys), strict=True), strict=True)
        )
        return (cells[row] for row in rows.index)

    def _without_result(self, group: Group) -> Iterable[str]:
        """Which rows lack seeds that were begun: the mean is over the others."""
        lacking = []
        ids = group.rows["config_id" if group.partition is None else "unfolded_id"]
        for config, key in zip(group.rows["config"], ids, strict=True):
            counts = {how: number for how, several in self._ended.items() if (number := several.get(key, 0))}
            if counts:
                lacking.append(f"{config} ({', '.join(f'{number} {how}' for how, number in counts.items())})")
        if lacking:
            what = "Runs" if group.partition is not None else "Seeds"
            yield f"{what} without a result are in no mean: {several(lacking)}."

    def joint_table(self, keys: Sequence[str], rows: Sequence[pd.DataFrame]) -> Table:
        """All groups in one table, whose first columns say which samples a row was measured on."""
        return Table(
            id="leaderboard",
            caption="Finished runs; rows may be compared where test_set, protocol and classes are the same.",
            columns=(*GROUP_COLUMNS, *(self.columns[key].column for key in keys)),
            rows=tuple(
                (*group_cells(group), *cells)
                for group, ordered_rows in zip(self.groups, rows, strict=True)
                for cells in self._cells(group, keys, ordered_rows)
            ),
        )

    def frame(self, keys: Sequence[str] | None = None) -> pd.DataFrame:
        """All groups in one frame, a row a configuration, laid out as CSV is.

        Args:
            keys: of the columns; None: those that a program gets unasked, with the scores of each class.
        """
        chosen = self.default(self.groups, people=False, per_class=True) if keys is None else keys
        return to_frame(self.joint_table(chosen, [group.rows for group in self.groups]))
