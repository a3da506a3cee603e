"""FER2013 as folders of image files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferbench import Dataset, Fault, Sample, UserError, image_tree
from ferbench_builtin.datasets.fer2013_classes import CLASS_NAMES, PARTS, SIZE, class_named

_TELLING_NAME = re.compile(r"(Training|PublicTest|PrivateTest)_[0-9]+")


@dataclass(frozen=True, slots=True)
class Split:
    """A split's folder and the part that it holds; None: each test file's name says which."""

    directory: Path
    part: str | None


class Fer2013Folders(Dataset):
    """FER2013 as ``<split>/<class>/<image>``.

    Ids are file names without suffix where these are of the kind ``PublicTest_12345``, which copies share,
    and ``<part>/<class>/<name>`` where they are not. Kaggle's folders use two such names twice, for unlike
    images in different classes: those four are ``<class>/<name without suffix>``. A copy as a table has other
    ids and, not being compressed as JPEG, other pixels: it is another test set.

    Attributes:
        path: the directory that holds the splits.
    """

    channels = 1

    def __init__(self, path: Path, splits: Sequence[Split]) -> None:
        self.path = path
        self.class_names = CLASS_NAMES
        # Copies that were enlarged go around; that is said of them, and no reason not to read them.
        self.native_size = image_tree.size_of_first(splits[0].directory) or SIZE
        self._splits = splits
        self._notes: dict[str, Any] = {"layout": f"{len(splits)} folders"}

    @property
    def notes(self) -> Mapping[str, Any]:
        """The layout; once ``samples`` has run, images per part and how many files were ignored."""
        return self._notes

    def source(self) -> Mapping[str, Any]:
        return {"folders": image_tree.stamp(split.directory for split in self._splits)}

    def samples(self) -> Iterator[Sample | Fault]:
        ignored = image_tree.Ignored()
        counts = {part: dict.fromkeys(CLASS_NAMES, 0) for part in PARTS}
        for item in self.pictures(ignored):
            if isinstance(item, Sample):
                counts[item.part][item.label] += 1
            yield item
        yield from training_gaps(counts, self.path)
        self._notes |= {"images": images_per_part(counts), "ignored_files": ignored.count, **ignored.notes()}

    def pictures(self, ignored: image_tree.Ignored) -> Iterator[Sample | Fault]:
        """The samples, whatever there is of each class."""
        repeated = self._repeated_names()
        for split in self._splits:
            if split.part is None:
                _check_names_tell(split.directory)
            empty = True
            for name in image_tree.images(split.directory, ignored):
                empty = False
                yield _sample(split, name, repeated)
            if empty:
                part = f"part '{split.part}'" if split.part else "parts 'PublicTest' and 'PrivateTest'"
                yield Fault(str(split.directory), None, f"no image in {part}")

    def _repeated_names(self) -> set[str]:
        seen: set[str] = set()
        repeated: set[str] = set()
        for split in self._splits:
            for name in image_tree.images(split.directory):
                stem = _stem(name)
                (repeated if stem in seen else seen).add(stem)
        return repeated


def _check_names_tell(directory: Path) -> None:
    first = None
    for name in image_tree.images(directory):
        if _TELLING_NAME.fullmatch(_stem(name)):
            return
        first = first or name
    if first is not None:
        raise UserError(
            f"no file below {directory} is named PublicTest_* or PrivateTest_* (the first is {first}): "
            "nothing tells which of FER2013's tests it is from",
            "use --dataset folder, which takes the folders as they are",
        )


def _sample(split: Split, name: str, repeated: Set[str]) -> Sample | Fault:
    location = f"{split.directory}/{name}"
    class_folder, _, rest = name.partition("/")
    if not rest:
        return Fault(location, None, "lies in no class folder")
    label = class_named(class_folder)
    if label is None:
        return Fault(location, None, f"unknown label '{class_folder}'")
    stem = _stem(name)
    telling = _TELLING_NAME.fullmatch(stem)
    said = telling[1] if telling else None
    part = split.part or said
    if part is None:
        return Fault(location, None, "the name says neither PublicTest_* nor PrivateTest_*")
    if said not in (None, part) or (split.part is None and said == "Training"):
        return Fault(location, None, f"the name says '{said}', but it lies in {split.directory.name}/")
    if telling is None:
        sample_id = f"{part}/{name}"
    else:
        sample_id = f"{label}/{stem}" if stem in repeated else stem
    return Sample(sample_id, part, label, split.directory / name, location=location)


def _stem(name: str) -> str:
    return Path(name).stem


def images_per_part(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Totals of the parts that have any."""
    return {part: sum(classes.values()) for part, classes in counts.items() if any(classes.values())}


def training_gaps(counts: Mapping[str, Mapping[str, int]], source: Path) -> Iterator[Fault]:
    """Faults for a training part without images, or without those of a class that other parts have.

    A class without an image in a test part alone is no fault; one without any image is found by the pack.
    """
    training = counts["Training"]
    if not any(training.values()):
        yield Fault(str(source), None, "no image in part 'Training'")
        return
    for label, count in training.items():
        if not count and any(classes[label] for classes in counts.values()):
            yield Fault(str(source), None, f"class '{label}' has no image in part 'Training'")
