"""FER+ (Barsoum et al., ICMI 2016): FER2013's pictures with ten annotators' votes each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ferbench import Dataset, Fault, Sample, expressions, image_tree
from ferbench_builtin.datasets.fer2013_classes import PARTS, SIZE
from ferbench_builtin.datasets.fer2013_folders import images_per_part, training_gaps
from ferbench_builtin.datasets.fer_plus_labels import CLASSES, VOTES, Labelling, labelled
from ferbench_builtin.datasets.fer_plus_layouts import Voted, layout_of
from ferbench_builtin.datasets.image_files import LeftOut


def fer_plus(path: Path | None, *, labels: Labelling = "majority", votes: Path | None = None) -> Dataset:
    """FER+: 48×48 gray faces, eight classes, parts ``Training``, ``PublicTest`` and ``PrivateTest``.

    The layout is found by itself: ``fer2013.csv`` (or ``icml_face_data.csv``) with ``fer2013new.csv`` beside it,
    joined by the order of rows; the folders ``FER2013Train``, ``FER2013Valid`` and ``FER2013Test`` with a ``label.csv``
    in each, or with ``fer2013new.csv`` beside them; a folder copy of FER2013 with a table of votes by image name.

    PublicTest and PrivateTest always have the majority's labels, as the authors test on; pictures that no class wins
    are left out and counted. The votes as they were cast go with each picture.

    Args:
        path: the directory with the files, or the table.
        labels: what is learnt of a training picture's votes. ``majority``: the label that more than half voted for.
            ``crossentropy``: the shares of the most voted labels. ``probability``: a label drawn by these shares, anew
            in each epoch. ``multi_target``: all labels with 30 % of the votes or more, each counting the same, for the
            loss ``multi-target``.
        votes: a CSV with the column ``file`` (or ``image``, ``Image name``) and FER+'s ten columns of votes, for a
            folder copy of FER2013.

    Raises:
        UserError: nothing that looks like FER+ is there.
    """
    return FerPlus(layout_of(path, votes), labels)


class FerPlus(Dataset):
    """FER+ in one of its layouts.

    Ids are those that FER+ gives its pictures (``fer0000000``) where they are known: copies as tables and as PNG files
    are one test set.

    Attributes:
        path: where it lies.
    """

    channels = 1
    native_size = SIZE
    class_names = expressions.EXPRESSIONS
    vote_names = VOTES

    def __init__(self, layout: Any, labels: Labelling) -> None:
        self.path = layout.path
        self.draws_labels = labels == "probability"
        self._layout = layout
        self._labels: Labelling = labels
        self._notes: dict[str, Any] = {"layout": layout.name, "labels": labels}

    @property
    def notes(self) -> Mapping[str, Any]:
        """The layout and the labelling; once ``samples`` has run, images per part, what was left out, and how many
        pictures have the name of another one."""
        return self._notes

    def source(self) -> Mapping[str, Any]:
        return {"layout": self._layout.name, "files": self._layout.stamp(), "labels": self._labels}

    def samples(self) -> Iterator[Sample | Fault]:
        counts = {part: dict.fromkeys(self.class_names, 0) for part in PARTS}
        left_out = LeftOut()
        ignored = image_tree.Ignored()
        for item in self._layout.pictures(ignored):
            sample = item if isinstance(item, Fault) else self._sample(item, left_out)
            if isinstance(sample, Sample):
                counts[sample.part][sample.label] += 1
            if sample is not None:
                yield sample
        yield from training_gaps(counts, self.path)
        left_out.add_ignored(ignored)
        self._notes |= {"images": images_per_part(counts), "left_out": dict(left_out.counts), **left_out.images}
        if self._layout.named_twice:
            self._notes["named_twice"] = self._layout.named_twice

    def _sample(self, picture: Voted, left_out: LeftOut) -> Sample | None:
        found = labelled(picture.votes, self._labels if picture.part == "Training" else "majority")
        if found.label is None:
            left_out.add(found.reason)
            return None
        shares = None
        if found.shares is not None:
            by_class = dict(zip(CLASSES, found.shares, strict=True))
            shares = tuple(by_class[name] for name in self.class_names)
        return Sample(
            picture.id,
            picture.part,
            found.label,
            picture.image,
            location=picture.location,
            votes=shares,
            cast_votes=tuple(picture.votes),
        )
