"""The columns of a leaderboard: what there is, and where the cells come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferbench.ids import short
from ferbench.kinds import OF_RUNS
from ferbench.metrics.measures import KNOWN, PER_CLASS, measure
from ferbench.ranking.filters import as_text
from ferbench.ranking.leaderboard import Group
from ferbench.ranking.standing import WITH_INTERVALS
from ferbench.runs.frame import values_of
from ferbench.runs.summary import ELSEWHERE
from ferbench.tables.table import Cell, Column, Spread

if TYPE_CHECKING:
    import pandas as pd

#: What people look at after the metrics: how a result came about, and what it cost.
COSTS = ("train", "epochs", "best_epoch", "select", "parameters", "flops", "images_per_second", "seconds", "kind")


#: Of these people see the ones that tell rows apart; what all rows share is said in a note.
SHARED = tuple(section for section in OF_RUNS if section not in ("dataset", "model"))


@dataclass(frozen=True, slots=True)
class BoardColumn:
    """A column and where its cells come from.

    Attributes:
        column: as a table has it.
        cells: of the rows of a group; None: the column of its rows with this key.
        descending: a high value is a good one.
    """

    column: Column
    cells: Callable[[Group], Sequence[Cell]] | None = None
    descending: bool = False

    def of(self, group: Group) -> Sequence[Cell]:
        """The cells of a group's rows."""
        if self.cells is not None:
            return self.cells(group)
        return values_of(group.rows[self.column.key])


GROUP_COLUMNS = (
    Column("dataset", "dataset"),
    Column("protocol", "protocol"),
    Column("test_set", "test set", "id"),
    Column("n", "n", "count"),
    Column("classes", "classes"),
    Column("images", "images"),
    Column("test_reads", "test reads", "count"),
    Column("tested", "configurations tested", "count"),
    Column("removed", "of these removed since", "count"),
)


def group_cells(group: Group) -> tuple[Cell, ...]:
    images = "synthetic" if group.synthetic else "real"
    about = group.dataset, group.protocol, short(group.rows_digest), group.n, ", ".join(group.class_names), images
    if (reads := group.reads) is None:
        return *about, None, None, None
    return *about, reads.reads, reads.configurations, reads.removed


def base_columns(single: bool) -> list[BoardColumn]:
    """The columns that are no metric and no option."""
    run = Column("run", "run", "id", about="twelve digits of the training id")
    runs = Column("runs", "runs", about="the runs of the configuration, by seed")
    of_run = (Column("seed", "seed", "number"), Column("fold", "fold", about="which part of how many"))
    of_runs = (
        Column("seeds", "seeds", "count", about="how many seeds there are"),
        Column("folds", "folds", about="how many of how many; without all of them there is no mean"),
    )
    columns = (
        *([run] if single else []),
        Column("config", "config", "id", about="twelve digits of the configuration id, which seeds share"),
        Column("name", "name"),
        *(Column(section, section) for section in ("model", *SHARED)),
        *(of_run if single else of_runs),
        Column("rank", "rank", "count", about="1 + the rows that are significantly better"),
        Column("rank_range", "rank", about="best and worst place that tests of all pairs leave"),
        Column("gap", "to leader", "change", about="difference to the best of all rows in the metric that ranks"),
        Column("p", "adjusted p", "p", about="of the difference to the leader, after Holm's correction"),
        Column("plan", "plan", about="planned before the test set was read, or exploratory"),
        Column("unranked", "unranked", about="why the row has no rank"),
        Column(
            "kind",
            "kind",
            about="measured here, imported from other software, or foreign: weights from elsewhere",
        ),
        Column("trained_on", "trained on", about="the dataset, or several joined"),
        Column("train", "train", "count", about="training samples, where all runs have as many"),
        Column("epochs", "epochs", "count"),
        Column("best_epoch", "best epoch", "number", not single, "the epoch whose weights were tested"),
        Column("parameters", "parameters", "count"),
        Column("flops", "FLOPs", "count", about="of one image's forward pass"),
        Column("seconds", "training time", "seconds", not single),
        Column("images_per_second", "images/s", "number", not single, about="in training"),
        Column("select", "selected by", about="the metric of validation that chose the epoch"),
        *([] if single else [runs]),
    )
    return [BoardColumn(column, descending=column.key in ("gap", "images_per_second")) for column in columns]


def metric_column(key: str, name: str, single: bool, *, interval: bool) -> BoardColumn:
    known = measure(name)
    label = known.label if key == name else f"measured {known.label}"
    column = Column(key, label, "score", not single, known.about, interval=interval or name in WITH_INTERVALS)
    return BoardColumn(
        column, lambda group: [_plain(score, single) for score in group.metric(name)], known.higher_is_better
    )


def without_column(key: str, single: bool) -> BoardColumn:
    label, about = f"{measure(key).label} without", "the same without the samples of the list"
    column = Column(f"{key}_without", label, "score", not single, about, interval=True)
    return BoardColumn(
        column, lambda group: [_plain(without.get(key), single) for without in group.rows["without"]], True
    )


def _plain(score: Spread | None, single: bool) -> Cell:
    """Of a single run without an interval there is a number, and no spread."""
    return score.mean if score is not None and single and score.interval is None else score


def setting_column(key: str, values: Iterable[Any]) -> BoardColumn:
    given = [value for value in values if value is not None]
    numeric = bool(given) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given)

    def cells(group: Group) -> list[Cell]:
        several = [settings.get(key) for settings in group.rows["settings"]]
        return several if numeric else [None if value is None else as_text(value) for value in several]

    return BoardColumn(Column(key, key, "number" if numeric else "text"), cells)


def of_class(name: str) -> bool:
    return name.partition(":")[0] in PER_CLASS and ":" in name


def metrics_in_order(groups: Iterable[Group]) -> list[str]:
    """Known metrics first, then what else the records hold as they have it, and the scores of each class."""
    recorded = list(dict.fromkeys(name for group in groups for name in group.metrics))
    others = [name for name in recorded if name not in KNOWN and not of_class(name)]
    return [
        *(name for name in KNOWN if name in recorded),
        *others,
        *(name for name in recorded if of_class(name)),
    ]


def alike(rows: pd.DataFrame, section: str) -> bool:
    """Whether no two rows are known to differ in a component; what other software used is not known."""
    return len({*rows[section]} - {ELSEWHERE}) < 2
