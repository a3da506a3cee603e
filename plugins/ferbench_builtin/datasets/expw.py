"""ExpW, Expression in-the-Wild (Zhang, Luo, Loy and Tang, 2018): 91,793 faces in photos from web searches.

Lines of ``label.lst`` are ``image_name face_id top left right bottom confidence label``, in that order, with labels
0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral (the dataset's own readme).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import annotated_types

from ferbench import Crop, Dataset, Fault, Sample, expressions, image_tree, text_lines
from ferbench_builtin.datasets.held_out import held_out
from ferbench_builtin.datasets.image_files import Color, Fit, ImageFiles, LeftOut, Size, Stored
from ferbench_builtin.datasets.layouts import directory_of, no_such_layout

_BY_NUMBER = dict(zip("0123456", ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"), strict=True))
_LISTS = ("label/label.lst", "data/label/label.lst", "label.lst")
_IMAGES = ("image/origin", "data/image/origin", "origin")
_FIELDS = "image_name face_id top left right bottom confidence label"
_WHERE_TO_GET = (
    "get it from its authors (MMLab of CUHK, ExpW), unpack the images to image/origin/, "
    "and name the directory with --data"
)


def expw(
    path: Path | None,
    *,
    min_confidence: Annotated[float, annotated_types.Interval(ge=0, le=1e6)] = 0.0,
    size: Size | None = None,
    color: Color = "rgb",
    fit: Fit = "stretch",
) -> Dataset:
    """ExpW: seven classes, each face cut out by its box; parts ``train`` and ``test`` show different photos.

    There is no official split and nobody's name: a fifth of the photos, by digests of their file names, are the part
    ``test``. All faces of a photo stay together, in other cuts too: the photo is their ``clip``. Ids are
    ``<image>#<face>``. Lines that are given twice are taken once.

    Args:
        path: the directory with ``label/label.lst`` and ``image/origin/``.
        min_confidence: leave out faces of which the detector was less sure, on the scale of ``label.lst``.
        size: side in pixels that faces are resampled to; None: all must have one size already, which they do not.
        color: how images are stored.
        fit: what becomes of the aspect ratio at ``size``: ``stretch`` does not keep it, ``pad`` keeps it and
            leaves black margins, ``crop`` keeps it and takes the middle.

    Raises:
        UserError: nothing that looks like ExpW is there.
    """
    path = directory_of(path, "expw", _WHERE_TO_GET)
    table = next((path / name for name in _LISTS if (path / name).is_file()), None)
    folder = next((path / name for name in _IMAGES if (path / name).is_dir()), None)
    if table is None or folder is None:
        raise no_such_layout("ExpW", path, f"{_LISTS[0]} and {_IMAGES[0]}/", _WHERE_TO_GET)

    def listing(left_out: LeftOut) -> Iterator[Sample | Fault]:
        testers = held_out(fields[0] for _, _, fields in _rows(table) if len(fields) == 8)
        seen: set[str] = set()
        for number, line, fields in _rows(table):
            if line in seen:
                left_out.add("repeated lines")
                continue
            seen.add(line)
            sample = _sample(table, folder, number, fields, testers)
            if isinstance(sample, Sample) and float(fields[6]) < min_confidence:
                left_out.add(f"confidence below {min_confidence:g}")
            else:
                yield sample

    return ImageFiles(
        path,
        expressions.BASIC,
        Stored(size, color, fit),
        layout="label.lst and photos",
        listing=listing,
        stamped=lambda: {"files": image_tree.stamp([table, folder]), "min_confidence": min_confidence},
    )


def _rows(table: Path) -> Iterator[tuple[int, str, list[str]]]:
    for number, line in text_lines(table):
        if line.strip():
            yield number, line.strip(), line.strip().rsplit(None, 7)


def _sample(table: Path, folder: Path, number: int, fields: list[str], testers: frozenset[str]) -> Sample | Fault:
    if len(fields) != 8:
        return Fault(str(table), number, f"{len(fields)} fields, expected {_FIELDS}")
    image, face, *box, confidence, label = fields
    if label not in _BY_NUMBER:
        return Fault(str(table), number, f"unknown label {label[:24]!a}, expected 0 to 6")
    try:
        top, left, right, bottom = (int(value) for value in box)
        sure = math.isfinite(float(confidence))
    except ValueError:
        sure = False
    if not sure:
        return Fault(str(table), number, f"box or confidence is no number, expected {_FIELDS}")
    return Sample(
        id=f"{image}#{face}",
        part="test" if image in testers else "train",
        label=_BY_NUMBER[label],
        image=Crop(folder / image, left, top, right, bottom),
        location=f"{table}, row {number}",
        clip=image,
    )
