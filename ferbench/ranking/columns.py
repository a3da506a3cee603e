"""The columns of a leaderboard: what there is, what is shown unasked, and the tables made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ferbench.errors import UserError
from ferbench.kinds import IN_IDS
from ferbench.metrics.measures import KNOWN, PER_CLASS, measure
from ferbench.plugin.faults import did_you_mean
from ferbench.ranking.clusters import clusters_note
from ferbench.ranking.filters import as_text
from ferbench.ranking.folds import fold_notes
from ferbench.ranking.leaderboard import Contaminated, Group, Row, Unfinished, ordered, several_settings, short, spread
from ferbench.ranking.published import Published
from ferbench.ranking.standing import RANKED_BY, WITH_INTERVALS
from ferbench.runs.remarks import of_absent
from ferbench.runs.summary import ELSEWHERE
from ferbench.statistics import ENOUGH_SEEDS
from ferbench.tables.table import Cell, Column, Table

ALL = "all"

#: What people look at after the metrics: how a result came about, and what it cost.
COSTS = ("train", "epochs", "best_epoch", "select", "parameters", "flops", "images_per_second", "seconds", "kind")

#: Of these people see the ones that tell rows apart; what all rows share is said in a note.
SHARED = tuple(section for section in IN_IDS if section != "model")


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
        base = {one.column.key: one for one in _base(single)}
        taken = {*base, *(column.key for column in _GROUP_COLUMNS)}
        self._measured = {f"measured_{key}" if key in taken else key: key for key in _in_order(groups)}
        settings = several_settings(row for group in groups for row in group.rows)
        dotted = sorted({key for one in settings for key in one if "." in key})
        self._without = RANKED_BY if any(group.left_out for group in groups) else ()
        self.columns: dict[str, BoardColumn] = {
            **base,
            **{key: _metric(key, name, single) for key, name in self._measured.items()},
            **{f"{key}_without": _without(key, single) for key in self._without},
            **{key: _setting(key, [one.get(key) for one in settings]) for key in dotted},
        }

    def default(self, groups: Sequence[Group], *, people: bool, per_class: bool) -> list[str]:
        """Keys of the columns that these groups are shown with unasked.

        Args:
            groups: of this board.
            people: leave out what is empty or rarely looked at; a program gets every metric.
            per_class: with the scores of each class.
        """
        rows = [row for group in groups for row in group.rows]
        keys = list(self.columns)[: len(_base(self.single))]
        if people:
            same = {section for section in SHARED if _alike(rows, section)}
            elsewhere = any(
                run.data["dataset"] != group.dataset for group in groups for row in group.rows for run in row.runs
            )
            same |= set() if elsewhere else {"trained_on"}
            hidden = {"rank", "unranked", *same, *(() if any(row.name for row in rows) else ("name",))}
            hidden |= set() if any(group.partition for group in groups) else {"fold", "folds"}
            hidden |= {key for key in COSTS if all(self.columns[key].cell(row) is None for row in rows)}
            hidden |= set() if any(row.standing and row.standing.best for row in rows) else {"rank_range", "gap", "p"}
            keys = [key for key in keys if key not in hidden]
        present = {name for group in groups for name in group.metrics}
        shown = [(key, name) for key, name in self._measured.items() if name in present]
        overall = [key for key, name in shown if not _of_class(name) and (measure(name).headline or not people)]
        classes = [key for key, name in shown if _of_class(name)] if per_class else []
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
        ranked = [key for key in overall if people and key in RANKED_BY]
        others = [key for key in overall if key not in ranked]
        found = [*first, *named, *ranked, *standing, *others, *without, *classes, *varied, *costs, *last]
        return found if self.single else [*found, "runs"]

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
            key = next((one for one in joined if one in self.columns), words[0].strip())
            keys.append(self.find(key, "--columns"))
            words = words[key.count(",") + 1 :]
        return list(dict.fromkeys(keys))

    def find(self, key: str, option: str) -> str:
        """``key``, when there is such a column.

        Raises:
            UserError: there is none.
        """
        if key not in self.columns:
            classes = [one for one, name in self._measured.items() if _of_class(name)]
            listed = [one for one in self.columns if one not in classes and "." not in one]
            more = [f"{which}:CLASS" for which in PER_CLASS] if classes else []
            raise UserError(
                f"{option}: there is no column '{key}'",
                f"{did_you_mean(key, self.columns)}columns: {', '.join([*listed, *more])}, and settings such as "
                "optimizer.lr",
            )
        return key

    def rows(self, group: Group, sort: str | None, reverse: bool) -> tuple[Row, ...]:
        """The group's rows by a column, best first, or with ``reverse`` last; as they are when ``sort`` is None."""
        if sort is None and group.partition is not None and self.single:  # by fold
            return group.rows[::-1] if reverse else group.rows
        column = self.columns.get(sort or group.ranked_by or "macro_f1")
        if column is None or (sort is None and not reverse and group.ranked_by in ("", "macro_f1")):
            return group.rows
        return ordered(group.rows, column.cell, descending=column.descending != reverse)

    def table(self, group: Group, number: int, keys: Sequence[str], rows: Iterable[Row]) -> Table:
        """One group; ``number`` tells groups with one test set apart."""
        chosen = [self.columns[key] for key in keys]
        slug = re.sub(r"[^a-z0-9]+", "-", f"leaderboard-{group.dataset}-{short(group.rows_digest)}".lower())
        notes = list(ranking_notes(group, keys))
        notes += filter(None, [without_note(group)])
        notes += [] if self.single else list(self._without_result(group))
        if group.partition is not None:
            notes[:0] = fold_notes(group.partition, group.rows, single=self.single)
        elif any(len(row.runs) > 1 for row in group.rows):
            notes.insert(0, "Metrics are means over the seeds of a configuration, the lowest and highest in brackets.")
        notes[:0] = _shared(group, keys)
        return Table(
            id=slug if number == 1 else f"{slug}-{number}",
            caption=caption(group),
            columns=tuple(one.column for one in chosen),
            rows=tuple(tuple(one.cell(row) for one in chosen) for row in rows),
            notes=tuple(notes),
            above=tuple(_above(group, keys)),
        )

    def _without_result(self, group: Group) -> Iterable[str]:
        """Which rows lack seeds that were begun: the mean is over the others."""
        found = []
        for row in group.rows:
            key = row.runs[0].config if group.partition is None else row.runs[0].unfolded
            counts = {how: number for how, several in self._ended.items() if (number := several.get(key, 0))}
            if counts:
                found.append(f"{row.config} ({', '.join(f'{number} {how}' for how, number in counts.items())})")
        if found:
            what = "Runs" if group.partition is not None else "Seeds"
            yield f"{what} without a result are in no mean: {_listed(found)}."

    def joint_table(self, keys: Sequence[str], rows: Sequence[Iterable[Row]]) -> Table:
        """All groups in one table, whose first columns say which samples a row was measured on."""
        chosen = [self.columns[key] for key in keys]
        return Table(
            id="leaderboard",
            caption="Finished runs; rows may be compared where test_set, protocol and classes are the same.",
            columns=(*_GROUP_COLUMNS, *(one.column for one in chosen)),
            rows=tuple(
                (*_group_cells(group), *(one.cell(row) for one in chosen))
                for group, ordered_rows in zip(self.groups, rows, strict=True)
                for row in ordered_rows
            ),
        )


def caption(group: Group) -> str:
    """What a group was measured on, in a line."""
    measured = f", test set {short(group.test_digest)}" if group.test_digest else ""
    text = f"{group.dataset}, {group.protocol}{measured}, n = {group.n:,}, {len(group.class_names)} classes: "
    text += ", ".join(group.class_names)
    return f"SYNTHETIC IMAGES, not comparable with real data: {text}" if group.synthetic else text


def ranking_notes(group: Group, keys: Sequence[str]) -> Iterable[str]:
    """What ranks and intervals in the columns ``keys`` mean, and which rows have no rank, and why."""
    ranked = any(row.standing is not None and row.standing.best is not None for row in group.rows)
    tested = ranked and bool({"rank", "rank_range", "p"} & set(keys))
    known = any(row.standing is not None and row.standing.intervals for row in group.rows)
    measured = known and any(key.removesuffix("_without") in WITH_INTERVALS for key in keys)
    if tested:
        label = measure(group.ranked_by).label
        yield (
            f"Rank: from 1 + the rows that are significantly better in {label} (paired tests of all pairs, Holm's "
            "correction, 5 %) to the rows less those that are significantly worse; what cannot be told apart shares it."
        )
    if measured:
        yield (
            "±, or [from, to] where it is uneven: 95 % interval; of one seed that of this trained model over samples, "
            "of three or more that of the configuration over seeds and samples; two seeds have none. Tests take seeds "
            "into account where both rows have three or more."
        )
    if (tested or measured) and group.clustered_by is not None:
        yield clusters_note(group.clustered_by, group.unclustered, group.n)
    absent = dict.fromkeys(name for row in group.rows for one in row.scores for name in one.absent)
    if said := of_absent(list(absent), len(group.class_names), "test" if group.partition is None else "validation"):
        yield f"{said}."
    for why in dict.fromkeys(group.lacking.values()):
        names = [measure(key).label for key in WITH_INTERVALS if group.lacking.get(key) == why and key in keys]
        if names:
            yield f"No interval of {', '.join(names)}: {why}."
    reasons: dict[str, list[str]] = {}
    for row in group.rows:
        if row.standing is not None and row.standing.reason:
            who = row.config if len(row.runs) > 1 else row.runs[0].run
            reasons.setdefault(row.standing.reason.removeprefix(f"{row.runs[0].run} "), []).append(who)
    for reason, rows in reasons.items():
        which = "No row is ranked" if len(rows) == len(group.rows) else f"Not ranked: {_listed(rows)}"
        yield f"{which}: {reason}."


def hidden_note(group: Group) -> str:
    """How many rows of a test set are not shown, and that they count; empty where all are."""
    if not group.hidden:
        return ""
    total = group.hidden + len(group.rows)
    be = "is" if group.hidden == 1 else "are"
    text = f"{group.hidden:,} of the {total:,} rows of this test set {be} hidden by --where"
    if group.partition is not None:
        return f"{text}."
    leader = f"; the leader is one of them: {group.hidden_leader}" if group.hidden_leader else ""
    return f"{text}; ranks and adjusted p are among all {total:,}{leader}."


def without_note(group: Group) -> str:
    """How many samples the list of ``--without`` leaves out and why; empty where it leaves out none."""
    if not group.left_out:
        return ""
    why = ", ".join(f"{reason or 'no reason given'} {count:,}" for reason, count in group.left_out_for.items())
    return (
        f"Without: the same without the {group.left_out:,} of {group.n:,} samples "
        f"({group.left_out / group.n:.1%}) that the list names: {why}. Ranks are on all samples."
    )


def _above(group: Group, keys: Sequence[str]) -> Iterable[str]:
    """What has to be known before the ranks are read."""
    if note := hidden_note(group):
        yield note
    ranked = [row for row in group.rows if row.standing is not None and row.standing.best is not None]
    few, total = sum(row.seeds < ENOUGH_SEEDS for row in ranked) + group.hidden_few, len(ranked) + group.hidden
    if not ranked or total < 2 or not few or not {"rank", "rank_range", "p"} & set(keys):
        return
    if few == total:
        yield f"Ranks and p compare these trained weights, not the models: no row has {ENOUGH_SEEDS} seeds."
    else:
        yield (
            f"Where a row has fewer than {ENOUGH_SEEDS} seeds ({few:,} of {total:,} have), ranks and p compare its "
            "trained weights, not the models."
        )


def unranked_table(contaminated: Sequence[Contaminated], published: Sequence[Published]) -> Table:
    """What is shown without a rank: results that others reported, and those that say nothing of unseen samples."""
    every = [*(one.scores.values for one in contaminated), *(one.values for one in published)]
    affect = [key for key in WITH_INTERVALS if key.startswith(("valence", "arousal")) and any(key in v for v in every)]
    keys = ("accuracy", "macro_f1", "balanced_accuracy", *affect)
    columns = (
        Column("name", "name"),
        Column("kind", "kind"),
        Column("run", "run", "id"),
        Column("dataset", "dataset"),
        Column("split", "measured on"),
        Column("n", "n", "count"),
        *(Column(key, measure(key).label, "score") for key in keys),
        Column("reason", "why it has no rank"),
    )
    rows: list[tuple[Cell, ...]] = []
    for one in contaminated:
        run, on = one.run, one.scores.data or one.run.data
        values = [one.scores.values.get(key) for key in keys]
        kind = run.kind if run.elsewhere else "contaminated"
        about = (run.name or run.settings.get("model"), kind, run.run, on["dataset"], on["protocol"])
        rows.append((*about, one.scores.n, *values, one.scores.contaminated))
    for given in published:
        why = "no predictions to compare" + (f"; {given.note}" if given.note else "")
        values = [given.values.get(key) for key in keys]
        rows.append((given.name, "reported", None, given.dataset, given.split, given.n, *values, why))
    return Table(
        "leaderboard-unranked",
        "not ranked: reported by others, or not measured on unseen samples",
        columns,
        tuple(rows),
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:4])} and {len(names) - 4} more"


def unfinished_table(unfinished: Sequence[Unfinished]) -> Table:
    """The runs without a result."""
    columns = (Column("run", "run", "id"), *(Column(key, key) for key in ("name", "status", "reason")))
    rows = tuple((one.run, one.name, one.status, one.reason) for one in unfinished)
    return Table("leaderboard-unfinished", "without a result", columns, rows)


_GROUP_COLUMNS = (
    Column("dataset", "dataset"),
    Column("protocol", "protocol"),
    Column("test_set", "test set", "id"),
    Column("n", "n", "count"),
    Column("classes", "classes"),
    Column("images", "images"),
)


def _group_cells(group: Group) -> tuple[Cell, ...]:
    images = "synthetic" if group.synthetic else "real"
    return group.dataset, group.protocol, short(group.rows_digest), group.n, ", ".join(group.class_names), images


def _base(single: bool) -> list[BoardColumn]:
    """The columns that are no metric and no option."""
    run = BoardColumn(Column("run", "run", "id", about="twelve digits of the training id"), lambda row: row.runs[0].run)
    runs = BoardColumn(
        Column("runs", "runs", about="the runs of the configuration, by seed"),
        lambda row: " ".join(one.run for one in row.runs),
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
        *(_component(section) for section in IN_IDS),
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


def _metric(key: str, name: str, single: bool) -> BoardColumn:
    known = measure(name)

    def cell(row: Row) -> Cell:
        found = row.metric(name)
        return found.mean if found is not None and single and found.interval is None else found

    label = known.label if key == name else f"measured {known.label}"
    column = Column(key, label, "score", not single, known.about, interval=name in WITH_INTERVALS)
    return BoardColumn(column, cell, known.higher_is_better)


def _without(key: str, single: bool) -> BoardColumn:
    label, about = f"{measure(key).label} without", "the same without the samples of the list"

    def cell(row: Row) -> Cell:
        found = row.without.get(key)
        return found.mean if found is not None and single and found.interval is None else found

    return BoardColumn(Column(f"{key}_without", label, "score", not single, about, interval=True), cell, True)


def _setting(key: str, values: Iterable[Any]) -> BoardColumn:
    given = [value for value in values if value is not None]
    numeric = bool(given) and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in given)

    def cell(row: Row) -> Cell:
        value = row.settings.get(key)
        return value if value is None or numeric else as_text(value)

    return BoardColumn(Column(key, key, "number" if numeric else "text"), cell)


def _over_runs(values: Sequence[float | None], single: bool) -> Cell:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return known[0] if single else spread(known)


def _same(values: Sequence[Cell]) -> Cell:
    return values[0] if len(set(values)) == 1 else None


def _alike(rows: Iterable[Row], section: str) -> bool:
    """Whether no two rows are known to differ in a component; what other software used is not known."""
    return len({row.settings.get(section) for row in rows} - {ELSEWHERE}) < 2


def _shared(group: Group, keys: Sequence[str]) -> Iterable[str]:
    """A note on the components that all rows share and that are in no column."""
    own = [row for row in group.rows if row.settings.get("loss") != ELSEWHERE]
    hidden = [section for section in SHARED if section not in keys and _alike(own, section)]
    named = [f"{section} {name}" for section in hidden if own and (name := own[0].settings.get(section))]
    if named:
        where = "rows" if len(own) == len(group.rows) else "rows that were trained here"
        yield f"The same in all {where}: {', '.join(named)}."


def _of_class(name: str) -> bool:
    return name.partition(":")[0] in PER_CLASS and ":" in name


def _in_order(groups: Iterable[Group]) -> list[str]:
    """Known metrics first, then what else the records hold as they have it, and the scores of each class."""
    recorded = list(dict.fromkeys(name for group in groups for name in group.metrics))
    others = [name for name in recorded if name not in KNOWN and not _of_class(name)]
    return [
        *(name for name in KNOWN if name in recorded),
        *others,
        *(name for name in recorded if _of_class(name)),
    ]
