"""CK+, the extended Cohn-Kanade set (Lucey et al., 2010), as its authors send it and in two copies of Kaggle's.

The authors' ReadMe: 593 sequences of 123 people rise from neutral to the peak; 327 have an emotion, a number in
``Emotion/S005/001/S005_001_00000011_emotion.txt``: 0 neutral, 1 anger, 2 contempt, 3 disgust, 4 fear, 5 happy,
6 sadness, 7 surprise. The copy ``ckextended.csv`` counts otherwise: 0 anger, 1 disgust, 2 fear, 3 happiness,
4 sadness, 5 surprise, 6 neutral, 7 contempt.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import annotated_types

from ferbench import Dataset, Fault, Inert, Sample, UserError, csv_rows, expressions, image_tree, text_lines
from ferbench_builtin.datasets.editions import edition_of, with_contempt
from ferbench_builtin.datasets.fer2013_classes import SIZE
from ferbench_builtin.datasets.fer2013_table import COLUMNS, pixel_row
from ferbench_builtin.datasets.held_out import held_out
from ferbench_builtin.datasets.image_files import Color, Fit, ImageFiles, LeftOut, Size, Stored
from ferbench_builtin.datasets.layouts import directory_of, no_such_layout

_BY_CODE = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
_IN_TABLE = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
_FRAME = re.compile(r"(?P<clip>(?P<subject>S[0-9]{3})_[0-9]{3})_(?P<number>[0-9]{8})")
_EMOTIONS = ("Emotion", "Emotion_labels/Emotion", "Emotion_labels")
_TABLE = "ckextended.csv"
_WHERE_TO_GET = (
    "ask for it at jeffcohn.net (CK+), or use Kaggle's copy with class folders or ckextended.csv, "
    "and name the directory with --data"
)


def ck_plus(
    path: Path | None,
    *,
    frames: Annotated[int, annotated_types.Interval(ge=1, le=1000)] = 3,
    neutral: Annotated[bool, Inert()] = False,
    contempt: Annotated[bool | None, Inert()] = None,
    size: Size | None = None,
    color: Color = "gray",
    fit: Fit = "stretch",
) -> Dataset:
    """CK+: the last frames of labelled sequences; parts ``train`` and ``test`` show different people.

    The layout is found by itself: ``cohn-kanade-images`` and ``Emotion`` as the authors send it, class folders with
    images such as ``S005_001_00000011.png``, or ``ckextended.csv``. The table does not say who is shown: its parts are
    ``Training``, ``PublicTest`` and ``PrivateTest``, and one person is in several. The classes are those of the copy,
    with or without neutral and contempt. Ids are ``S005_001_00000011``; sequences are clips.

    Args:
        path: the directory with the files.
        frames: how many frames of a labelled sequence to take, counted from its end; the label is that of the last.
        neutral: take the first frame of labelled sequences too, as neutral; needs the authors' sequences.
        contempt: with contempt; false leaves its images out. None: as the copy has it.
        size: side in pixels that images are resampled to; None: all must have one size already.
        color: how images are stored.
        fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and
            leaves black margins, ``crop`` keeps it and takes the middle.

    Raises:
        UserError: nothing that looks like CK+ is there, it has no sequences to take neutral frames from, or no contempt
            where that is asked for.
    """
    path = directory_of(path, "ck-plus", _WHERE_TO_GET)
    stored = Stored(size, color, fit)
    sequences = path / "cohn-kanade-images"
    emotions = next((path / name for name in _EMOTIONS if (path / name).is_dir()), None)
    if sequences.is_dir() and emotions is not None:
        return _from_sequences(path, sequences, emotions, stored, frames, neutral, contempt)
    if neutral:
        raise UserError(
            f"neutral=true takes the first frames of sequences, and {path} has no cohn-kanade-images/ with Emotion/",
            "use the authors' files, or leave neutral out",
        )
    if (path / _TABLE).is_file():
        return _from_table(path / _TABLE, stored, contempt)
    for directory in (path, path / "CK+48"):
        if directory.is_dir():
            classes = {
                name: label
                for name in image_tree.subdirectories(directory)
                if (label := expressions.expression_named(name))
            }
            if len(classes) > 1:
                if not with_contempt("contempt" in classes.values(), contempt, "CK+", directory):
                    classes = {name: label for name, label in classes.items() if label != "contempt"}
                return _from_folders(directory, classes, stored, frames)
    expected = f"cohn-kanade-images/ and Emotion/, folders named by expressions, or {_TABLE}"
    raise no_such_layout("CK+", path, expected, _WHERE_TO_GET)


def _from_sequences(
    path: Path,
    sequences: Path,
    emotions: Path,
    stored: Stored,
    frames: int,
    neutral: bool,
    contempt: bool | None,
) -> Dataset:
    there = {_emotion(emotions / name) for name in image_tree.images(emotions, suffixes=("_emotion.txt",))}
    classes = _classes(there | ({"neutral"} if neutral else set()), contempt, path)

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        labels = list(image_tree.images(emotions, suffixes=("_emotion.txt",)))
        testers = held_out(name.partition("/")[0] for name in labels)
        labelled: set[str] = set()
        for name in labels:
            directory = name.rpartition("/")[0]
            labelled.add(directory)
            label = _emotion(emotions / name)
            if isinstance(label, Fault):
                yield label
            elif label not in classes:
                left_out.add(f"sequences of {label}")
            else:
                yield from _sequence(sequences, directory, label, testers)
        ignored = image_tree.Ignored()
        all_sequences = {name.rpartition("/")[0] for name in image_tree.images(sequences, ignored)}
        left_out.images = ignored.notes()
        left_out.add("sequences without an emotion", len(all_sequences - labelled))

    def _sequence(root: Path, directory: str, label: str, testers: frozenset[str]) -> Iterator[Sample | Fault]:
        names = list(image_tree.images(root / directory)) if (root / directory).is_dir() else []
        if not names:
            yield Fault(str(root / directory), None, f"no frame of a sequence that is labelled '{label}'")
            return
        chosen = dict.fromkeys(names[-frames:], label)
        if neutral:
            chosen = {names[0]: "neutral"} | {name: label for name in chosen if name != names[0]}
        for name, shown in chosen.items():
            yield _frame(root / directory, name, shown, testers)

    return ImageFiles(
        path,
        classes,
        stored,
        layout="sequences",
        listing=listing,
        stamped=lambda: {
            "files": image_tree.stamp([sequences]),
            "emotions": image_tree.stamp([emotions], suffixes=("_emotion.txt",)),
            "frames": frames,
            "neutral": neutral,
        },
        notes={"frames": frames, "neutral": neutral, "edition": edition_of(classes)},
    )


def _classes(found: Collection[object], contempt: bool | None, path: Path) -> tuple[str, ...]:
    """All expressions, but for neutral and contempt where a copy has none, or contempt is not wanted."""
    wanted = with_contempt("contempt" in found, contempt, "CK+", path)
    there = {"neutral": "neutral" in found, "contempt": wanted}
    return tuple(name for name in expressions.EXPRESSIONS if there.get(name, True))


def _emotion(file: Path) -> str | Fault:
    text = " ".join(line for _, line in text_lines(file)).strip()
    try:
        code = float(text)
    except ValueError:
        code = -1.0
    if code not in range(len(_BY_CODE)):
        return Fault(str(file), None, f"{text[:24]!a} is no emotion from 0 to 7")
    return _BY_CODE[int(code)]


def _from_folders(directory: Path, classes: Mapping[str, str], stored: Stored, frames: int) -> Dataset:
    ignored = image_tree.Ignored()
    found = [(folder, name) for folder in classes for name in image_tree.images(directory / folder, ignored)]
    testers = held_out(match["subject"] for _, name in found if (match := _match(name)))
    latest = _last_frames((name for _, name in found), frames)

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        for folder, name in found:
            sample = _frame(directory / folder, name, classes[folder], testers)
            if isinstance(sample, Sample) and sample.id not in latest:
                left_out.add(f"frames before the last {frames}")
            else:
                yield sample
        left_out.add_ignored(ignored)

    return ImageFiles(
        directory,
        sorted(set(classes.values())),
        stored,
        layout="class folders",
        listing=listing,
        stamped=lambda: {"files": image_tree.stamp([directory / folder for folder in classes]), "frames": frames},
        notes={"frames": frames, "edition": edition_of(sorted(set(classes.values())))},
    )


def _last_frames(names: Iterable[str], frames: int) -> set[str]:
    by_clip: dict[str, list[str]] = {}
    for name in names:
        if match := _match(name):
            by_clip.setdefault(match["clip"], []).append(match[0])
    return {name for clip in by_clip.values() for name in sorted(clip)[-frames:]}


def _match(name: str) -> re.Match[str] | None:
    return _FRAME.fullmatch(Path(name).stem)


def _frame(directory: Path, name: str, label: str, testers: frozenset[str]) -> Sample | Fault:
    location = f"{directory}/{name}"
    match = _match(name)
    if match is None:
        return Fault(location, None, "is not named as S005_001_00000011.png is")
    return Sample(
        id=match[0],
        part="test" if match["subject"] in testers else "train",
        label=label,
        image=directory / name,
        location=location,
        subject=match["subject"],
        clip=match["clip"],
        frame=max(int(match["number"]) - 1, 0),
    )


def _from_table(table: Path, stored: Stored, contempt: bool | None) -> Dataset:
    emotions = {str(number): name for number, name in enumerate(_IN_TABLE)}
    there = {emotions.get(row[0].strip()) for _, row in csv_rows(table, COLUMNS[:1]) if not isinstance(row, str)}
    classes = _classes(there, contempt, table)

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        for index, (number, row) in enumerate(csv_rows(table, COLUMNS)):
            sample = pixel_row(table, index, number, row, emotions)
            if isinstance(sample, Sample) and sample.label not in classes:
                left_out.add(sample.label)
            else:
                yield sample

    return ImageFiles(
        table,
        classes,
        stored,
        layout=_TABLE,
        listing=listing,
        stamped=lambda: {"table": image_tree.stamp([table])},
        native_size=SIZE,
        notes={"edition": edition_of(classes)},
    )
