"""A table before it has a format: typed cells, so that people read rounded numbers and programs exact ones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, TypeVar

T = TypeVar("T")
Kind = Literal["text", "id", "count", "score", "change", "percent", "seconds", "bytes", "number", "p"]


@dataclass(frozen=True, slots=True)
class Spread:
    """One number over several seeds.

    Attributes:
        mean: over the seeds.
        low: the lowest.
        high: the highest; equal to ``low`` for one seed.
        interval: the 95 % interval of the mean, where one is known.
    """

    mean: float
    low: float
    high: float
    interval: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: Collection[float]) -> Spread:
        """Of at least one value; rounding never takes the mean beyond them."""
        low, high = min(values), max(values)
        return cls(min(max(math.fsum(values) / len(values), low), high), low, high)

    @property
    def even(self) -> bool:
        """The ends of the interval are about as far from the mean: ± says it all."""
        assert self.interval is not None
        low, high = self.interval
        return abs((low + high) / 2 - self.mean) <= _UNEVEN * (high - low) / 2


#: By what share of half its width an interval may lie aside of the mean and still be written with ±.
_UNEVEN = 0.1

Cell = str | int | float | Spread | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: what programs call it (the CSV header), stable.
        label: what people read above it.
        kind: how its numbers are shown. ``text`` and ``id`` (fixed-width digits) are strings; ``count`` an integer;
            ``score`` a fraction with four decimals; ``change`` a signed score; ``percent`` a fraction shown as a signed
            percentage; ``seconds`` a duration; ``bytes`` a size; ``p`` a p-value; ``number`` anything else.
        spread: the cells are `Spread`; programs get three columns.
        interval: the cells may be `Spread` with an interval; programs get the ends, ``KEY_ci_low`` and ``KEY_ci_high``.
        about: what the column means, in a sentence; shown where there is room.
    """

    key: str
    label: str
    kind: Kind = "text"
    spread: bool = False
    about: str = ""
    interval: bool = False

    @property
    def numeric(self) -> bool:
        return self.kind not in ("text", "id")


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        id: stable name, ``[a-z0-9-]+``: the anchor in a page, the name of the file, the label in LaTeX.
        caption: what it shows, over what, with n; one or two sentences without markup.
        columns: at least one; the first one heads its row.
        rows: as many cells each as there are columns; None is an empty cell.
        summary: this many last rows summarise the others (averages): never sorted among them, and never called as one.
        notes: lines below the table.
        above: lines between the caption and the table, without which it would be misread.
    """

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    summary: int = 0
    notes: tuple[str, ...] = ()
    above: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.id}: {len(row)} cells for {len(self.columns)} columns")
        if not self.summary:
            return
        body = len(self.rows) - self.summary
        names = [row[0] for row in self.rows[:body] if isinstance(row[0], str)]
        last = tuple(
            (apart(row[0], names) if isinstance(row[0], str) else row[0], *row[1:]) for row in self.rows[body:]
        )
        object.__setattr__(self, "rows", (*self.rows[:body], *last))

    def shown(self) -> Iterator[list[str]]:
        """The rows as people read them."""
        for row in self.rows:
            yield [shown(cell, column.kind) for cell, column in zip(row, self.columns, strict=True)]


def table_of(
    identifier: str,
    caption: str,
    items: Iterable[T],
    fields: Sequence[tuple[Column, Callable[[T], Cell]]],
    notes: Iterable[str] = (),
) -> Table:
    """A table with a row for each item; a field is a column and how its cell is got from an item."""
    columns = tuple(column for column, _ in fields)
    return Table(
        identifier,
        caption,
        columns,
        tuple(tuple(cell(item) for _, cell in fields) for item in items),
        notes=tuple(notes),
    )


def apart(label: str, names: Iterable[str]) -> str:
    """A label of ours that stands beside names of others, such as classes: marked where one of them is called so."""
    taken = {name.casefold() for name in names}
    while label.casefold() in taken:
        label = f"{label} (no class)"
    return label


def shown(cell: Cell, kind: Kind, *, brief: bool = False) -> str:
    """A cell as people read it; empty for None and NaN.

    The 95 % interval of a `Spread` is written with ±, or by its ends in square brackets where these are not even;
    ``brief`` leaves its lowest and highest out.
    """
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, Spread):
        middle = _rounded(cell.mean) if kind == "number" else shown(cell.mean, kind)
        if cell.interval is not None:
            low, high = cell.interval
            ends = f" ± {shown((high - low) / 2, kind)}"
            middle += ends if cell.even else f" [{shown(low, kind)}, {shown(high, kind)}]"
        if brief or cell.low == cell.high:
            return middle
        low_high = [_rounded(end) if kind == "number" else shown(end, kind) for end in (cell.low, cell.high)]
        return f"{middle} ({'–'.join(low_high)})"
    if isinstance(cell, str):
        return cell
    match kind:
        case "count":
            return f"{cell:,.0f}"
        case "score":
            return f"{cell:.4f}".replace("-", "−")
        case "change":
            return f"{cell:+.4f}".replace("-", "−")
        case "percent":
            return f"{100 * cell:+.1f} %".replace("-", "−")
        case "p":
            return "< 0.0001" if cell < 0.0001 else f"{cell:.4f}"
        case "seconds":
            return duration(float(cell))
        case "bytes":
            return size(float(cell))
        case _:
            return f"{cell:,.6g}" if isinstance(cell, float) else str(cell)


def _rounded(number: float) -> str:
    """A mean of numbers: three digits, or all before the point."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def duration(seconds: float) -> str:
    """``5.2 s`` (of an int ``5 s``), ``38 s``, ``11 min 55 s``, ``3 h 07 min``."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 and not isinstance(seconds, int) else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def size(count: float) -> str:
    """``512 B``, ``4.2 MB``, ``1.3 GB``: decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.1f} {unit}" if count < 9.95 and unit != "B" else f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def ids_of(names: Iterable[str]) -> dict[str, str]:
    """What stands for each name in ids, ``[a-z0-9-]+``: another for each, though names may differ in other signs."""
    ids: dict[str, str] = {}
    for name in dict.fromkeys(names):
        plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "column"
        tries = (plain if number == 1 else f"{plain}-{number}" for number in count(1))
        ids[name] = next(tried for tried in tries if tried not in ids.values())
    return ids
