"""Any tree of ``<split>/<class>/<image>`` or of ``<class>/<image>``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferbench import Dataset, Fault, Sample, UserError, expressions, image_tree, unknown_label
from ferbench_builtin.datasets.image_files import Color, Fit, Size, Stored
from ferbench_builtin.datasets.layouts import directory_of, listed

#: What split folders and columns are called, in lower case, and the part that each is.
PARTS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
    "publictest": "validation",  # FER2013
    "privatetest": "test",
}


class Folder(Dataset):
    """Images in folders named after their class, which may be in folders named after their split.

    Class names are the folders in ``train``, sorted. Ids are ``<part>/<class>/<path below the class folder>``; without
    split folders all are of the part ``train``, and ids begin with the class.

    Attributes:
        path: the directory that holds the splits.
    """

    def __init__(
        self,
        path: Path,
        splits: Mapping[str, Path],
        class_names: tuple[str, ...],
        stored: Stored,
    ) -> None:
        self.path = path
        self.class_names = class_names
        self.channels = 3 if stored.color == "rgb" else 1
        self.stored_size = None if stored.size is None else (stored.size, stored.size)
        self.fit = stored.fit
        self._splits = splits
        self._plain = splits == {"train": path}
        self._notes: dict[str, Any] = {
            "layout": "class folders" if self._plain else "folders",
            "splits": {part: directory.name for part, directory in splits.items()},
        }

    @property
    def notes(self) -> Mapping[str, Any]:
        """The folder of each part; once ``samples`` has run, images per part and number of ignored files."""
        return self._notes

    def source(self) -> Mapping[str, Any]:
        return {"folder": image_tree.stamp(self._splits.values())}

    def samples(self) -> Iterator[Sample | Fault]:
        ignored = image_tree.Ignored()
        counts: dict[str, int] = {}
        for part, directory in self._splits.items():
            per_class = dict.fromkeys(self.class_names, 0)
            for name in image_tree.images(directory, ignored):
                location = f"{directory}/{name}"
                label, _, rest = name.partition("/")
                if not rest:
                    yield Fault(location, None, "lies in no class folder")
                elif label not in per_class:
                    reason = unknown_label(label, self.class_names)
                    yield Fault(location, None, f"{reason}: no such class folder in train")
                else:
                    per_class[label] += 1
                    sample_id = name if self._plain else f"{part}/{name}"
                    yield Sample(sample_id, part, label, directory / name, location=location)
            counts[part] = sum(per_class.values())
            yield from self._gaps(part, per_class, ignored)
        self._notes |= {"images": counts, "ignored_files": ignored.count, **ignored.notes()}

    def _gaps(self, part: str, per_class: Mapping[str, int], ignored: image_tree.Ignored) -> Iterator[Fault]:
        directory = self._splits[part]
        if not any(per_class.values()):
            others = _undecodable(ignored, f"{directory.name}/")
            yield Fault(str(directory), None, f"no image in part '{part}'{others}")
        elif part == "train":
            for label, count in per_class.items():
                if not count:
                    others = _undecodable(ignored, f"{directory.name}/{label}/")
                    yield Fault(str(directory / label), None, f"class '{label}' has no image in part 'train'{others}")


def _undecodable(ignored: image_tree.Ignored, beginning: str) -> str:
    """``, only 18 that cannot be decoded``, of those whose path begins so; empty where there is none."""
    count = sum(name.startswith(beginning) for name in ignored.images)
    return f", only {count:,} that cannot be decoded" if count else ""


def folder(
    path: Path | None,
    *,
    size: Size | None = None,
    color: Color = "rgb",
    fit: Fit = "stretch",
) -> Dataset:
    """A tree of ``<split>/<class>/<image>``: splits ``train``, ``validation`` (or val, valid, dev) and
    ``test``, or as FER2013 calls them. Or a tree of ``<class>/<image>``, of which ``data.test=0.2`` holds a fifth out
    for the test.

    Args:
        path: the directory that holds the splits, or the classes.
        size: side in pixels that images are resampled to; None: all must have one size already.
        color: how images are stored.
        fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and
            leaves black margins, ``crop`` keeps it and takes the middle.

    Raises:
        UserError: no path, no ``train``, a split given twice, or fewer than two classes.
    """
    path = directory_of(
        path, "folder", "name the directory that holds train/ and test/, or a folder for each class, with --data"
    )
    here = image_tree.subdirectories(path)
    splits: dict[str, Path] = {}
    for part in dict.fromkeys(PARTS.values()):
        names = [name for name in here if PARTS.get(name.lower()) == part]
        if len(names) > 1:
            raise UserError(
                f"{path} has more than one folder for part '{part}': {', '.join(names)}",
                "keep one of them there",
            )
        if names:
            splits[part] = path / names[0]
    if not splits and len(here) > 1:
        _refuse_nested(path, here)
        splits["train"] = path
    if "train" not in splits:
        images = " but images" if not here and any(image_tree.images(path, deep=False)) else ""
        raise UserError(
            f"no folder 'train' in {path}; there is: {listed(here, 'no folder')}{images}",
            "arrange the images as <class>/<image>, or as train/<class>/<image> and test/<class>/<image>",
        )
    class_names = tuple(image_tree.subdirectories(splits["train"]))
    if len(class_names) < 2:
        raise UserError(
            f"{splits['train']} holds fewer than two class folders: {listed(class_names, 'no folder')}",
            "arrange the images as train/<class>/<image>",
        )
    return Folder(path, splits, class_names, Stored(size, color, fit))


def _refuse_nested(path: Path, folders: Sequence[str]) -> None:
    """Refuse folders that are datasets rather than classes.

    Raises:
        UserError: one of them holds folders named after splits or several expressions.
    """
    for name in folders:
        within = image_tree.subdirectories(path / name)
        shown = {expressions.expression_named(inner) for inner in within} - {None}
        if len(shown) > 1 or any(inner.lower() in PARTS for inner in within):
            raise UserError(
                f"{path / name} is no folder of a class: it holds {listed(within, 'no folder')}",
                f"name it with --data {path / name}, or arrange the images as <class>/<image>",
            )
