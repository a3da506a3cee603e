"""AffectNet (Mollahosseini, Hasani and Mahoor, 2019), in its two layouts, with valence and arousal.

The one of 2021: ``train_set`` and ``val_set``, each with ``images/ID.jpg`` and ``annotations/ID_exp.npy``,
``ID_val.npy``, ``ID_aro.npy`` (and ``ID_lnd.npy``, which is not read). The older one: ``training.csv`` and
``validation.csv`` with ``subDirectory_filePath, face_x, face_y, face_width, face_height, facial_landmarks, expression,
valence, arousal``, and ``Manually_Annotated_Images``. Expressions are 0 neutral, 1 happy, 2 sad, 3 surprise, 4 fear,
5 disgust, 6 anger, 7 contempt, 8 none, 9 uncertain, 10 no face; -2 stands for valence or arousal that there is not.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from ferbench import Crop, Dataset, Fault, Inert, Sample, csv_rows, expressions, image_tree
from ferbench_builtin.datasets.editions import edition_of, with_contempt
from ferbench_builtin.datasets.image_files import Color, Fit, ImageFiles, LeftOut, Size, Stored
from ferbench_builtin.datasets.layouts import directory_of, no_such_layout

_BY_NUMBER = dict(enumerate(("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")))
_CONTEMPT, _CONTEMPT_IN_TABLES = 7, ("7", "7.0")
_NO_EXPRESSION = {8: "none", 9: "uncertain", 10: "no face"}
_MISSING = -2.0
_SETS = {"train": "train_set", "validation": "val_set"}
_ANNOTATIONS = ("_exp.npy", "_val.npy", "_aro.npy")
_LARGEST_ANNOTATION = 4096
_TABLES = {"train": "training.csv", "validation": "validation.csv"}
_TABLE_FOLDERS = ("", "Manually_Annotated_file_lists")
_IMAGE_FOLDERS = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")
_BOX = ("face_x", "face_y", "face_width", "face_height")
_COLUMNS = ("subDirectory_filePath", *_BOX, "expression", "valence", "arousal")
_ALL_COLUMNS = ("subDirectory_filePath", *_BOX, "facial_landmarks", "expression", "valence", "arousal")
_WHERE_TO_GET = "ask its authors for it (mohammadmahoor.com, AffectNet) and name the directory with --data"


def affectnet(
    path: Path | None,
    *,
    face_box: Annotated[bool, Inert()] = True,
    contempt: Annotated[bool | None, Inert()] = None,
    size: Size | None = None,
    color: Color = "rgb",
    fit: Fit = "stretch",
) -> Dataset:
    """AffectNet: eight classes, valence and arousal; parts ``train`` and ``validation``.

    The official test set is not published, so that its validation set is what results are given on. Images that show
    no expression, an uncertain one or no face are left out and counted. Copies of the edition with seven classes, which
    has no contempt, are recognised by their validation set, and have seven.

    Args:
        path: the directory with ``train_set/`` and ``val_set/``, or with ``training.csv`` and ``validation.csv``.
        face_box: cut the face out by its box, in the layout with tables; the other has cut faces already.
        contempt: with the eighth class; false leaves its images out, which makes the task of seven classes. None: as
            the copy has it.
        size: side in pixels that images are resampled to; None: all must have one size already.
        color: how images are stored.
        fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and
            leaves black margins, ``crop`` keeps it and takes the middle.

    Raises:
        UserError: nothing that looks like AffectNet is there, or not the classes that are asked for.
    """
    path = directory_of(path, "affectnet", _WHERE_TO_GET)
    stored = Stored(size, color, fit)
    sets = {part: path / name for part, name in _SETS.items() if (path / name / "annotations").is_dir()}
    if sets:
        return _from_sets(path, sets, stored, contempt)
    folder = next((path / name for name in _IMAGE_FOLDERS if (path / name).is_dir()), None)
    tables = {
        part: path / place / name
        for part, name in _TABLES.items()
        for place in _TABLE_FOLDERS
        if (path / place / name).is_file()
    }
    if folder is None or not tables:
        expected = "train_set/ and val_set/ with images/ and annotations/, or training.csv and validation.csv with "
        raise no_such_layout("AffectNet", path, f"{expected}{_IMAGE_FOLDERS[0]}/", _WHERE_TO_GET)
    return _from_tables(path, tables, folder, stored, face_box, contempt)


def _from_sets(path: Path, sets: dict[str, Path], stored: Stored, contempt: bool | None) -> Dataset:
    tested = (sets.get("validation") or next(iter(sets.values()))) / "annotations"
    labels = (_annotation(tested / name) for name in image_tree.images(tested, suffixes=(_ANNOTATIONS[0],)))
    classes = _classes(_CONTEMPT in labels, contempt, path)

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        ignored = image_tree.Ignored()
        for part, directory in sets.items():
            for name in image_tree.images(directory / "images", ignored):
                location = f"{directory}/images/{name}"
                stem = Path(name).with_suffix("").as_posix()
                values = [_annotation(directory / "annotations" / f"{stem}{suffix}") for suffix in _ANNOTATIONS]
                fault = next((value for value in values if isinstance(value, str)), None)
                if fault is not None:
                    yield Fault(location, None, fault)
                    continue
                expression, valence, arousal = (value for value in values if not isinstance(value, str))
                if expression in _NO_EXPRESSION:
                    left_out.add(_NO_EXPRESSION[int(expression)])
                elif expression not in _BY_NUMBER:
                    yield Fault(location, None, _unknown(expression))
                elif _BY_NUMBER[int(expression)] not in classes:
                    left_out.add(_BY_NUMBER[int(expression)])
                else:
                    yield Sample(
                        id=f"{part}/{stem}",
                        part=part,
                        label=_BY_NUMBER[int(expression)],
                        image=directory / "images" / name,
                        location=location,
                        valence=_affect(valence),
                        arousal=_affect(arousal),
                    )
        left_out.add_ignored(ignored)

    def stamped() -> dict[str, str]:
        pictures = image_tree.stamp(directory / "images" for directory in sets.values())
        return {
            "images": pictures,
            "annotations": image_tree.stamp(
                (directory / "annotations" for directory in sets.values()), suffixes=_ANNOTATIONS
            ),
        }

    return ImageFiles(
        path,
        classes,
        stored,
        layout="train_set and val_set",
        listing=listing,
        stamped=stamped,
        notes={"edition": edition_of(classes)},
    )


def _classes(found: bool, asked: bool | None, path: Path) -> tuple[str, ...]:
    return expressions.EXPRESSIONS if with_contempt(found, asked, "AffectNet", path) else expressions.BASIC


def _annotation(file: Path) -> float | str:
    """The number in a ``.npy`` file, which holds it as a text or a number; or what is wrong with it."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST_ANNOTATION)
        start = 10 + int.from_bytes(data[8:10], "little")
        dtype = _type_of_one(data[:start])
        return float(np.frombuffer(data, dtype, count=1, offset=start)[0])
    except OSError as error:
        return f"{file.name} cannot be read: {error.strerror or error}"
    except (ValueError, TypeError, SystemError):  # the last one for a text of what is no character
        return f"{file.name} is no single number"


@functools.lru_cache(maxsize=64)
def _type_of_one(head: bytes) -> np.dtype[Any]:
    """The type that the header of a ``.npy`` file states, of one value and no object.

    ``np.load`` would read each header anew, and that takes most of its time: AffectNet has 870,000 of these files and
    a handful of headers.

    Raises:
        ValueError: another file, or another number of values.
    """
    stream = io.BytesIO(head)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("another version of the format")
    try:
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception as error:  # The header is parsed as Python, and fails in as many ways.
        raise ValueError("a damaged header") from error
    if dtype.hasobject or math.prod(shape) != 1:
        raise ValueError("not one value")
    return dtype


def _from_tables(
    path: Path, tables: dict[str, Path], folder: Path, stored: Stored, face_box: bool, contempt: bool | None
) -> Dataset:
    tested = tables.get("validation") or next(iter(tables.values()))
    rows = (row for _, row in csv_rows(tested, _COLUMNS, headless=_ALL_COLUMNS) if not isinstance(row, str))
    classes = _classes(any(row[5].strip() in _CONTEMPT_IN_TABLES for row in rows), contempt, path)

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        for part, table in tables.items():
            for number, row in csv_rows(table, _COLUMNS, headless=_ALL_COLUMNS):
                item = row if isinstance(row, str) else _row(folder, part, row, face_box, classes, left_out)
                if isinstance(item, str):
                    yield Fault(str(table), number, item)
                elif item is not None:
                    yield replace(item, location=f"{table}, row {number}")

    return ImageFiles(
        path,
        classes,
        stored,
        layout="tables and Manually_Annotated_Images",
        listing=listing,
        stamped=lambda: {"files": image_tree.stamp([*tables.values(), folder]), "face_box": face_box},
        notes={"face_box": face_box, "edition": edition_of(classes)},
    )


def _row(
    folder: Path, part: str, row: tuple[str, ...], face_box: bool, classes: Sequence[str], left_out: LeftOut
) -> Sample | str | None:
    """The sample of a row, what is wrong with it, or None where it shows none of the classes."""
    name, *box, expression, valence, arousal = (field.strip() for field in row)
    if not name:
        return "no image is named"
    try:
        number, affect = float(expression), (float(valence), float(arousal))
    except ValueError:
        return f"expression, valence or arousal is no number: {', '.join((expression, valence, arousal))[:60]!a}"
    if number in _NO_EXPRESSION:
        left_out.add(_NO_EXPRESSION[int(number)])
        return None
    if number not in _BY_NUMBER:
        return _unknown(number)
    if _BY_NUMBER[int(number)] not in classes:
        left_out.add(_BY_NUMBER[int(number)])
        return None
    image: Path | Crop = folder / name
    if face_box:
        try:
            left, top, width, height = (int(float(value)) for value in box)
        except (ValueError, OverflowError):
            return f"the face's box is no four numbers: {', '.join(box)[:60]!a}"
        image = Crop(folder / name, left, top, left + width, top + height)
    return Sample(name, part, _BY_NUMBER[int(number)], image, valence=_affect(affect[0]), arousal=_affect(affect[1]))


def _unknown(number: float) -> str:
    return f"unknown label '{number:g}', expected an expression from 0 to 10"


def _affect(value: float) -> float | None:
    return None if value == _MISSING else value
