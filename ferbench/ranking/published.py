"""Tables as others published them: shown beside what was measured here, never ranked with it.

A directory holds a file for each table, laid out as scikit-learn's classification report (``class, precision_percent,
recall_percent, f1_percent, support``; a row for each class, then ``macro avg`` and ``accuracy`` with its value in the
F1 column), and ``summary.csv`` (``name, dataset, split, n, accuracy_percent, note``), a line for each experiment, which
may say its ``kind`` (``reported``, or ``people``), its ``source``, how it was chosen (``selection``) and what of that
was ``checked``. In a file of models with valence and arousal each line is an experiment, in fractions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ferbench.audit.cells import score
from ferbench.audit.claims import of_images
from ferbench.audit.printed import Printed
from ferbench.errors import UserError
from ferbench.metrics.affect import DIMENSIONS
from ferbench.tables.reading import read_table

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_FILE = "summary.csv"
_SUMMARY = ["name", "dataset", "split", "n", "accuracy_percent", "note"]
_TABLE = ["class", "precision_percent", "recall_percent", "f1_percent", "support"]
_MULTITASK = ["model", "epochs", "split", "expression_accuracy", "valence_rmse", "arousal_rmse"]
_MULTITASK += ["valence_correlation", "arousal_correlation"]
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_COUNT = re.compile(r"[0-9]{1,15}")
_KINDS = ("reported", "people")
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
        kind: ``reported``, or ``people`` where people and not a model were tried.
        source: where it is published.
        selection: how it was chosen among several, as far as a paper or code says.
        checked: what of this was looked up.
        arithmetic: which number of images gives its accuracy, or that none does; empty where that says nothing.
    """

    name: str
    dataset: str = ""
    split: str = ""
    n: int | None = None
    values: dict[str, float] = field(default_factory=dict)
    note: str = ""
    kind: str = "reported"
    source: str = ""
    selection: str = ""
    checked: str = ""
    arithmetic: str = ""


def read_published(directory: Path) -> tuple[list[Published], list[Path]]:
    """Every experiment of a directory, those of the summary first, and the files that are of another layout.

    Raises:
        UserError: there is no such directory, or a file of it is damaged.
    """
    if not directory.is_dir():
        raise UserError(f"there is no directory {directory}", "name the one with the published tables")
    named: dict[str, Published] = {}
    several: list[Published] = []
    others = []
    # The summary first, whatever it is sorted behind.
    for path in sorted(directory.glob("*.csv"), key=lambda path: (path.name != SUMMARY_FILE, path)):
        table = read_table(path)
        # A file that lacks some columns of a layout is of that layout, and the error names them.
        if path.name == SUMMARY_FILE:
            for row in _records(path, table, _SUMMARY, unique="name"):
                named[row["name"]] = _experiment(path, row)
        elif {*_TABLE[:4]} & {*table}:
            n, values = _table(path, _records(path, table, _TABLE, unique="class"))
            known = named.get(path.stem, Published(path.stem, n=n))
            named[path.stem] = replace(known, n=known.n or n, values=values | known.values)
        elif {*_MULTITASK[3:]} & {*table}:
            several += [_multitask(path, row) for row in _records(path, table, _MULTITASK)]
        else:
            others.append(path)
    return [*named.values(), *several], others


def _records(path: Path, table: pd.DataFrame, wanted: Sequence[str], unique: str = "") -> list[dict[str, str]]:
    """The lines of a table by column.

    Raises:
        UserError: it lacks a wanted column, or two lines have one value in the ``unique`` one.
    """
    lacking = [f"'{column}'" for column in wanted if column not in table]
    if lacking:
        missing = f"{'columns' if len(lacking) > 1 else 'column'} {', '.join(lacking)}"
        raise UserError(f"{path} has no {missing}", f"its header should be {','.join(wanted)}; it is {','.join(table)}")
    if unique and (twice := table[unique].duplicated()).any():
        raise UserError(f"{path}: two lines are of '{table[unique][twice].iloc[0]}'", "leave one of them")
    return [{str(name): str(text) for name, text in row.items()} for row in table.to_dict("records")]


def _experiment(path: Path, row: dict[str, str]) -> Published:
    """A line of the summary."""
    values, accuracy = {}, row["accuracy_percent"].strip()
    n = _count(path, row["n"])
    arithmetic = ""
    kind = row.get("kind") or "reported"
    if kind not in _KINDS:
        raise UserError(f"{path}: '{kind}' is not a kind of result", f"choose among: {', '.join(_KINDS)}")
    if accuracy and not accuracy.startswith(_BOUNDS):
        values["accuracy"] = _percent(path, accuracy)
        printed = score(accuracy, True, None, str(path))
        if printed is not None and kind == "reported":
            arithmetic = of_images(Printed(printed.value / 100, printed.step / 100), row["dataset"], n)
    more = {key: row.get(key, "") for key in ("source", "selection", "checked")}
    return Published(
        row["name"], row["dataset"], row["split"], n, values, row["note"], kind=kind, arithmetic=arithmetic, **more
    )


def _multitask(path: Path, row: dict[str, str]) -> Published:
    """A line of models: accuracy, and errors and correlations of valence and arousal."""
    keys = {"accuracy": "expression_accuracy", "valence_rmse": "valence_rmse", "arousal_rmse": "arousal_rmse"}
    values = {key: _number(path, row[column]) for key, column in keys.items() if row[column]}
    dimensions = [dimension for dimension in DIMENSIONS if row[f"{dimension}_correlation"]]
    note = ", ".join(f"{dimension} r {row[f'{dimension}_correlation']}" for dimension in dimensions)
    name = f"{path.stem.removesuffix('-summary')} {row['model']}, {row['epochs']} epochs"
    return Published(name, split=row["split"], values=values, note=note)


def _table(path: Path, rows: list[dict[str, str]]) -> tuple[int | None, dict[str, float]]:
    """The samples and the scores of a table by class."""
    values: dict[str, float] = {}
    n = None
    for row in rows:
        texts = {key: row[f"{key}_percent"] for key in ("precision", "recall", "f1")}
        numbers = {key: _percent(path, text) for key, text in texts.items() if text.strip()}
        count = _count(path, row["support"])
        if row["class"] == "accuracy":
            n = count
            values |= {"accuracy": numbers["f1"]} if "f1" in numbers else {}
        elif row["class"] == "weighted avg":
            continue
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
