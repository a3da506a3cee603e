"""FER2013 (Goodfellow et al., 2013), in the layouts that it goes around in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ferbench import Dataset, Inert, UserError, image_tree
from ferbench_builtin.datasets.fer2013_folders import Fer2013Folders, Split
from ferbench_builtin.datasets.fer2013_table import Fer2013Table
from ferbench_builtin.datasets.layouts import no_such_layout

TABLES = ("fer2013.csv", "icml_face_data.csv")
VOTES_FILE = "fer2013new.csv"
_VALIDATION = ("validation", "val")
_WHERE_TO_GET = (
    "get it from Kaggle (the folders msambare/fer2013, or icml_face_data.csv of the challenge "
    "'challenges-in-representation-learning-facial-expression-recognition-challenge') and name it with --data"
)


def fer2013(path: Path | None, *, votes: Annotated[bool, Inert()] = False) -> Dataset:
    """FER2013: 48×48 gray faces, seven classes, parts ``Training``, ``PublicTest`` and ``PrivateTest``.

    The layout is found by itself: ``fer2013.csv``, ``icml_face_data.csv``, Kaggle's folders
    ``train|test/<class>`` (whose test files say in their names which test they are from), or ``train``,
    ``validation|val`` and ``test``. A table is preferred to folders. ferbench downloads nothing.

    Args:
        path: the directory with the files, or the CSV file.
        votes: add the annotators' votes of FER+ (Barsoum et al., 2016) from ``fer2013new.csv`` beside the
            table.

    Raises:
        UserError: nothing that looks like FER2013 is there, or the votes cannot be had.
    """
    if path is None:
        raise UserError("dataset 'fer2013' needs its files", _WHERE_TO_GET)
    path = Path(path)
    if path.is_file():
        if path.suffix.lower() != ".csv":
            raise UserError(f"{path} is neither a directory nor a CSV file", "unpack it and name the directory")
        return _from_table(path, votes, None)
    if not path.is_dir():
        raise UserError(f"{path} does not exist", _WHERE_TO_GET)
    for directory in (path, path / "fer2013"):
        dataset = _from_directory(directory, votes) if directory.is_dir() else None
        if dataset is not None:
            return dataset
    above = path.resolve().parent
    remedy = f"name the directory above it: {above}" if _is_split(path.resolve()) else _WHERE_TO_GET
    raise no_such_layout("FER2013", path, f"{', '.join(TABLES)}, train/ and test/", remedy)


def _from_directory(directory: Path, votes: bool) -> Dataset | None:
    tables = [directory / name for name in TABLES if (directory / name).is_file()]
    folders = {name.lower(): directory / name for name in image_tree.subdirectories(directory)}
    splits = _splits(folders)
    if tables:
        others = [file.name for file in tables[1:]] + [split.directory.name + "/" for split in splits]
        return _from_table(tables[0], votes, f"not read: {', '.join(others)}" if others else None)
    if splits and votes:
        raise UserError(
            f"votes=true joins FER+ by the order of rows, and {directory} holds folders, which have none",
            f"use fer2013.csv or icml_face_data.csv with {VOTES_FILE} beside it, or leave votes out",
        )
    return Fer2013Folders(directory, splits) if splits else None


def folders_of(directory: Path) -> Fer2013Folders | None:
    """A copy as folders; None: there is none."""
    splits = _splits({name.lower(): directory / name for name in image_tree.subdirectories(directory)})
    return Fer2013Folders(directory, splits) if splits else None


def _splits(folders: dict[str, Path]) -> list[Split]:
    """The split folders that make a copy of FER2013; none unless there are both train and test."""
    if "train" not in folders or "test" not in folders:
        return []
    validation = [folders[name] for name in _VALIDATION if name in folders]
    if len(validation) > 1:
        raise UserError(
            f"{folders['train'].parent} has both validation/ and val/", "keep the one that holds PublicTest"
        )
    if validation:
        return [
            Split(folders["train"], "Training"),
            Split(validation[0], "PublicTest"),
            Split(folders["test"], "PrivateTest"),
        ]
    return [Split(folders["train"], "Training"), Split(folders["test"], None)]


def _is_split(path: Path) -> bool:
    """One of the folders that make a copy, taken for the whole."""
    try:
        beside = image_tree.subdirectories(path.parent)
        return path in [one.directory for one in _splits({name.lower(): path.parent / name for name in beside})]
    except UserError:
        return False


def _from_table(table: Path, votes: bool, note: str | None) -> Dataset:
    votes_file = table.with_name(VOTES_FILE)
    if votes and not votes_file.is_file():
        raise UserError(
            f"votes=true, but {votes_file} does not exist",
            f"put FER+'s {VOTES_FILE} (github.com/microsoft/FERPlus) beside {table.name}, or leave votes out",
        )
    return Fer2013Table(table, votes_file if votes else None, note)
