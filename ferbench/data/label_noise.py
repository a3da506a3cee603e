"""Wrong labels that are put into training samples on purpose, so that what methods make of them can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferbench.data.class_mapping import find_class
from ferbench.data.stratified import keyed_order
from ferbench.errors import UserError
from ferbench.tables.reading import read_rows


@dataclass(frozen=True)
class Noised:
    """What noise has done to the labels of the training samples.

    Attributes:
        share: of the samples that was asked for.
        seed: of the draws.
        confusion: whether a file says which classes a class is taken for; else each other class is as likely.
        changes: samples by true and by given class, K lists of K; those on the diagonal kept their label.
    """

    share: float
    seed: int
    confusion: bool
    changes: tuple[tuple[int, ...], ...]


def noisy_labels(
    labels: NDArray[np.int64],
    ids: NDArray[np.str_],
    classes: int,
    share: float,
    seed: int,
    confusion: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Labels of which a share is wrong: int64[n].

    It is that share of each class, to the nearest sample. Which ones, and what they are taken for, goes by keyed hashes
    of their ids, so that what is wrong at a small share is wrong in the same way at a larger one. A wrong label is
    never the true one.

    Args:
        labels: int64[n], true class ids.
        ids: str[n], of the samples.
        classes: K.
        share: of wrong labels, from 0 to below 1.
        seed: of the draws.
        confusion: float[K, K], how often a true class (row) is taken for another (column); what is on the diagonal does
            not count, and a class with nothing beside it keeps its labels. None: every other class is as likely.
    """
    odds = np.ones((classes, classes)) if confusion is None else confusion.copy()
    np.fill_diagonal(odds, 0.0)
    totals = odds.sum(axis=1, keepdims=True)
    reach = np.cumsum(np.divide(odds, totals, out=np.zeros_like(odds), where=totals > 0), axis=1)
    order, wrong = keyed_order(ids, seed, "wrong label"), np.zeros(len(labels), dtype=bool)
    for k in np.flatnonzero(totals[:, 0] > 0):
        members = np.flatnonzero(labels == k)
        wrong[members[np.argsort(order[members], kind="stable")][: round(share * len(members))]] = True
    drawn = keyed_order(ids, seed, "which label") / 2.0**64
    # The first class whose reach is beyond the draw; rounding may leave the last reach a little below 1.
    last = classes - 1 - np.argmax(odds[:, ::-1] > 0, axis=1)
    given = np.minimum((reach[labels] <= drawn[:, None]).sum(axis=1), last[labels])
    return np.where(wrong, given, labels).astype(np.int64)


def changes(labels: NDArray[np.int64], given: NDArray[np.int64], classes: int) -> tuple[tuple[int, ...], ...]:
    """Samples by true and by given class, K tuples of K."""
    counted = np.bincount(labels * classes + given, minlength=classes * classes)
    return tuple(tuple(row) for row in counted.reshape(classes, classes).tolist())


def read_confusion(path: str, class_names: Sequence[str]) -> NDArray[np.float64]:
    """A confusion matrix from CSV: true classes in the first column, given ones in the header, counts or shares.

    Returns:
        float64[K, K] in the order of ``class_names``; further classes of the file are left out.

    Raises:
        UserError: the file cannot be read, lacks a class or has one twice, holds what is no number from 0 on, or mixes
            up no class with another.
    """
    where = f"data.label_confusion: {path}"
    rows = read_rows(Path(path), where)
    remedy = "write true classes into the first column, given ones into the header, and counts or shares between"
    matrix = np.zeros((len(class_names), len(class_names)))
    true, given = [cells[0].strip() for cells in rows.cells], rows.columns[1:]
    lines = [_place(name, true, f"{where}: its first column", remedy) for name in class_names]
    columns = [_place(name, given, f"{where}: its header", remedy) for name in class_names]
    for row, line in enumerate(lines):
        for column, place in enumerate(columns):
            text = rows.cells[line][1 + place]
            try:
                matrix[row, column] = float(text)
            except ValueError:
                matrix[row, column] = np.nan
            if not 0 <= matrix[row, column] < np.inf:
                pair = f"'{class_names[row]}' taken for '{class_names[column]}'"
                raise UserError(
                    f"{where}: line {rows.lines[line]}: {text[:40]!r} is no number from 0 on, for {pair}", remedy
                )
    if not (matrix.sum() - np.trace(matrix)) > 0:
        raise UserError(f"{where} takes no class for another", "use a matrix with something beside its diagonal")
    return matrix


def _place(wanted: str, names: Sequence[str], where: str, remedy: str) -> int:
    place = find_class(wanted, names)
    if place is None or names.count(names[place]) > 1:
        fault = f"has no class '{wanted}'" if place is None else f"has the class '{wanted}' twice"
        raise UserError(f"{where} {fault}", remedy)
    return place
