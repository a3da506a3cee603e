"""Any images that a CSV file lists with their labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from ferbench import (
    Dataset,
    Fault,
    Inert,
    Sample,
    UserError,
    csv_columns,
    csv_rows,
    expressions,
    image_tree,
    text_lines,
)
from ferbench_builtin.datasets.folder import PARTS
from ferbench_builtin.datasets.image_files import Color, Fit, ImageFiles, LeftOut, Size, Stored

#: What columns are usually called, in lower case, by what they are for.
USUAL = {
    "path": (
        "path",
        "image",
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "image_path",
        "image_name",
        "img",
        "img_path",
    ),
    "label": ("label", "emotion", "expression", "class"),
    "split": ("split", "usage", "subset", "set"),
    "subject": ("subject", "subject_id", "person", "person_id"),
    "clip": ("clip", "clip_id", "video", "video_id"),
}
_PIXELS = re.compile(r"(\d{1,3} ){64}")

_SPLITS = "train, validation, test, Training, PublicTest or PrivateTest"
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

    The file is UTF-8, with commas, semicolons or tabs. Only the path and the label must be there.
    Columns are found by the names here or other usual ones, such as ``image``, ``emotion`` and ``Usage``. The split is
    ``train``, ``validation`` (or val, valid, dev), ``test``, or as FER2013 has it ``Training``, ``PublicTest`` and
    ``PrivateTest``; without such a column all is ``train``. Labels that name
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
    directory = table.parent if root is None else root.expanduser()
    columns = _columns(table, directory, named)

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


def _columns(table: Path, directory: Path, named: Mapping[str, str]) -> dict[str, str]:
    """The columns that are there, by what they are for.

    A column that nobody named is found by its usual names, and may be missing unless it is the path's or the label's;
    one that the user named must be there.

    Raises:
        UserError: columns are missing, all of which are named; two could be meant; or the first line is no header.
    """
    choices = {
        purpose: [name.strip()] if name != purpose else list(USUAL.get(purpose, (purpose,)))
        for purpose, name in named.items()
    }
    line = next(text_lines(table), (1, ""))[1]
    there = csv_columns(table, [name for names in choices.values() for name in names])
    if "pixels" in there or _PIXELS.search(line):
        raise UserError(
            f"{table} holds the pixels of images, as FER2013's own table does",
            f"read it with --dataset fer2013 --data {table}",
        )
    if any(_names_image(name, directory) for name in _cells(line)):
        raise UserError(
            f"the first line of {table} is not a header, but the row of an image: {line[:80]!a}",
            "write a line with the names of its columns above it, such as path,label,split",
        )
    columns: dict[str, str] = {}
    missing = []
    for purpose, names in choices.items():
        found = [name for name in names if name.lower() in there]
        if len(found) > 1 and found[0] != purpose:
            raise UserError(
                f"{table}: the columns '{found[0]}' and '{found[1]}' could both be the {purpose}",
                f"name the column of the {purpose} with --set dataset.{purpose}_column={found[0]}",
            )
        if found:
            columns[purpose] = found[0]
        elif purpose in ("path", "label") or named[purpose] != purpose:
            missing.append(purpose)
    if missing:
        lacking = " and ".join(
            f"no column for the {purpose}" if named[purpose] == purpose else f"no column '{named[purpose]}'"
            for purpose in missing
        )
        remedy = " ".join(f"--set dataset.{purpose}_column=NAME" for purpose in missing)
        raise UserError(f"{table} has {lacking}; its first line is: {ascii(line)[1:-1][:200]}", f"say which: {remedy}")
    return columns


def _cells(line: str) -> list[str]:
    return [cell.strip(' "\t') for cell in re.split("[,;\t]", line)]


def _names_image(text: str, directory: Path) -> bool:
    """Whether a cell of the first line is the path of an image rather than the name of a column."""
    if text.lower().endswith(image_tree.SUFFIXES):
        return True
    try:
        return "/" in text and (directory / text).is_file()
    except (OSError, ValueError):
        return False


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
        return f"unknown split {fields['split'][:24]!a}, expected {_SPLITS}"
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
