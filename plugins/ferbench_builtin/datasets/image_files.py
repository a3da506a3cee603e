"""Datasets whose samples are image files, listed by a function of the layout that was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types

from ferbench import Dataset, Fault, Fit, Sample, image_tree

#: Options that every dataset of image files has.
Size = Annotated[int, annotated_types.Interval(ge=8, le=4096)]
Color = Literal["rgb", "gray"]

__all__ = ["Color", "Fit", "ImageFiles", "LeftOut", "Size", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """How images are stored, as the options of a dataset say it.

    Attributes:
        size: side in pixels; None: as they are.
        color: gray or RGB.
        fit: what becomes of the aspect ratio where ``size`` is given.
    """

    size: int | None
    color: Color
    fit: Fit


@dataclass(slots=True)
class LeftOut:
    """Counts what a listing passes over on purpose, by reason, for the record of a run."""

    counts: Counter[str] = field(default_factory=Counter)
    images: Mapping[str, Any] = field(default_factory=dict)

    def add(self, reason: str, count: int = 1) -> None:
        if count:
            self.counts[reason] += count

    def add_ignored(self, ignored: image_tree.Ignored) -> None:
        """Also what a walk passed over."""
        self.add(image_tree.OTHER_FILES, ignored.count)
        self.images = ignored.notes()


class ImageFiles(Dataset):
    """Samples from files that a function lists.

    Attributes:
        path: where the files are.
    """

    def __init__(
        self,
        path: Path,
        class_names: Sequence[str],
        stored: Stored,
        *,
        layout: str,
        listing: Callable[[LeftOut], Iterator[Sample | Fault]],
        stamped: Callable[[], Mapping[str, Any]],
        native_size: tuple[int, int] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            path: where the files are.
            class_names: the classes that labels may name.
            stored: how images are stored.
            layout: which of the dataset's layouts was found.
            listing: gives the samples in a stable order and counts what it leaves out.
            stamped: gives what the samples depend on: a stamp of the files, and the options that choose among them.
            native_size: (height, width) that every image must have.
            notes: further facts for the record of a run.
        """
        self.path = path
        self.class_names = tuple(class_names)
        self.channels = 3 if stored.color == "rgb" else 1
        self.stored_size = None if stored.size is None else (stored.size, stored.size)
        self.fit = stored.fit
        self.native_size = native_size
        self._listing = listing
        self._stamped = stamped
        self._notes: dict[str, Any] = {"layout": layout, **(notes or {})}

    @property
    def notes(self) -> Mapping[str, Any]:
        """The layout; once ``samples`` has run, images per part and what was left out on purpose."""
        return self._notes

    def source(self) -> Mapping[str, Any]:
        return {"layout": self._notes["layout"], **self._stamped()}

    def samples(self) -> Iterator[Sample | Fault]:
        left_out = LeftOut()
        counts: Counter[str] = Counter()
        for item in self._listing(left_out):
            if isinstance(item, Sample):
                counts[item.part] += 1
            yield item
        self._notes |= {"images": dict(counts), "left_out": dict(left_out.counts), **left_out.images}
