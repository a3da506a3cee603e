"""Any images that a CSV file lists with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from ferbench import Dataset, Fault, Inert, Sample, UserError, csv_columns, csv_rows, expressions, image_tree
from ferbench_builtin.datasets.folder import PARTS
from ferbench_builtin.datasets.image_files import Color, Fit, ImageFiles, LeftOut, Size, Stored

_REMEDY = "name a CSV file with the columns path and label, or its directory, with --data"


def csv_faces(
    path: Path | None,
    *,
    root: Path | None = None,
    path_column: Annotated[str, Inert()] = "path",
    label_column: Annotated[str, Inert()] = "label",
    valence_column: Annotated[str, Inert()] = "valence",
    arousal_column: Annotated[str, Inert()] = "arousal",
    split_column: Annotated[str, Inert()] = "split",
    subject_column: Annotated[str, Inert()] = "subject",
    clip_column: Annotated[str, Inert()] = "clip",
    size: Size | None = None,
    color: Color = "rgb",
    fit: Fit = "stretch",
) -> Dataset:
    """Images listed in a CSV file: one row each, with a path and a label, and what else is known.

    The file is UTF-8, with commas, semicolons or tabs. Only the path and the label must be there. The split is
    ``train``, ``validation`` (or val, valid, dev) or ``test``; without such a column all is ``train``. Labels that name
    an expression are brought to one spelling (``Anger`` is ``angry``), others stay as they are; the classes are those
    that occur, sorted. Ids are the paths as written.

    Args:
        path: the CSV file, or a directory that holds one.
        root: directory that relative paths start from; None: that of the CSV file.
        path_column: column with the image's path.
        label_column: column with the class.
        valence_column: column with valence in [-1, 1]; empty fields and a missing column mean that it is not known.
        arousal_column: the same for arousal.
        split_column: column with the part.
        subject_column: column that says who is shown.
        clip_column: column that says which video a frame is from.
        size: side in pixels that images are resampled to; None: all must have one size already.
        color: how images are stored.
        fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and
            leaves black margins, ``crop`` keeps it and takes the middle.

    Raises:
        UserError: there is no such file, or it lacks a column that is needed or was named.
    """
    table = _table(path)
    named = {
        "path": path_column,
        "label": label_column,
        "valence": valence_column,
        "arousal": arousal_column,
        "split": split_column,
        "subject": subject_column,
        "clip": clip_column,
    }
    columns = _columns(table, named)
    directory = table.parent if root is None else root.expanduser()

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        for number, row in csv_rows(table, list(columns.values())):
            fields = row if isinstance(row, str) else dict(zip(columns, (field.strip() for field in row), strict=True))
            item = fields if isinstance(fields, str) else _sample(directory, fields, f"{table}, row {number}")
            yield Fault(str(table), number, item) if isinstance(item, str) else item

    def stamped() -> dict[str, object]:
        names = (row[0].strip() for _, row in csv_rows(table, [columns["path"]]) if not isinstance(row, str))
        return {
            "table": image_tree.stamp([table]),
            "images": image_tree.stamp_named(names, directory),
            "columns": columns,
        }

    rows = [row[0] for _, row in csv_rows(table, [columns["label"]]) if not isinstance(row, str)]
    labels = {_label(text) for text in rows if _is_unicode(text)} - {""}
    if len(labels) < 2:
        found = ", ".join(sorted(labels)) or "none"
        raise UserError(
            f"{table}: column '{columns['label']}' names fewer than two classes: {found}",
            "check the file, or name another column with dataset.label_column",
        )
    return ImageFiles(
        table,
        sorted(labels),
        Stored(size, color, fit),
        layout=table.name,
        listing=listing,
        stamped=stamped,
        notes={"columns": dict(columns)},
    )


def _table(path: Path | None) -> Path:
    if path is None:
        raise UserError("dataset 'csv' needs a CSV file", _REMEDY)
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist", _REMEDY)
    if not path.is_dir():
        return path
    tables = [path / name for name in image_tree.images(path, suffixes=(".csv",), deep=False)]
    if len(tables) != 1:
        there = ", ".join(file.name for file in tables[:8]) or "none"
        raise UserError(f"{path} should hold one CSV file; there is: {there}", _REMEDY)
    return tables[0]


def _columns(table: Path, named: Mapping[str, str]) -> dict[str, str]:
    """The columns that are there, by what they are for.

    A column under its usual name may be missing, unless it is the path's or the label's; one that the user named must
    not be.
    """
    there = csv_columns(table, list(named.values()))
    columns = {}
    for purpose, name in named.items():
        if name.strip().lower() in there:
            columns[purpose] = name.strip()
        elif purpose in ("path", "label") or name != purpose:
            found = ", ".join(ascii(one)[1:-1] for one in there[:16]) or "nothing"
            raise UserError(
                f"{table} has no column '{name}'; it has: {found[:200]}",
                f"name the column of the {purpose} with --set dataset.{purpose}_column=NAME",
            )
    return columns


def _is_unicode(text: str) -> bool:
    """Whether a field was UTF-8: other bytes come through as lone surrogates."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _label(text: str) -> str:
    return expressions.expression_named(text) or text.strip()


def _sample(directory: Path, fields: Mapping[str, str], location: str) -> Sample | str:
    """The sample of a row, or what is wrong with it."""
    for purpose, text in fields.items():
        if not _is_unicode(text):
            return f"{purpose} {text[:24]!a} is not UTF-8; save the file as UTF-8"
    if not fields["path"]:
        return "no image is named"
    part = PARTS.get(fields.get("split", "train").lower())
    if part is None:
        return f"unknown split {fields['split'][:24]!a}, expected train, validation or test"
    affect: dict[str, float | None] = {}
    for name in ("valence", "arousal"):
        text = fields.get(name, "")
        try:
            affect[name] = float(text) if text else None
        except ValueError:
            return f"{name} {text[:24]!a} is no number"
    return Sample(
        id=fields["path"],
        part=part,
        label=_label(fields["label"]),
        image=directory / fields["path"],
        location=location,
        valence=affect["valence"],
        arousal=affect["arousal"],
        subject=fields.get("subject") or None,
        clip=fields.get("clip") or None,
    )
