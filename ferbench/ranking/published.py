"""Tables as others published them: shown beside what was measured here, never ranked with it.

A directory holds a file for each table, laid out as scikit-learn's classification report (``class, precision_percent,
recall_percent, f1_percent, support``; a row for each class, then ``macro avg`` and ``accuracy`` with its value in the
F1 column), and ``summary.csv`` (``name, dataset, split, n, accuracy_percent, note``), a line for each experiment. In a
file of models with valence and arousal each line is an experiment, in fractions.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ferbench.errors import UserError
from ferbench.tables.reading import delimiter, refuse_repeated

SUMMARY_FILE = "summary.csv"
_SUMMARY = ["name", "dataset", "split", "n", "accuracy_percent", "note"]
_TABLE = ["class", "precision_percent", "recall_percent", "f1_percent", "support"]
_MULTITASK = ["model", "epochs", "split", "expression_accuracy", "valence_rmse", "arousal_rmse"]
_MULTITASK += ["valence_correlation", "arousal_correlation"]
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_COUNT = re.compile(r"[0-9]{1,15}")
#: How an accuracy begins that is only bounded, which is shown nowhere.
_BOUNDS = ("<", ">", "≤", "≥", "~", "≈")


@dataclass(frozen=True)
class Published:
    """One experiment as it was reported.

    Attributes:
        name: of the table.
        dataset: as it is called there.
        split: what it was measured on.
        n: samples; None where it is not known.
        values: metrics in [0, 1] by name, ``f1:CLASS`` among them.
        note: a remark on it.
    """

    name: str
    dataset: str = ""
    split: str = ""
    n: int | None = None
    values: dict[str, float] = field(default_factory=dict)
    note: str = ""


def read_published(directory: Path) -> tuple[list[Published], list[Path]]:
    """Every experiment of a directory, those of the summary first, and the files that are of another layout.

    Raises:
        UserError: there is no such directory, or a file of it is damaged.
    """
    if not directory.is_dir():
        raise UserError(f"there is no directory {directory}", "name the one with the published tables")
    files = {path: _rows(path) for path in sorted(directory.glob("*.csv"))}
    named: dict[str, Published] = {}
    for row in files.pop(directory / SUMMARY_FILE, []):
        one = _experiment(directory / SUMMARY_FILE, row)
        if one.name in named:
            raise UserError(
                f"{directory / SUMMARY_FILE}: two lines are called '{one.name}'", "give each a name of its own"
            )
        named[one.name] = one
    others = []
    several: list[Published] = []
    for path, rows in files.items():
        if _has_any(rows, _TABLE[:4]):
            n, values = _table(path, rows)
            known = named.get(path.stem, Published(path.stem, n=n))
            merged = {**values, **known.values}
            named[path.stem] = replace(known, n=known.n or n, values=merged)
        elif _has_any(rows, _MULTITASK[3:]):
            several += _multitask(path, rows)
        else:
            others.append(path)
    return [*named.values(), *several], others


def _experiment(path: Path, row: dict[str, str]) -> Published:
    """A line of the summary."""
    values, accuracy = {}, row["accuracy_percent"].strip()
    if accuracy and not accuracy.startswith(_BOUNDS):
        values["accuracy"] = _percent(path, accuracy)
    return Published(row["name"], row["dataset"], row["split"], _count(path, row["n"]), values, row["note"])


def _multitask(path: Path, rows: list[dict[str, str]]) -> list[Published]:
    """A line for each model: accuracy, and errors and correlations of valence and arousal."""
    _refuse_lacking(path, rows[0], _MULTITASK)
    found = []
    for row in rows:
        keys = {"accuracy": "expression_accuracy", "valence_rmse": "valence_rmse", "arousal_rmse": "arousal_rmse"}
        values = {key: _number(path, row[column]) for key, column in keys.items() if row[column]}
        dimensions = [one for one in ("valence", "arousal") if row[f"{one}_correlation"]]
        note = ", ".join(f"{one} r {row[f'{one}_correlation']}" for one in dimensions)
        name = f"{path.stem.removesuffix('-summary')} {row['model']}, {row['epochs']} epochs"
        found.append(Published(name, split=row["split"], values=values, note=note))
    return found


def _table(path: Path, rows: list[dict[str, str]]) -> tuple[int | None, dict[str, float]]:
    _refuse_lacking(path, rows[0], _TABLE)
    values: dict[str, float] = {}
    seen: set[str] = set()
    n = None
    for row in rows:
        if row["class"] in seen:
            raise UserError(f"{path}: two lines are of '{row['class']}'", "give each class one line")
        seen.add(row["class"])
        numbers = {
            key: _percent(path, row[f"{key}_percent"])
            for key in ("precision", "recall", "f1")
            if row[f"{key}_percent"].strip()
        }
        count = _count(path, row["support"])
        if row["class"] == "accuracy":
            n = count
            values |= {"accuracy": numbers["f1"]} if "f1" in numbers else {}
        elif row["class"] == "macro avg":
            values |= {f"macro_{key}": value for key, value in numbers.items()}
        else:
            values |= {f"{key}:{row['class']}": value for key, value in numbers.items()}
    if "macro_recall" in values:
        values["balanced_accuracy"] = values["macro_recall"]
    return n, values


def _percent(path: Path, text: str) -> float:
    """The share that a percentage is, whether its sign is there or not."""
    number = _number(path, text.strip().removesuffix("%"))
    if number > 100:
        raise UserError(f"{path}: {text} is no percentage", "write numbers from 0 to 100")
    return number / 100


def _number(path: Path, text: str) -> float:
    if not _NUMBER.fullmatch(text.strip()):
        raise UserError(f"{path}: '{text}' is no number", "write numbers such as 61.06; leave empty what is not known")
    return float(text)


def _count(path: Path, text: str) -> int | None:
    if not text.strip():
        return None
    if not _COUNT.fullmatch(text.strip()):
        raise UserError(f"{path}: '{text}' is no number of samples", "write a whole number; leave empty if not known")
    return int(text)


def _rows(path: Path) -> list[dict[str, str]]:
    """The lines of a file, at least one.

    Raises:
        UserError: it cannot be read, is empty, or lines, header and columns do not fit each other.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter(file.readline()))
            file.seek(0)
            reader.fieldnames = header = [name.strip() for name in reader.fieldnames or []]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}", "correct or remove that file") from error
    refuse_repeated(header, str(path))
    if not rows:
        raise UserError(f"{path} has no line below its header" if header else f"{path} is empty", "remove that file")
    if any(None in row or None in row.values() for row in rows):
        raise UserError(f"{path}: a line has not as many fields as the header", "correct that line")
    if path.name == SUMMARY_FILE:
        _refuse_lacking(path, rows[0], _SUMMARY)
    return rows


def _has_any(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> bool:
    """Whether a file is of a layout: one that lacks some of its columns is, and the error names them."""
    return any(column in rows[0] for column in columns)


def _refuse_lacking(path: Path, there: Iterable[str], wanted: Sequence[str]) -> None:
    there = list(there)
    lacking = [f"'{column}'" for column in wanted if column not in there]
    if lacking:
        missing = f"{'columns' if len(lacking) > 1 else 'column'} {', '.join(lacking)}"
        raise UserError(f"{path} has no {missing}", f"its header should be {','.join(wanted)}; it is {','.join(there)}")
