"""The columns of a leaderboard: what there is, and where the cells come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ferbench.ids import short
from ferbench.kinds import SECTIONS
from ferbench.metrics.measures import KNOWN, PER_CLASS, measure
from ferbench.ranking.filters import as_text
from ferbench.ranking.leaderboard import Group, Row
from ferbench.ranking.standing import WITH_INTERVALS
from ferbench.runs.summary import ELSEWHERE
from ferbench.tables.table import Cell, Column, Spread

#: What people look at after the metrics: how a result came about, and what it cost.
COSTS = ("train", "epochs", "best_epoch", "select", "parameters", "flops", "images_per_second", "seconds", "kind")


#: Of these people see the ones that tell rows apart; what all rows share is said in a note.
SHARED = tuple(section for section in SECTIONS if section not in ("dataset", "model"))


@dataclass(frozen=True, slots=True)
class BoardColumn:
    """A column and where its cells come from.

    Attributes:
        column: as a table has it.
        cell: of a row.
        descending: a high value is a good one.
    """

    column: Column
    cell: Callable[[Row], Cell]
    descending: bool = False


GROUP_COLUMNS = (
    Column("dataset", "dataset"),
    Column("protocol", "protocol"),
    Column("test_set", "test set", "id"),
    Column("n", "n", "count"),
    Column("classes", "classes"),
    Column("images", "images"),
)


def group_cells(group: Group) -> tuple[Cell, ...]:
    images = "synthetic" if group.synthetic else "real"
    return group.dataset, group.protocol, short(group.rows_digest), group.n, ", ".join(group.class_names), images


def base_columns(single: bool) -> list[BoardColumn]:
    """The columns that are no metric and no option."""
    run = BoardColumn(Column("run", "run", "id", about="twelve digits of the training id"), lambda row: row.runs[0].run)
    runs = BoardColumn(
        Column("runs", "runs", about="the runs of the configuration, by seed"),
        lambda row: " ".join(run.run for run in row.runs),
    )
    seed = BoardColumn(Column("seed", "seed", "number"), lambda row: row.runs[0].seed)
    seeds = BoardColumn(Column("seeds", "seeds", "count", about="how many seeds there are"), lambda row: row.seeds)
    fold = BoardColumn(Column("fold", "fold", about="which part of how many"), lambda row: row.runs[0].data["fold"])
    folds = BoardColumn(
        Column("folds", "folds", about="how many of how many; without all of them there is no mean"),
        lambda row: None if row.held is None else str(row.held),
    )
    epoch = Column("best_epoch", "best epoch", "number", not single, "the epoch whose weights were tested")
    return [
        *([run] if single else []),
        BoardColumn(
            Column("config", "config", "id", about="twelve digits of the configuration id, which seeds share"),
            lambda row: row.config,
        ),
        BoardColumn(Column("name", "name"), lambda row: row.name),
        *(_component(section) for section in ("model", *SHARED)),
        seed if single else seeds,
        fold if single else folds,
        BoardColumn(
            Column("rank", "rank", "count", about="1 + the rows that are significantly better"),
            lambda row: row.standing.best if row.standing else None,
        ),
        BoardColumn(
            Column("rank_range", "rank", about="best and worst place that tests of all pairs leave"),
            lambda row: row.standing.range if row.standing else None,
        ),
        BoardColumn(
            Column("gap", "to leader", "change", about="difference to the best of all rows in the metric that ranks"),
            lambda row: row.standing.gap if row.standing else None,
            descending=True,
        ),
        BoardColumn(
            Column("p", "adjusted p", "p", about="of the difference to the leader, after Holm's correction"),
            lambda row: row.standing.p if row.standing else None,
        ),
        BoardColumn(
            Column("unranked", "unranked", about="why the row has no rank"),
            lambda row: (row.standing.reason or None) if row.standing else None,
        ),
        BoardColumn(
            Column("kind", "kind", about="measured here, or imported: predictions that other software made"),
            lambda row: row.kind,
        ),
        BoardColumn(
            Column("trained_on", "trained on", about="the dataset, or several joined"),
            lambda row: row.runs[0].data["dataset"],
        ),
        BoardColumn(
            Column("train", "train", "count", about="training samples, where all runs have as many"),
            lambda row: _same([run.data["train"] or None for run in row.runs]),
        ),
        BoardColumn(Column("epochs", "epochs", "count"), lambda row: row.runs[0].epochs),
        BoardColumn(epoch, lambda row: _over_runs([run.best_epoch for run in row.runs], single)),
        BoardColumn(Column("parameters", "parameters", "count"), lambda row: row.runs[0].parameters),
        BoardColumn(
            Column("flops", "FLOPs", "count", about="of one image's forward pass"), lambda row: row.runs[0].flops
        ),
        BoardColumn(
            Column("seconds", "training time", "seconds", not single),
            lambda row: _over_runs([run.seconds for run in row.runs], single),
        ),
        BoardColumn(
            Column("images_per_second", "images/s", "number", not single, about="in training"),
            lambda row: _over_runs([run.speed for run in row.runs], single),
            descending=True,
        ),
        BoardColumn(
            Column("select", "selected by", about="the metric of validation that chose the epoch"),
            lambda row: row.runs[0].select or None,
        ),
        *([] if single else [runs]),
    ]


def _component(section: str) -> BoardColumn:
    return BoardColumn(Column(section, section), lambda row: row.settings.get(section))


def metric_column(key: str, name: str, single: bool) -> BoardColumn:
    known = measure(name)
    label = known.label if key == name else f"measured {known.label}"
    column = Column(key, label, "score", not single, known.about, interval=name in WITH_INTERVALS)
    return BoardColumn(column, lambda row: _plain(row.metric(name), single), known.higher_is_better)


def without_column(key: str, single: bool) -> BoardColumn:
    label, about = f"{measure(key).label} without", "the same without the samples of the list"
    column = Column(f"{key}_without", label, "score", not single, about, interval=True)
    return BoardColumn(column, lambda row: _plain(row.without.get(key), single), True)


def _plain(score: Spread | None, single: bool) -> Cell:
    """Of a single run without an interval there is a number, and no spread."""
    return score.mean if score is not None and single and score.interval is None else score


def setting_column(key: str, values: Iterable[Any]) -> BoardColumn:
    given = [value for value in values if value is not None]
    numeric = bool(given) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given)

    def cell(row: Row) -> Cell:
        value = row.settings.get(key)
        return value if value is None or numeric else as_text(value)

    return BoardColumn(Column(key, key, "number" if numeric else "text"), cell)


def _over_runs(values: Sequence[float | None], single: bool) -> Cell:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return known[0] if single else Spread.of(known)


def _same(values: Sequence[Cell]) -> Cell:
    return values[0] if len(set(values)) == 1 else None


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


def alike(rows: Iterable[Row], section: str) -> bool:
    """Whether no two rows are known to differ in a component; what other software used is not known."""
    return len({row.settings.get(section) for row in rows} - {ELSEWHERE}) < 2
