"""Which labels a loss has corrected in a run: ``corrections.csv``, one row a sample, in the order of the split."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from ferbench.bounded import Damaged, read_file
from ferbench.errors import UserError
from ferbench.runs.directory import RunDirectory
from ferbench.storage import remove_file, replace_file
from ferbench.tables.reading import records_of

CORRECTIONS = "corrections.csv"


@dataclass(frozen=True, slots=True)
class Correction:
    """A training sample that has another label than the given one when the training ends.

    Attributes:
        id: of the sample.
        given: class that the dataset says.
        corrected: class that the loss has put in its place.
        epoch: since which it has not had the given one.
    """

    id: str
    given: str
    corrected: str
    epoch: int


_COLUMNS = [field.name for field in fields(Correction)]


def write_corrections(directory: RunDirectory, corrections: Iterable[Correction]) -> int:
    """Write ``corrections.csv``; how many there are. Without any, there is no such file."""
    rows = [astuple(one) for one in corrections]
    if not rows:
        remove_corrections(directory)
        return 0
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    replace_file(directory.path / CORRECTIONS, buffer.getvalue().encode())
    return len(rows)


def remove_corrections(directory: RunDirectory) -> None:
    """Those of an earlier training, which begins anew."""
    remove_file(directory.path / CORRECTIONS)


def read_corrections(directory: RunDirectory) -> list[Correction]:
    """What a run's ``corrections.csv`` says; empty where there is none.

    Raises:
        UserError: it is damaged.
    """
    path = directory.path / CORRECTIONS
    try:
        text = read_file(path).decode()
        (_, header), *rows = records_of(text, str(path)) or [(1, [])]
        if header != _COLUMNS:
            raise Damaged(f"it has not the columns {', '.join(_COLUMNS)}")
        if not rows or not text.endswith("\n"):
            raise Damaged("it was cut short")
        return [_correction(line, cells) for line, cells in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:  # Damaged, and text that is no UTF-8
        what = getattr(error, "strerror", None) or (
            str(error) if isinstance(error, Damaged) else "it is no text in UTF-8"
        )
        remedy = "take it from a backup, or remove it: the run is then without what its loss corrected"
        raise UserError(f"{path} is damaged: {what}", remedy) from error


def _correction(line: int, cells: list[str]) -> Correction:
    if len(cells) != len(_COLUMNS) or not cells[3].isascii() or not cells[3].isdigit() or len(cells[3]) > 9:
        raise Damaged(f"line {line} is no correction")
    return Correction(cells[0], cells[1], cells[2], int(cells[3]))


def between_classes(corrections: Iterable[Correction]) -> Counter[tuple[str, str]]:
    """How many samples went from the one class to the other."""
    return Counter((one.given, one.corrected) for one in corrections)
