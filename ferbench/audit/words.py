"""What the audit of a published table says, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any, Literal

from ferbench.audit.contradiction import Contradiction
from ferbench.audit.printed import ACCURACY, MACRO, MEASURES, MICRO, Cell, PublishedTable
from ferbench.audit.problem import Solution
from ferbench.audit.signatures import Signature
from ferbench.audit.verdict import Audit, value_of
from ferbench.tables.table import Column, Table
from ferbench.tables.terminal import to_terminal
from ferbench.wording import one_line

_SUMMARY = (Cell(ACCURACY, "f1"), *(Cell(MACRO, measure) for measure in MEASURES))
_WIDE = 12  # classes; larger matrices are for programs


def lines(name: str, audit: Audit, signatures: Sequence[Signature]) -> Iterator[str]:
    """The audit of a table called ``name`` as lines of text."""
    table = audit.table
    images = "an unknown number of images" if table.total is None else f"{table.total:,} images"
    printed = "percent" if table.unit == "percent" else "fractions of 1"
    scores = "1 score" if len(table.scores) == 1 else f"{len(table.scores)} scores"
    yield one_line(f"{name}: {len(table.classes)} classes, {images}, {scores} in {printed}")
    yield from (one_line(f"note: {note}") for note in table.notes)
    given = table.matrix is not None
    words = {
        "consistent": "consistent: "
        + ("the confusion matrix gives every score" if given else "there is a confusion matrix that gives every score"),
        "inconsistent": "inconsistent: "
        + ("the confusion matrix gives other scores" if given else "no confusion matrix gives these scores"),
        "underdetermined": f"underdetermined: {audit.reason}",
    }
    yield words[audit.verdict]
    yield f"  read with {_conventions(audit)}"
    if audit.verdict == "inconsistent" and table.otherwise:
        yield "  and what may be meant in another way was tried in every way"
    if audit.verdict == "inconsistent":
        yield ""
        yield from map(one_line, _faults(audit))
    if signatures:
        yield ""
        yield from (one_line(f"{sign.id}: {sign.text}") for sign in signatures)
    matrix = audit.matrix
    if given and not table.scores:
        values = (f"{cell} {table.show(_given(audit, cell))}" for cell in _SUMMARY)
        yield f"  it gives {', '.join(values)}"
    if matrix is not None and not given and len(table.classes) <= _WIDE:
        fits = "these scores" if audit.verdict == "consistent" else "the rest"
        only = " (rows true, columns predicted; there are others)"
        yield ""
        yield f"a confusion matrix that gives {fits}{only}:"
        yield from count_lines(table.classes, table.classes, matrix)


def _given(audit: Audit, cell: Cell) -> Fraction:
    """What a confusion matrix gives for an average."""
    assert audit.solved.solution is not None
    return value_of(cell, audit.table, audit.conventions, audit.solved.solution) or Fraction()


def _conventions(audit: Audit) -> str:
    words = ["scores rounded to the nearest" if audit.conventions.rounding == "nearest" else "scores cut off"]
    macro = "macro F1 as the mean of the classes' F1"
    words.append(macro if audit.conventions.macro_f1 == "mean" else "macro F1 as the F1 of macro precision and recall")
    zero = audit.conventions.zero_division
    words.append("0/0 left out" if zero == "left out" else f"0/0 as {zero}")
    return ", ".join(words)


def _faults(audit: Audit) -> Iterator[str]:
    table, diagnosis = audit.table, audit.diagnosis
    assert diagnosis is not None
    for cell in audit.totals:
        add_up = f"add up to {sum(support or 0 for support in table.supports):,}"
        yield f"{cell} is {table.totals[cell]:,}, but the supports of the classes {add_up}"
    for number, fault in enumerate(diagnosis.contradictions, start=1):
        yield f"{number}. {_sentence(table, fault)}"
    if not diagnosis.contradictions:
        return
    if table.matrix is not None:
        return
    left_out = [fault.without for fault in diagnosis.contradictions]
    if len(left_out) == len(table.scores):
        pass  # nothing is left that could hold together
    elif audit.solved.answer == "yes":
        values = _and([_would_be(audit, cell, audit.solved.solution) for cell in left_out])
        scores = " of the scores" if audit.totals else ""
        yield f"Without {_and([str(cell) for cell in left_out])} the rest{scores} holds together; there, {values}."
    elif audit.solved.answer == "unknown":
        yield f"Whether the rest holds without {_and([str(cell) for cell in left_out])} was not decided."
    others = [pair for pair in diagnosis.menders if pair[0] not in left_out]
    if others:
        values = " or ".join(_would_be(audit, cell, solution) for cell, solution in others)
        yield f"Another single number would mend it as well: {values}."


def _would_be(audit: Audit, cell: Cell, solution: Solution | None) -> str:
    assert solution is not None
    value = value_of(cell, audit.table, audit.conventions, solution)
    if value is None:
        return f"{cell} {audit.table.show(audit.table.scores[cell].value)} could be undefined"
    bound: Literal["low"] | None = "low" if audit.conventions.rounding == "truncate" else None
    printed, other = _apart(audit.table, audit.table.scores[cell].value, value, bound)
    return f"{cell} {printed} could be {other}"


def _apart(
    table: PublishedTable, printed: Fraction, other: Fraction, bound: Literal["low", "high"] | None
) -> tuple[str, str]:
    """Two numbers as the table would print them, the second with more digits where they look the same."""
    for extra in range(7):
        shown = table.show(other, bound=bound, extra=extra)
        if shown != table.show(printed, extra=extra):
            return table.show(printed), shown
    return table.show(printed), table.show(other, bound=bound)


def _sentence(table: PublishedTable, fault: Contradiction) -> str:
    others = [cell for cell in fault.cells if cell != fault.cell]
    if table.matrix is not None and fault.cell is not None and fault.bounds is not None:
        printed, other = _apart(table, table.scores[fault.cell].value, fault.bounds.low, None)
        return f"{fault.cell} is {other} by the confusion matrix; printed is {printed}"
    if fault.cell is not None and not others:
        # The supports matter to an average by their sum alone.
        images = f" with {table.total:,} images" if fault.supports else ""
        printed = table.show(table.scores[fault.cell].value)
        return f"{fault.cell} {printed} is not possible{images}{_nearest(table, fault.cell)}"
    held = f"{_listed(table, others)}{_at(table, fault.supports)}"
    if fault.cell is None:
        return (
            f"{held} cannot hold together: no whole numbers of images give them"
            if len(others) > 1 or fault.supports
            else f"{held} is no score"
        )
    printed = f"{fault.cell} {table.show(table.scores[fault.cell].value)}"
    value = table.scores[fault.cell].value
    if fault.bounds is None or value in fault.bounds:
        return f"{printed} cannot hold together with {held}"
    if value < fault.bounds.low:
        shown, needed = _apart(table, value, fault.bounds.low, "low")
        needed = f"at least {needed}"
    else:
        shown, needed = _apart(table, value, fault.bounds.high, "high")
        needed = f"at most {needed}"
    need = "need" if len(others) > 1 else "needs"
    return f"{held} {need} {fault.cell} to be {needed}; printed is {shown}"


def _nearest(table: PublishedTable, cell: Cell) -> str:
    """The accuracies on both sides of one that no number of images gives."""
    value, total = table.scores[cell].value, table.total
    if cell.row not in (ACCURACY, MICRO) or total is None or not 0 <= value < 1:
        return ""
    counts = (int(value * total), int(value * total) + 1)
    given = (f"{right:,} right give {_apart(table, value, Fraction(right, total), None)[1]}" for right in counts)
    return ": " + ", ".join(given)


def _listed(table: PublishedTable, cells: Sequence[Cell]) -> str:
    """Cells with their numbers; those of one measure together."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.measure if cell.of_class else str(cell), []).append(cell)
    words = []
    for same in groups.values():
        values = [table.show(table.scores[cell].value) for cell in same]
        if len(same) == 1:
            words.append(f"{same[0]} {values[0]}")
        else:
            measure = "F1" if same[0].measure == "f1" else same[0].measure
            rows = ", ".join(f"{cell.row} {value}" for cell, value in zip(same, values, strict=True))
            words.append(f"{measure} ({rows})")
    return _and(words)


def _at(table: PublishedTable, supports: Sequence[str]) -> str:
    if not supports:
        return ""
    if len(supports) == 1:
        support = table.supports[table.classes.index(supports[0])]
        return f" at a support of {support:,}"
    return " at these supports"


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def count_lines(names: Sequence[str], columns: Sequence[str], counts: Iterable[Iterable[int]]) -> list[str]:
    """Counts as a table for a terminal: a row for each name, a column for each of ``columns``."""
    heads = (Column("class", ""), *(Column(f"c{k}", column, "count") for k, column in enumerate(columns)))
    rows: list[tuple[str | int, ...]] = [(name, *map(int, row)) for name, row in zip(names, counts, strict=True)]
    return to_terminal(Table("counts", "", heads, tuple(rows)), None)


def document(audit: Audit, signatures: Sequence[Signature]) -> dict[str, Any]:
    """The audit as plain values for JSON."""
    table, matrix = audit.table, audit.matrix
    values: dict[str, Any] = {
        "verdict": audit.verdict,
        "reason": audit.reason or None,
        "conventions": asdict(audit.conventions),
        "unit": table.unit,
        "classes": list(table.classes),
        "supports": list(table.supports),
        "notes": list(table.notes),
        "contradictions": [],
        "menders": [],
        "signatures": [asdict(sign) for sign in signatures],
        "counts": None,
        "matrix": None if matrix is None else matrix.tolist(),
    }
    for cell in audit.totals:
        numbers = [{**cell._asdict(), "printed": table.totals[cell]}]
        values["contradictions"].append(
            {"numbers": numbers, "supports": list(table.classes), "bounded": None, "without": cell._asdict()}
        )
    if audit.diagnosis is not None:
        for fault in audit.diagnosis.contradictions:
            bounds = None
            if fault.cell is not None and fault.bounds is not None:
                bounds = {
                    **fault.cell._asdict(),
                    "low": float(fault.bounds.low),
                    "high": float(fault.bounds.high),
                }
            values["contradictions"].append(
                {
                    "numbers": [{**cell._asdict(), "printed": float(table.scores[cell].value)} for cell in fault.cells],
                    "supports": list(fault.supports),
                    "bounded": bounds,
                    "without": fault.without._asdict(),
                }
            )
        for cell, solution in audit.diagnosis.menders:
            value = value_of(cell, table, audit.conventions, solution)
            values["menders"].append({**cell._asdict(), "value": None if value is None else float(value)})
    if audit.solved.right is not None and audit.solved.predicted is not None:
        values["counts"] = {
            name: {"right": list(right), "predicted": list(predicted)}
            for name, right, predicted in zip(table.classes, audit.solved.right, audit.solved.predicted, strict=True)
        }
    return values
