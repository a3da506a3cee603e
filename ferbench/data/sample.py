"""What a dataset plugin yields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True, slots=True)
class PixelText:
    """An image written as decimal gray values separated by spaces, row by row, as FER2013's CSV has it."""

    text: str
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle of an image file, such as the box of a face, in pixels of the upright image.

    What lies beyond the image's edges is left out; a box without a pixel of the image is a fault.

    Attributes:
        path: the image file.
        left: first column.
        top: first row.
        right: column after the last.
        bottom: row after the last.
    """

    path: Path
    left: int
    top: int
    right: int
    bottom: int


#: Where a sample's pixels come from: a file to decode, a part of it, its bytes, decimal text, or
#: uint8[H, W] / uint8[H, W, 3].
ImageSource = Path | Crop | bytes | PixelText | np.ndarray

#: How an image of another shape is brought to ``stored_size``: ``stretch`` fills it whatever becomes of the aspect
#: ratio, ``pad`` keeps the ratio and the whole image and leaves black margins, ``crop`` keeps the ratio and fills it,
#: so that the longer side loses equally at both ends.
Fit = Literal["stretch", "pad", "crop"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and what is known about it.

    Attributes:
        id: stable and unique within the dataset, whatever the order of reading; predictions are joined by it.
        part: the part of the dataset that it belongs to, as protocols name them ("train", "PublicTest", …).
        label: class name, one of the dataset's ``class_names``.
        image: where the pixels come from: the path of a file, a `Crop` of one, its bytes, a `PixelText`, uint8[H, W] or
            uint8[H, W, 3]. The pack decodes it, in parallel.
        location: file, and row where there is one, for messages about faults.
        valence: pleasantness in [-1, 1], None if not annotated.
        arousal: activation in [-1, 1], None if not annotated.
        votes: annotator votes per class in the order of ``class_names``, any non-negative scale: what losses learn as
            label distributions.
        cast_votes: the votes as annotators cast them, in the order of the dataset's ``vote_names``, which may have
            more than the classes; what evaluations compare with. None: ``votes`` are what is known.
        subject: who is shown, when known; splits keep a subject together on request.
        clip: the video clip that the frame is from, when known; splits keep a clip together.
        frame: position within the clip, from 0.
        source: the dataset that it is from, where several are joined.
        native_size: (height, width) that this image must have, where the dataset's own does not say it.
    """

    id: str
    part: str
    label: str
    image: ImageSource
    location: str = ""
    valence: float | None = None
    arousal: float | None = None
    votes: tuple[float, ...] | None = None
    cast_votes: tuple[float, ...] | None = None
    subject: str | None = None
    clip: str | None = None
    frame: int | None = None
    source: str | None = None
    native_size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the source that cannot become a sample; it refuses the pack unless faults are skipped.

    Attributes:
        file: path of the file, as the user would find it.
        row: 1-based line number in a table (header = 1), None for an image file.
        reason: what is wrong, in a few words.
    """

    file: str
    row: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}{'' if self.row is None else f', row {self.row}'}: {self.reason}"


class Dataset(ABC):
    """A source of samples. Subclass it, or build one from a function.

    Attributes:
        class_names: the classes that labels may name; class ids follow this order.
        channels: 1 to store gray images, 3 to store RGB.
        native_size: (height, width) that every image must have; another shape is a fault. None: any.
        stored_size: (height, width) to resample images to when packing. None: keep them as they are, in which case
            all must agree (``native_size`` or not).
        fit: how images of another shape are resampled to ``stored_size``.
        size_follows: ``stored_size`` was nobody's choice: it is the native size of images that are among the samples.
        vote_names: what annotators could vote for, where samples have ``cast_votes``.
        draws_labels: in training the label of a sample with votes is drawn by them, anew in each epoch.
        least_count: how many samples it has at least, as far as it knows before they are read. What the disk has no
            room for is refused before any is asked for.
        notes: facts that the record of a run should carry (layout found, rows left out by the protocol, …).
    """

    class_names: tuple[str, ...]
    channels: int = 3
    native_size: tuple[int, int] | None = None
    stored_size: tuple[int, int] | None = None
    fit: Fit = "stretch"
    size_follows: bool = False
    least_count: int = 0
    vote_names: tuple[str, ...] = ()
    draws_labels: bool = False

    @property
    def notes(self) -> Mapping[str, Any]:
        return {}

    @abstractmethod
    def source(self) -> Mapping[str, Any]:
        """A JSON-able stamp of what the samples are read from (files with sizes and times).

        Cheap: it is computed at every run. Two equal stamps mean that nothing has to be read again, while the plugin's
        version and source and the dataset's options, which the harness stamps itself, are also the same.
        """

    @abstractmethod
    def samples(self) -> Iterator[Sample | Fault]:
        """Every sample in a stable order, with faults in place of what cannot be one."""
