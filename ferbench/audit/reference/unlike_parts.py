"""Were the parts of a dataset processed alike? Blurred images to learn from beside sharp ones to be tested on are a
fault of the copy that no label and no count shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ferbench.audit.reference.sketch import gray, measured
from ferbench.data.file_facts import listed
from ferbench.data.pack import Pack
from ferbench.records.reference import FILES, JPEG_QUALITY, NATIVE_SIZE, UnlikeParts

#: Images of a part that are looked at, and below which nothing is said of it.
_LOOKED_AT, _FEW = 1500, 30

#: Cliff's delta from which two parts are called unlike: of every 20 pairs of images, 13 have the larger value in the
#: one part and 7 in the other. Parts of one source that were cut at random differ by less than 0.1.
LARGE = 0.33

#: A format that the largest part has no file of.
_NONE = np.zeros(1)

#: What is measured of pixels.
_NAMES = ("brightness", "contrast", "sharpness", "evenness of gray levels", "JPEG blocks", "colour")


def unlike_parts(pack: Pack) -> list[UnlikeParts]:
    """In what the images of a part differ from those of the largest part, the largest difference first.

    At most 1,500 images of each part are looked at, evenly spread over it, and the files of 400. Differences are
    Cliff's delta ("Dominance statistics", 1993): the chance that an image of the part has a larger value than one of
    the largest part, minus the chance that it has a smaller one; of a format of files, the difference of its shares.
    """
    rows = {part: np.flatnonzero(pack.part == code) for code, part in enumerate(pack.parts)}
    rows = {part: of[:: max(1, len(of) // _LOOKED_AT)][:_LOOKED_AT] for part, of in rows.items() if len(of) >= _FEW}
    if len(rows) < 2:
        return []
    largest = max(rows, key=lambda part: int((pack.part == pack.parts.index(part)).sum()))
    values = {part: _measured(pack, of) | _of_files(pack.files.get(part, {})) for part, of in rows.items()}
    found = []
    for part, theirs in values.items():
        for name, mine in theirs.items():
            other = values[largest].get(name, _NONE if name.endswith(FILES) else None)
            if part == largest or other is None or abs(difference := cliffs_delta(mine, other)) < LARGE:
                continue
            middle = np.mean if name.endswith(FILES) else np.median
            found.append(
                UnlikeParts(
                    measure=name,
                    part=part,
                    other=largest,
                    difference=round(difference, 3),
                    median=round(float(middle(mine)), 4),
                    other_median=round(float(middle(other)), 4),
                )
            )
    return sorted(found, key=lambda unlike: -abs(unlike.difference))


def _of_files(counts: Mapping[str, int]) -> dict[str, NDArray[np.float64]]:
    """float64[n] of each of the files that were looked at, by what is measured; empty where they are few."""
    files = listed(counts)
    kinds = {facts.format for facts in files} - {""}
    qualities = np.array([facts.quality for facts in files if facts.quality], dtype=np.float64)
    values = {NATIVE_SIZE: np.sqrt([float(facts.height * facts.width) for facts in files])}
    values |= {f"{kind}{FILES}": np.array([float(facts.format == kind) for facts in files]) for kind in sorted(kinds)}
    values |= {JPEG_QUALITY: qualities} if len(qualities) >= _FEW else {}
    return values if len(files) >= _FEW else {}


def _measured(pack: Pack, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """float64[n] of each image, by what is measured."""
    images = np.asarray(pack.images[rows])
    grays = gray(images)
    saturation = (images.max(axis=1).astype(np.float64) - images.min(axis=1)).mean(axis=(1, 2)) / 255
    return dict(zip(_NAMES, [*measured(grays).T, _blocks(grays), saturation], strict=True))


def _blocks(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """float64[n]: how much larger steps of gray are at the edges of JPEG's blocks of 8 pixels than elsewhere, as a
    ratio; 1 where there are no such edges."""
    steps = np.abs(np.diff(images.astype(np.float64), axis=2))
    edges = np.arange(steps.shape[2]) % 8 == 7
    if not edges.any() or edges.all():
        return np.ones(len(images))
    at, elsewhere = steps[:, :, edges].mean(axis=(1, 2)), steps[:, :, ~edges].mean(axis=(1, 2))
    return np.divide(at, elsewhere, out=np.ones(len(images)), where=elsewhere > 0)


def cliffs_delta(one: Sequence[float] | NDArray[np.float64], other: Sequence[float] | NDArray[np.float64]) -> float:
    """P(a > b) - P(a < b) for a of the first and b of the second."""
    ordered = np.sort(other)
    below = np.searchsorted(ordered, one, side="left").sum()
    above = (len(ordered) - np.searchsorted(ordered, one, side="right")).sum()
    return float((below - above) / (len(one) * len(ordered)))
