"""Tables as others published them: shown beside what was measured here, never ranked with it.

A directory holds a file for each table, laid out as scikit-learn's classification report (``class, precision_percent,
recall_percent, f1_percent, support``; a row for each class, then ``macro avg`` and ``accuracy`` with its value in the
F1 column), and ``summary.csv`` (``name, dataset, split, n, accuracy_percent, note``), a line for each experiment. In a
file of models with valence and arousal each line is an experiment, in fractions.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ferbench.errors import UserError

SUMMARY_FILE = "summary.csv"
_TABLE = ["class", "precision_percent", "recall_percent", "f1_percent", "support"]
_MULTITASK = ["model", "epochs", "split", "expression_accuracy", "valence_rmse", "arousal_rmse"]
_MULTITASK += ["valence_correlation", "arousal_correlation"]
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Published:
    """One experiment as it was reported.

    Attributes:
        name: of the table.
        dataset: as it is called there.
        split: what it was measured on.
        n: samples; None where not said.
        values: metrics in [0, 1] by name, ``f1:CLASS`` among them.
        note: what is said of it.
    """

    name: str
    dataset: str = ""
    split: str = ""
    n: int | None = None
    values: dict[str, float] = field(default_factory=dict)
    note: str = ""


def read_published(directory: Path) -> list[Published]:
    """Every experiment of a directory, those of the summary first; tables of another layout are left out.

    Raises:
        UserError: there is no such directory, or a file of it is damaged.
    """
    if not directory.is_dir():
        raise UserError(f"there is no directory {directory}", "name the one with the published tables")
    tables = {path.stem: found for path in sorted(directory.glob("*.csv")) if (found := _table(path)) is not None}
    named: dict[str, Published] = {}
    summary = directory / SUMMARY_FILE
    if summary.is_file():
        for row in _rows(summary):
            one = Published(row["name"], row["dataset"], row["split"], _count(row["n"]), {}, row["note"])
            if _NUMBER.fullmatch(row["accuracy_percent"]):
                one.values["accuracy"] = float(row["accuracy_percent"]) / 100
            named[one.name] = one
    for name, (n, values) in tables.items():
        known = named.get(name, Published(name, n=n))
        merged = {**values, **known.values}
        named[name] = Published(name, known.dataset, known.split, known.n or n, merged, known.note)
    several = [one for path in sorted(directory.glob("*.csv")) for one in _multitask(path)]
    return [*named.values(), *several]


def _multitask(path: Path) -> list[Published]:
    """A line for each model: accuracy, and errors and correlations of valence and arousal."""
    rows = _rows(path)
    if not rows or list(rows[0]) != _MULTITASK:
        return []
    found = []
    for row in rows:
        keys = {"accuracy": "expression_accuracy", "valence_rmse": "valence_rmse", "arousal_rmse": "arousal_rmse"}
        values = {key: _number(path, row[column]) for key, column in keys.items() if row[column]}
        told = [f"{one} r {row[f'{one}_correlation']}" for one in ("valence", "arousal") if row[f"{one}_correlation"]]
        name = f"{path.stem.removesuffix('-summary')} {row['model']}, {row['epochs']} epochs"
        found.append(Published(name, split=row["split"], values=values, note=", ".join(told)))
    return found


def _table(path: Path) -> tuple[int | None, dict[str, float]] | None:
    rows = _rows(path)
    if not rows or list(rows[0]) != _TABLE:
        return None
    values: dict[str, float] = {}
    n = None
    for row in rows:
        numbers = {
            key: _number(path, row[f"{key}_percent"]) / 100
            for key in ("precision", "recall", "f1")
            if row[f"{key}_percent"]
        }
        if row["class"] == "accuracy":
            n = _count(row["support"])
            values |= {"accuracy": numbers["f1"]} if "f1" in numbers else {}
        elif row["class"] == "macro avg":
            values |= {f"macro_{key}": value for key, value in numbers.items()}
        else:
            values |= {f"{key}:{row['class']}": value for key, value in numbers.items()}
    if "macro_recall" in values:
        values["balanced_accuracy"] = values["macro_recall"]
    return n, values


def _number(path: Path, text: str) -> float:
    if not _NUMBER.fullmatch(text.strip()):
        raise UserError(f"{path}: '{text}' is no number", "write numbers without signs; leave empty what is not known")
    return float(text)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path}: {error}", "mend or remove that file") from error
    if any(None in row or None in row.values() for row in rows):
        raise UserError(f"{path}: a line has not as many fields as the header", "mend that line")
    return rows


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() else None
