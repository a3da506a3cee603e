"""Any tree of ``<split>/<class>/<image>``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types

from ferbench import Dataset, Fault, Sample, UserError
from ferbench_builtin.datasets.image_tree import Ignored, images, stamp, subdirectories

_PARTS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}


class Folder(Dataset):
    """Images in folders named after their class, in folders named after their split.

    Class names are the folders in ``train``, sorted. Ids are ``<part>/<class>/<path below the class
    folder>``.

    Attributes:
        path: the directory that holds the splits.
    """

    def __init__(
        self,
        path: Path,
        splits: Mapping[str, Path],
        class_names: tuple[str, ...],
        size: int | None,
        channels: int,
    ) -> None:
        self.path = path
        self.class_names = class_names
        self.channels = channels
        self.stored_size = None if size is None else (size, size)
        self._splits = splits
        self._notes: dict[str, Any] = {
            "layout": "folders",
            "splits": {part: directory.name for part, directory in splits.items()},
        }

    @property
    def notes(self) -> Mapping[str, Any]:
        """The folder of each part; once ``samples`` has run, images per part and number of ignored files."""
        return self._notes

    def source(self) -> Mapping[str, Any]:
        return {"folder": stamp(self._splits.values())}

    def samples(self) -> Iterator[Sample | Fault]:
        ignored = Ignored()
        counts: dict[str, int] = {}
        for part, directory in self._splits.items():
            per_class = dict.fromkeys(self.class_names, 0)
            for name in images(directory, ignored):
                location = f"{directory}/{name}"
                label, _, rest = name.partition("/")
                if not rest:
                    yield Fault(location, None, "lies in no class folder")
                elif label not in per_class:
                    yield Fault(location, None, f"unknown label '{label}': no such class folder in train")
                else:
                    per_class[label] += 1
                    yield Sample(f"{part}/{name}", part, label, directory / name, location=location)
            counts[part] = sum(per_class.values())
            yield from self._gaps(part, per_class)
        self._notes |= {"images": counts, "ignored_files": ignored.count}

    def _gaps(self, part: str, per_class: Mapping[str, int]) -> Iterator[Fault]:
        directory = self._splits[part]
        if not any(per_class.values()):
            yield Fault(str(directory), None, f"no image in part '{part}'")
        elif part == "train":
            for label, count in per_class.items():
                if not count:
                    yield Fault(str(directory / label), None, f"class '{label}' has no image in part 'train'")


def folder(
    path: Path | None,
    *,
    size: Annotated[int, annotated_types.Interval(ge=8, le=4096)] | None = None,
    color: Literal["rgb", "gray"] = "rgb",
) -> Dataset:
    """A tree of ``<split>/<class>/<image>``: splits ``train``, ``validation`` (or val, valid, dev) and
    ``test``.

    Args:
        path: the directory that holds the splits.
        size: side in pixels that images are resampled to; None: all must have one size already.
        color: how images are stored.

    Raises:
        UserError: no path, no ``train``, a split given twice, or fewer than two classes.
    """
    if path is None:
        raise UserError("dataset 'folder' needs a directory", "name it with --data DIRECTORY")
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path} is not a directory", "name the directory that holds train/ and test/ with --data")
    here = subdirectories(path)
    splits: dict[str, Path] = {}
    for part in dict.fromkeys(_PARTS.values()):
        names = [name for name in here if _PARTS.get(name.lower()) == part]
        if len(names) > 1:
            raise UserError(
                f"{path} has more than one folder for part '{part}': {', '.join(names)}",
                "keep one of them there",
            )
        if names:
            splits[part] = path / names[0]
    if "train" not in splits:
        raise UserError(
            f"no folder 'train' in {path}; there is: {_listed(here)}",
            "arrange the images as train/<class>/<image> and test/<class>/<image>",
        )
    class_names = tuple(subdirectories(splits["train"]))
    if len(class_names) < 2:
        raise UserError(
            f"{splits['train']} holds fewer than two class folders: {_listed(list(class_names))}",
            "arrange the images as train/<class>/<image>",
        )
    return Folder(path, splits, class_names, size, 3 if color == "rgb" else 1)


def _listed(names: list[str]) -> str:
    if not names:
        return "no folder"
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
