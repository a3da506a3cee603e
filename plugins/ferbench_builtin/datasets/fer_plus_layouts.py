"""The layouts that FER+ goes around in: where its pictures and their votes are."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ferbench import Fault, PixelText, UserError, csv_columns, csv_rows, image_tree, text_lines
from ferbench_builtin.datasets.fer2013 import TABLES, VOTES_FILE, folders_of
from ferbench_builtin.datasets.fer2013_folders import Fer2013Folders
from ferbench_builtin.datasets.fer2013_table import paired_rows
from ferbench_builtin.datasets.fer_plus_labels import VOTES, numbers
from ferbench_builtin.datasets.layouts import listed, no_such_layout

_PARTS = {"FER2013Train": "Training", "FER2013Valid": "PublicTest", "FER2013Test": "PrivateTest"}
_LABELS = "label.csv"
_NAME = "Image name"
#: How the column with the names of image files may be called, first come first served.
_NAMES = ("file", "image", _NAME)
_WHERE_TO_GET = (
    f"put {VOTES_FILE} (github.com/microsoft/FERPlus) beside fer2013.csv, or name the directory with FER2013Train, "
    "FER2013Valid and FER2013Test, or a folder copy of FER2013 with dataset.votes=FILE.csv"
)


@dataclass(frozen=True, slots=True)
class Voted:
    """A picture with its votes, in the order of `VOTES`."""

    id: str
    part: str
    image: Path | PixelText
    location: str
    votes: Sequence[float]


class Layout(Protocol):
    """A copy of FER+.

    Attributes:
        name: of the layout.
        path: where it lies.
        named_twice: pictures that have the name of another one, once all have been read.
    """

    name: str
    path: Path
    named_twice: int

    def stamp(self) -> str:
        """Of all files that are read."""

    def pictures(self, ignored: image_tree.Ignored) -> Iterator[Voted | Fault]:
        """In a stable order."""


def layout_of(path: Path | None, votes: Path | None) -> Layout:
    """The layout of what lies at ``path``.

    Raises:
        UserError: there is none, or no votes for it.
    """
    if path is None:
        raise UserError("dataset 'fer-plus' needs its files", _WHERE_TO_GET)
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist", _WHERE_TO_GET)
    if path.is_file():
        return _Table(path, _votes_beside(path, votes))
    for directory in (path, path / "fer2013", path / "data"):
        if not directory.is_dir():
            continue
        present = image_tree.subdirectories(directory)
        if folders := [name for name in _PARTS if name in present]:
            if "FER2013Train" not in folders:
                raise UserError(f"{directory} has {listed(folders, '')}, and no FER2013Train", _WHERE_TO_GET)
            return _Folders(directory, folders, votes or _there(directory / VOTES_FILE))
        if tables := [directory / name for name in TABLES if (directory / name).is_file()]:
            return _Table(tables[0], _votes_beside(tables[0], votes))
        if (copy := folders_of(directory)) is not None:
            if votes is None:
                raise UserError(
                    f"{directory} is a folder copy of FER2013, which has no votes",
                    "name a table of them by image name with --set dataset.votes=FILE.csv",
                )
            return _Fer2013Copy(copy, votes)
    raise no_such_layout("FER+", path, f"{', '.join(TABLES)} with {VOTES_FILE}, {', '.join(_PARTS)}", _WHERE_TO_GET)


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _votes_beside(table: Path, votes: Path | None) -> Path:
    found = votes or _there(table.with_name(VOTES_FILE))
    if found is None:
        raise UserError(f"{table.with_name(VOTES_FILE)} does not exist", _WHERE_TO_GET)
    return found


class _Table:
    """``fer2013.csv`` and the votes for its rows, in the same order."""

    named_twice = 0

    def __init__(self, path: Path, votes: Path) -> None:
        self.path, self._votes = path, votes
        self.name = f"{path.name} and {votes.name}"

    def stamp(self) -> str:
        return image_tree.stamp([self.path, self._votes])

    def pictures(self, ignored: image_tree.Ignored) -> Iterator[Voted | Fault]:
        named: set[str] = set()
        self.named_twice = 0
        for item, number, row in paired_rows(self.path, self._votes, (_NAME, *VOTES)):
            if isinstance(item, Fault):
                yield item
                continue
            votes = row if isinstance(row, str) else numbers(row[1:])
            if isinstance(votes, str):
                yield Fault(str(self._votes), number, votes)
                continue
            assert isinstance(item.image, PixelText)
            name = Path(row[0].strip()).stem
            # Tables that were joined by pixels give the copies of a picture one name.
            sample_id = name if name and name not in named else item.id
            self.named_twice += bool(name) and name in named
            named.add(name)
            yield Voted(sample_id, item.part, item.image, item.location, votes)


class _Folders:
    """FER+'s own folders of PNG files, with ``label.csv`` in each or one table for all."""

    name = "FER2013Train, FER2013Valid and FER2013Test"
    named_twice = 0  # of files there is one of a name

    def __init__(self, path: Path, folders: Sequence[str], table: Path | None) -> None:
        self.path = path
        self._folders = {path / name: _PARTS[name] for name in folders}
        self._table = table
        if table is None:
            for folder in self._folders:
                if not (folder / _LABELS).is_file():
                    raise UserError(f"{folder} has no {_LABELS}, and there is no {VOTES_FILE} beside it", _WHERE_TO_GET)

    def stamp(self) -> str:
        tables = [self._table] if self._table is not None else [folder / _LABELS for folder in self._folders]
        return image_tree.stamp([*tables, *self._folders])

    def pictures(self, ignored: image_tree.Ignored) -> Iterator[Voted | Fault]:
        everything = None if self._table is None else _Ballots(self._table, _table_rows(self._table))
        for folder, part in self._folders.items():
            table = folder / _LABELS
            ballots = everything or _Ballots(table, _label_rows(table))
            for name in image_tree.images(folder, ignored):
                location = f"{folder}/{name}"
                votes = ballots.of(name)
                if isinstance(votes, str):
                    yield Fault(location, None, votes)
                else:
                    yield Voted(Path(name).stem, part, folder / name, location, votes)
            if everything is None:
                ignored.count -= 1  # the table, which is read
                yield from ballots.left()
        if everything is not None:
            yield from everything.left()


class _Fer2013Copy:
    """Folders of FER2013, and votes by the names of its files."""

    named_twice = 0

    def __init__(self, copy: Fer2013Folders, votes: Path) -> None:
        self._copy, self._votes = copy, votes
        self.path = copy.path
        self.name = f"{copy.notes['layout']} of FER2013 and {votes.name}"

    def stamp(self) -> str:
        return f"{self._copy.source()['folders']} {image_tree.stamp([self._votes])}"

    def pictures(self, ignored: image_tree.Ignored) -> Iterator[Voted | Fault]:
        ballots = _Ballots(self._votes, _table_rows(self._votes))
        for item in self._copy.pictures(ignored):
            if isinstance(item, Fault):
                yield item
                continue
            assert isinstance(item.image, Path)
            votes = ballots.of(item.image.relative_to(self.path).as_posix())
            if isinstance(votes, str):
                yield Fault(item.location, None, votes)
            else:
                yield Voted(item.id, item.part, item.image, item.location, votes)
        yield from ballots.wrong  # votes for pictures that are not there may be those of a part that is not


class _Ballots:
    """The votes that a table has, by the names of image files.

    Args:
        table: the file.
        rows: its rows: number, name and votes, or what is wrong.

    Attributes:
        wrong: rows without votes.
    """

    def __init__(self, table: Path, rows: Iterator[tuple[int, tuple[str, ...] | str]]) -> None:
        self._table = table
        self.wrong: list[Fault] = []
        self._votes: dict[str, tuple[int, Sequence[float]]] = {}
        for number, row in rows:
            votes = row if isinstance(row, str) else numbers(row[1:])
            if isinstance(votes, str):
                self.wrong.append(Fault(str(table), number, votes))
                continue
            name = _key(row[0])
            if not name:  # FER+ has no picture of what shows no face
                continue
            if self._votes.setdefault(name, (number, votes))[1] != votes:
                raise UserError(
                    f"{table}, row {number}: {row[0].strip()!a} is there twice, with other votes", "keep the right row"
                )
        self._unused = dict(self._votes)

    def of(self, name: str) -> Sequence[float] | str:
        """The votes for a file, by its path or the end of it, whatever its suffix; or what is wrong."""
        parts = _key(name).split("/")
        for start in range(len(parts)):
            found = self._votes.get("/".join(parts[start:]))
            if found is not None:
                self._unused.pop("/".join(parts[start:]), None)
                return found[1]
        return f"{self._table.name} has no votes for it"

    def left(self) -> Iterator[Fault]:
        """Rows that are wrong, or for which there was no file."""
        yield from self.wrong
        for name, (number, _) in self._unused.items():
            yield Fault(str(self._table), number, f"there is no image '{name}'")


def _key(name: str) -> str:
    path = Path(name.strip())
    return path.with_suffix("").as_posix() if path.name else ""


def _table_rows(table: Path) -> Iterator[tuple[int, tuple[str, ...] | str]]:
    """Number, and name and votes, of every row of a table with a header."""
    present = csv_columns(table, (*_NAMES, *VOTES))
    names = [name for name in _NAMES if name.lower() in present]
    return csv_rows(table, (names[0] if names else _NAMES[0], *VOTES))


def _label_rows(table: Path) -> Iterator[tuple[int, tuple[str, ...] | str]]:
    """The same of a ``label.csv``, which has no header: name, often a box, and the votes."""
    _, first = next(text_lines(table), (1, ""))
    box = ("box",) if len(next(csv.reader([first]), [])) == len(VOTES) + 2 else ()
    return csv_rows(table, (_NAME, *VOTES), headless=(_NAME, *box, *VOTES))
