"""Lists of samples that are left out: CSV with a column ``id``, and others that say why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import UserError
from ferbench.output import write_output
from ferbench.tables.formats import csv_lines
from ferbench.tables.reading import ID_COLUMNS, column_called, id_column, read_rows
from ferbench.wording import number_of

#: Reasons that a model's predictions gave. Without what a model gets wrong its test is that of another model: such
#: samples may be left out of what is learnt from, and never of what is tested on.
FROM_PREDICTIONS = ("mislabelled", "mislabeled")

#: Ids that no sample has, of which so many are named.
MISSING_SHOWN = 5


def write_exclusions(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write (sample id, reason) pairs.

    Raises:
        UserError: the file cannot be written.
    """
    write_output(path, csv_lines([("id", "reason"), *rows]).encode())


def listed(path: str | Path, option: str) -> dict[str, str]:
    """The sample ids of a list, each with its reason, which is empty where the list gives none.

    Of an id that is listed for several reasons the first one counts that no model's predictions gave.

    Args:
        path: of the list.
        option: that names it, for messages.

    Raises:
        UserError: the file cannot be read, has no column ``id``, or a column twice.
    """
    rows = read_rows(Path(path), f"{option}: {path}")
    if not any(name.lower() in ID_COLUMNS for name in rows.columns):
        raise UserError(
            f"{option}: {path} names no sample: it needs a column 'id' and rows",
            "write one with 'ferbench audit data DATASET --write-exclusions FILE'",
        )
    ids = rows.values(id_column(rows.columns, rows.where))
    stated = column_called(rows.columns, ("reason",), rows.where)
    reasons: dict[str, str] = {}
    for sample, reason in zip(ids, rows.values(stated) if stated else [""] * len(ids), strict=True):
        if reasons.get(sample, FROM_PREDICTIONS[0]) in FROM_PREDICTIONS:
            reasons[sample] = " ".join(reason.split()).lower()
    return reasons


def refuse_predictions_for_tests(path: str, tested: NDArray[np.str_], remedy: str) -> None:
    """Refuse a list that takes tested samples out since a model disagrees with their labels.

    Args:
        path: of the list.
        tested: str[n], ids of what would be tested on without the list.
        remedy: what to do.

    Raises:
        UserError: it does.
    """
    doubted = [sample for sample, reason in listed(path, "data.exclude").items() if reason in FROM_PREDICTIONS]
    count = int(np.isin(tested, doubted).sum()) if doubted else 0
    if count:
        which = "1 tested sample whose label" if count == 1 else f"{count:,} tested samples whose labels"
        raise UserError(
            f"data.exclude: {path} leaves out {which} a model disagrees with: whatever errs as that model does would "
            "score better than it is",
            remedy,
        )


@dataclass(frozen=True)
class Matched:
    """How much of a list a dataset has.

    Attributes:
        path: of the list.
        listed: ids that it names.
        missing: those that no sample of the dataset has, in the order of the list.
    """

    path: str
    listed: int
    missing: tuple[str, ...]

    @property
    def found(self) -> int:
        """Ids that a sample of the dataset has."""
        return self.listed - len(self.missing)

    def line(self, dataset: str) -> str:
        """In words, with the first ids that no sample has."""
        text = f"data.exclude: {self.path}: {self.found:,} of {number_of(self.listed, 'id')} found in {dataset}"
        named = ", ".join(f"'{sample}'" for sample in self.missing[:MISSING_SHOWN])
        more = len(self.missing) - MISSING_SHOWN
        return text + (f"; not found: {named}" if named else "") + (f" and {more:,} more" if more > 0 else "")


def matched(path: str, ids: NDArray[np.str_]) -> Matched:
    """How much of a list the samples are that have these ids.

    Args:
        path: of the list.
        ids: str[N], of all samples of a dataset.

    Raises:
        UserError: as `listed`.
    """
    named = list(listed(path, "data.exclude"))
    there = set(ids.tolist())
    return Matched(path, len(named), tuple(sample for sample in named if sample not in there))


def excluded_rows(path: str, ids: NDArray[np.str_], dataset: str) -> NDArray[np.bool_]:
    """Which samples a list names, bool[N].

    Ids that the data does not have are passed over, since a list may name more than there is; `matched` counts them.

    Args:
        path: of the list.
        ids: str[N], of all samples.
        dataset: its name, for messages.

    Raises:
        UserError: the file cannot be read, has no column ``id``, or names no sample of the dataset.
    """
    named = np.isin(ids, list(listed(path, "data.exclude")))
    if not named.any():
        raise UserError(
            f"data.exclude: {path} names no sample of '{dataset}', such as '{ids[0]}'",
            "write the list of this dataset, or leave data.exclude out",
        )
    return named
