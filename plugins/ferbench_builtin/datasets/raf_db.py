"""RAF-DB (Li, Deng and Du, 2017), the basic and the compound set, as its authors send them and as Kaggle has them.

``EmoLabel/list_patition_label.txt`` (spelt so) has lines such as ``train_00001.jpg 5``; the numbers of the basic set
are 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral, as the authors' ReadMe has them. Files
and folders of the compound set have the same names, ``train_0001.jpg 6``, with numbers from 1 to 11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ferbench import Dataset, Fault, Sample, UserError, csv_rows, expressions, image_tree, text_lines
from ferbench_builtin.datasets.image_files import Color, Fit, ImageFiles, LeftOut, Size, Stored
from ferbench_builtin.datasets.layouts import directory_of, no_such_layout

Which = Literal["basic", "compound"]

_BASIC = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
_COMPOUND = (
    "happily surprised",
    "happily disgusted",
    "sadly fearful",
    "sadly angry",
    "sadly surprised",
    "sadly disgusted",
    "fearfully angry",
    "fearfully surprised",
    "angrily surprised",
    "angrily disgusted",
    "disgustedly surprised",
)
_SETS: dict[Which, tuple[str, ...]] = {"basic": _BASIC, "compound": _COMPOUND}
_BY_NUMBER = {which: {str(k): name for k, name in enumerate(names, start=1)} for which, names in _SETS.items()}
#: Images of the compound set have numbers of four digits, those of the basic set of five.
_COMPOUND_NAME = re.compile(r"(train|test)_[0-9]{4}(_aligned)?\.")
_LIST = Path("EmoLabel", "list_patition_label.txt")
_LINE = re.compile(r"((train|test)_[0-9]+)\.jpg\s+(1[01]|[1-9])")
_NAME = re.compile(r"((train|test)_[0-9]+)(_aligned)?")
_PARTS = ("train", "test")
_WHERE_TO_GET = (
    "ask its authors for it (whdeng.cn, RAF-DB, basic set) or use Kaggle's copy with DATASET/train/1…7, "
    "and name the directory with --data"
)


def raf_db(
    path: Path | None,
    *,
    set: Which = "basic",
    images: Literal["aligned", "original"] = "aligned",
    size: Size | None = None,
    color: Color = "rgb",
    fit: Fit = "stretch",
) -> Dataset:
    """RAF-DB's basic set: 15,339 faces, seven classes, parts ``train`` and ``test``; or its compound set: 3,954 faces,
    eleven classes.

    The layout is found by itself: ``EmoLabel`` and ``Image`` as the authors send it, or Kaggle's
    ``DATASET/train|test/1…7``, whose ``train_labels.csv`` and ``test_labels.csv`` are checked against the folders. Ids
    are ``train_00001``, in every copy.

    Args:
        path: the directory with the files.
        set: ``basic``, or ``compound`` for faces that show two expressions.
        images: the authors' aligned faces of 100×100 pixels, or the photos that they are from.
        size: side in pixels that images are resampled to; None: all must have one size already.
        color: how images are stored.
        fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and
            leaves black margins, ``crop`` keeps it and takes the middle.

    Raises:
        UserError: nothing that looks like RAF-DB is there, or not the images that are asked for.
    """
    path = directory_of(path, "raf-db", _WHERE_TO_GET)
    stored = Stored(size, color, fit)
    for directory in (path, path / set):
        if (directory / _LIST).is_file():
            _check_set(_set_of_list(directory / _LIST), set, directory)
            return _from_authors(directory, set, images, stored)
    for directory in (path, path / "DATASET"):
        if all((directory / part).is_dir() for part in _PARTS):
            _check_set(_set_of_folders(directory), set, directory)
            return _from_kaggle(directory, set, images, stored)
    raise no_such_layout("RAF-DB", path, f"{_LIST.as_posix()}, or train/ and test/ with folders 1 to 7", _WHERE_TO_GET)


def _check_set(found: Which, asked: Which, directory: Path) -> None:
    if found != asked:
        raise UserError(
            f"{directory} holds RAF-DB's {found} set, of {len(_SETS[found])} classes, not its {asked} set",
            f"read it with --set dataset.set={found}, or name the other directory",
        )


def _set_of_list(table: Path) -> Which:
    """By the names of most images."""
    short = [bool(_COMPOUND_NAME.match(line.strip())) for _, line in text_lines(table) if line.strip()]
    return "compound" if 2 * sum(short) > len(short) else "basic"


def _set_of_folders(directory: Path) -> Which:
    folders = {name for part in _PARTS for name in image_tree.subdirectories(directory / part)}
    return "compound" if folders & {"8", "9", "10", "11"} else "basic"


def _names(which: Which) -> tuple[str, ...]:
    return expressions.BASIC if which == "basic" else tuple(sorted(_COMPOUND))


def _said(which: Which) -> dict[str, str]:
    return {} if which == "basic" else {"set": which}


def _from_authors(directory: Path, which: Which, kind: str, stored: Stored) -> Dataset:
    folder = directory / "Image" / kind
    if not folder.is_dir():
        raise UserError(
            f"{folder} does not exist", f"unpack {kind}.zip there, or choose other images with dataset.images"
        )

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        for number, line in text_lines(directory / _LIST):
            if not line.strip():
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None or match[3] not in _BY_NUMBER[which]:
                reason = f"{line[:40]!a} is not as 'train_00001.jpg 5', with a class from 1 to {len(_SETS[which])}"
                yield Fault(str(directory / _LIST), number, reason)
                continue
            stem, part, label = match.groups()
            file = folder / (f"{stem}_aligned.jpg" if kind == "aligned" else f"{stem}.jpg")
            yield Sample(stem, part, _BY_NUMBER[which][label], file, location=str(file))

    return ImageFiles(
        directory,
        _names(which),
        stored,
        layout="EmoLabel and Image",
        listing=listing,
        stamped=lambda: {"files": image_tree.stamp([directory / _LIST, folder]), "images": kind, **_said(which)},
        notes={"which_images": kind, **_said(which)},
    )


def _from_kaggle(directory: Path, which: Which, kind: str, stored: Stored) -> Dataset:
    if kind != "aligned":
        raise UserError(f"{directory} holds Kaggle's copy, which has aligned images alone", "leave dataset.images out")
    tables = {part: table for part in _PARTS if (table := _table_of(directory, part)) is not None}

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        ignored = image_tree.Ignored()
        for part in _PARTS:
            stated = _stated(tables[part]) if part in tables else None
            for name in image_tree.images(directory / part, ignored):
                yield _kaggle_sample(directory / part, part, name, stated, which)
            for name, (row, _) in (stated or {}).items():
                yield Fault(str(tables[part]), row, f"'{name}' is in no class folder")
        left_out.add_ignored(ignored)

    return ImageFiles(
        directory,
        _names(which),
        stored,
        layout="train and test folders",
        listing=listing,
        stamped=lambda: {
            "files": image_tree.stamp([*tables.values(), *(directory / part for part in _PARTS)]),
            **_said(which),
        },
        notes={**_said(which), "which_images": kind, "labels_checked": sorted(table.name for table in tables.values())},
    )


def _table_of(directory: Path, part: str) -> Path | None:
    tables = (place / f"{part}_labels.csv" for place in (directory, directory.parent))
    return next((table for table in tables if table.is_file()), None)


def _stated(table: Path) -> dict[str, tuple[int, str]]:
    """Row and class number of every image that a table names; rows that cannot be read name none."""
    stated: dict[str, tuple[int, str]] = {}
    for number, row in csv_rows(table, ("image", "label")):
        if isinstance(row, str):
            continue
        name, label = row[0].strip(), row[1].strip()
        if stated.setdefault(name, (number, label))[1] != label:
            raise UserError(f"{table}, row {number}: '{name}' is there twice, with two labels", "keep the right one")
    return stated


def _kaggle_sample(
    folder: Path, part: str, name: str, stated: dict[str, tuple[int, str]] | None, which: Which
) -> Sample | Fault:
    location = f"{folder}/{name}"
    class_folder, _, file_name = name.partition("/")
    by_number = _BY_NUMBER[which]
    label = by_number.get(class_folder) or expressions.expression_named(class_folder)
    if not file_name:
        return Fault(location, None, "lies in no class folder")
    if label not in _SETS[which]:
        expected = f"expected 1 to {len(by_number)}" + (" or the name of an expression" if which == "basic" else "")
        return Fault(location, None, f"unknown label '{class_folder}', {expected}")
    match = _NAME.fullmatch(Path(file_name).stem)
    if match is None or match[2] != part:
        return Fault(location, None, f"the name is not as '{part}_00001_aligned.jpg'")
    if stated is not None:
        row, number = stated.pop(file_name, (0, ""))
        if by_number.get(number) != label:
            said = f"calls it {number!a}" if row else "does not name it"
            return Fault(location, None, f"lies in folder '{class_folder}', but {part}_labels.csv {said}")
    return Sample(match[1], part, label, folder / name, location=location)
