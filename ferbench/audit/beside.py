"""Confusion matrices in a text, alone or beside a table of scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from ferbench.audit.cells import Score, score
from ferbench.audit.headings import row_of
from ferbench.audit.layouts import Grid
from ferbench.audit.printed import Cell, Printed, PublishedTable
from ferbench.data.expressions import class_key
from ferbench.errors import UserError

_LARGEST = 200_000  # images


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix as it was printed.

    Attributes:
        names: of the classes; numbers where there are none.
        line: where it begins.
        counts: of images, rows first; None: it has shares.
        shares: the diagonal, where each row adds up to 1 or 100 % (``recall``) or each column does (``precision``).
        measure: which of them; empty for counts.
        named: whether ``names`` stand in the text.
    """

    names: tuple[str, ...]
    line: int
    counts: tuple[tuple[int, ...], ...] | None
    shares: tuple[Printed, ...] = ()
    measure: str = ""
    named: bool = True

    def table(self) -> PublishedTable:
        """As a table of its own: that of its counts, or of the one score that its diagonal is."""
        if self.counts is not None:
            supports = tuple(map(sum, self.counts))
            note = "rows are read as the true classes"
            return PublishedTable(self.names, supports, {}, {}, unit="fraction", notes=(note,), matrix=self.counts)
        scores = {Cell(name, self.measure): own for name, own in zip(self.names, self.shares, strict=True)}
        line = "row" if self.measure == "recall" else "column"
        note = f"each {line} of the matrix adds up to 1, so that its diagonal is the classes' {self.measure}"
        return PublishedTable(self.names, (None,) * len(self.names), {}, scores, unit="fraction", notes=(note,))


def matrix_of(grid: Grid) -> Matrix | None:
    """The confusion matrix that a table is; None: it is another table."""
    if grid.counts:
        names = tuple(str(k) for k in range(len(grid.lines)))
        return _matrix(names, grid.lines[0][0], [cells for _, cells in grid.lines], named=False)
    header, *lines = grid.lines
    titles = [title.strip() for title in header[1][1:]]
    rows = [(cells[0].strip(), cells[1:]) for _, cells in lines if cells]
    while titles and (meaning := row_of(titles[-1])) is not None and "accuracy" not in meaning.kinds:
        titles.pop()  # sums
    rows = rows[: len(titles)]
    if len(titles) < 2 or len(rows) < len(titles):
        return None
    plain = [class_key(_bare(title)) for title in titles]
    if len(set(plain)) < len(plain) or plain != [class_key(_bare(title)) for title, _ in rows]:
        return None
    return _matrix(tuple(map(_bare, titles)), header[0], [cells[: len(titles)] for _, cells in rows], named=True)


def _bare(title: str) -> str:
    """A name without what is written before it: ``true happy``, ``Predicted: happy``."""
    words = title.replace(":", " ").replace("_", " ").split()
    while len(words) > 1 and words[0].lower() in ("true", "actual", "predicted", "pred", "act"):
        words = words[1:]
    return " ".join(words)


def _matrix(names: tuple[str, ...], line: int, rows: list[list[str]], *, named: bool) -> Matrix | None:
    try:
        read = [
            [score(written or "0", None, None, "") or Score(Fraction(0), Fraction(1), None) for written in row]
            for row in rows
        ]
    except UserError:
        return None
    if any(len(row) != len(names) for row in read):
        return None
    values = [[own.value for own in row] for row in read]
    whole = all(value.denominator == 1 and value >= 0 for row in values for value in row)
    of_rows, of_columns = [sum(row) for row in values], [sum(column) for column in zip(*values, strict=True)]
    hundred = max(*of_rows, *of_columns) > 2
    one = Fraction(100 if hundred else 1)
    slack = sum((own.step for own in read[0]), Fraction()) / 2 + Fraction(1, 10**6)
    for sums, measure in ((of_rows, "recall"), (of_columns, "precision")):
        near = [abs(total - one) <= slack for total in sums if total]
        if near and all(near) and not (whole and any(own.step == 1 for row in read for own in row) and not hundred):
            scale = Fraction(1, 100) if hundred else Fraction(1)
            shares = tuple(Printed(read[k][k].value * scale, read[k][k].step * scale) for k in range(len(names)))
            return Matrix(names, line, None, shares, measure, named)
    if not whole or not 0 < sum(of_rows) <= _LARGEST:
        return None
    return Matrix(names, line, tuple(tuple(int(value) for value in row) for row in values), named=named)


def beside(table: PublishedTable, matrix: Matrix) -> PublishedTable:
    """A table with the confusion matrix that stands beside it, whichever way round its rows are, in the table's order.

    A matrix of other classes, or of other numbers of images, is left out with a note.
    """
    counts = matrix.counts
    assert counts is not None
    order = list(range(len(table.classes)))
    if matrix.named:
        places = {class_key(name): place for place, name in enumerate(matrix.names)}
        order = [places.get(class_key(name), -1) for name in table.classes]
    if len(counts) != len(table.classes) or sorted(order) != list(range(len(counts))):
        return replace(
            table, notes=(*table.notes, f"the matrix in line {matrix.line} has other classes and is not read")
        )
    rows = tuple(tuple(counts[j][k] for k in order) for j in order)
    for way in (rows, tuple(zip(*rows, strict=True))):
        if all(known in (None, sum(row)) for known, row in zip(table.supports, way, strict=True)):
            supports = tuple(map(sum, way))
            return replace(
                table,
                supports=supports,
                matrix=way,
                otherwise=tuple(
                    replace(one, supports=supports, matrix=way)
                    for one in table.otherwise
                    if one.classes == table.classes
                ),
            )
    note = f"the matrix in line {matrix.line} has other numbers of images and is not read"
    return replace(table, notes=(*table.notes, note))
