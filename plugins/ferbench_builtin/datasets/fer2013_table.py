"""FER2013 as a table (``fer2013.csv``, ``icml_face_data.csv``), with FER+'s votes where they are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ferbench import Dataset, Fault, PixelText, Sample, UserError, csv_rows, image_tree
from ferbench_builtin.datasets.fer2013_classes import BY_EMOTION, CLASS_NAMES, PARTS, SIZE, class_named
from ferbench_builtin.datasets.fer2013_folders import images_per_part, training_gaps
from ferbench_builtin.datasets.fer_plus_labels import VOTES, numbers

COLUMNS = ("emotion", "pixels", "Usage")
#: Class names by what the column ``emotion`` has.
EMOTIONS = {str(number): name for number, name in enumerate(BY_EMOTION)}


class Fer2013Table(Dataset):
    """FER2013 as one row per image: ``emotion,pixels,Usage`` in any order of columns.

    Ids are ``<Usage>-<index of the row, from 00000>``: they stay as long as no row is added or removed
    before.

    Attributes:
        path: the CSV file.
    """

    channels = 1
    native_size = SIZE

    def __init__(self, path: Path, votes: Path | None, note: str | None) -> None:
        self.path = path
        self.class_names = CLASS_NAMES
        self._votes = votes
        self._notes: dict[str, Any] = {"layout": path.name, "votes": votes is not None}
        if note is not None:
            self._notes["also_there"] = note

    @property
    def notes(self) -> Mapping[str, Any]:
        """The layout; once ``samples`` has run, the number of rows and images per part."""
        return self._notes

    def source(self) -> Mapping[str, Any]:
        files = [self.path] if self._votes is None else [self.path, self._votes]
        return {"table": image_tree.stamp(files), "votes": self._votes is not None}

    def samples(self) -> Iterator[Sample | Fault]:
        counts = {part: dict.fromkeys(CLASS_NAMES, 0) for part in PARTS}
        rows = 0
        for item in self._items():
            rows += 1
            if isinstance(item, Sample):
                counts[item.part][item.label] += 1
            yield item
        yield from training_gaps(counts, self.path)
        self._notes |= {"rows": rows, "images": images_per_part(counts)}

    def _items(self) -> Iterator[Sample | Fault]:
        if self._votes is None:
            for index, (number, row) in enumerate(csv_rows(self.path, COLUMNS)):
                yield pixel_row(self.path, index, number, row, EMOTIONS)
            return
        for item, number, votes in paired_rows(self.path, self._votes, VOTES):
            yield _with_votes(item, self._votes, number, votes) if isinstance(item, Sample) else item


def paired_rows(
    table: Path, votes: Path, columns: Sequence[str]
) -> Iterator[tuple[Sample | Fault, int, tuple[str, ...] | str]]:
    """Every row of a table with the row of FER+'s votes that has the same place.

    Args:
        table: ``fer2013.csv``.
        votes: ``fer2013new.csv``.
        columns: those of the votes that are wanted.

    Yields:
        The sample, the line of its votes, and the fields or what is wrong with the line.

    Raises:
        UserError: the two do not belong together.
    """
    pairs = zip_longest(csv_rows(table, COLUMNS), csv_rows(votes, ("Usage", *columns)))
    for index, (mine, theirs) in enumerate(pairs):
        if mine is None or theirs is None:
            ended, other = (table, votes) if mine is None else (votes, table)
            raise _unlike(table, votes, f"{ended.name} ends after {index:,} rows, {other.name} does not")
        item = pixel_row(table, index, mine[0], mine[1], EMOTIONS)
        number, row = theirs
        usage = None if isinstance(row, str) else row[0].strip()
        if isinstance(item, Sample) and usage is not None and usage != item.part:
            what = f"row {mine[0]} of the one is '{item.part}', row {number} of the other {usage!a}"
            raise _unlike(table, votes, what)
        yield item, number, row if isinstance(row, str) else row[1:]


def pixel_row(
    path: Path, index: int, number: int, row: tuple[str, ...] | str, emotions: Mapping[str, str]
) -> Sample | Fault:
    """The sample of one row ``emotion, pixels, Usage``; ``emotions`` maps the numbers of the column to classes."""
    if isinstance(row, str):
        return Fault(str(path), number, row)
    emotion, pixels, usage = row
    emotion, usage = emotion.strip(), usage.strip()
    if emotion not in emotions:
        reason = f"unknown label {emotion[:24]!a}, expected an emotion from 0 to {len(emotions) - 1}"
        return Fault(str(path), number, reason)
    if usage not in PARTS:
        return Fault(str(path), number, f"unknown Usage {usage[:24]!a}, expected {', '.join(PARTS)}")
    return Sample(
        id=f"{usage}-{index:05d}",
        part=usage,
        label=emotions[emotion],
        image=PixelText(pixels, *SIZE),
        location=f"{path}, row {number}",
    )


def _with_votes(sample: Sample, path: Path, number: int, row: tuple[str, ...] | str) -> Sample | Fault:
    if isinstance(row, str):
        return Fault(str(path), number, row)
    cast = numbers(row)
    if isinstance(cast, str):
        return Fault(str(path), number, cast)
    votes = dict.fromkeys(CLASS_NAMES, 0.0)
    for column, count in zip(VOTES, cast, strict=True):
        if (label := class_named(column)) is not None:  # unknown, no-face and contempt are dropped
            votes[label] += count
    # Rows whose votes all went to contempt, unknown or "not a face" have none left among the seven classes.
    return replace(sample, votes=tuple(votes.values()) if any(votes.values()) else None)


def _unlike(table: Path, votes: Path, what: str) -> UserError:
    return UserError(
        f"{votes} does not belong to {table}: {what}",
        "use the two files as they were published, with no row added, removed or moved",
    )
