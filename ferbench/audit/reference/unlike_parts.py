"""Were the parts of a dataset processed alike? Blurred images to learn from beside sharp ones to be tested on are a
fault of the copy that no label and no count shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ferbench.audit.reference.sketch import gray, measured
from ferbench.data.pack import Pack
from ferbench.records.reference import UnlikeParts

#: Images of a part that are looked at, and below which nothing is said of it.
_LOOKED_AT, _FEW = 1500, 30

#: Cliff's delta from which two parts are called unlike: of every 20 pairs of images, 13 have the larger value in the
#: one part and 7 in the other. Parts of one source that were cut at random differ by less than 0.1.
LARGE = 0.33

#: What is measured, and how many digits of it mean something.
_NAMES = ("brightness", "contrast", "sharpness", "evenness of gray levels", "JPEG blocks", "colour")


def unlike_parts(pack: Pack) -> list[UnlikeParts]:
    """In what the images of a part differ from those of the largest part, the largest difference first.

    At most 1,500 images of each part are looked at, evenly spread over it. Differences are Cliff's delta ("Dominance
    statistics", 1993): the chance that an image of the part has a larger value than one of the largest part, minus the
    chance that it has a smaller one.
    """
    rows = {part: np.flatnonzero(pack.part == code) for code, part in enumerate(pack.parts)}
    rows = {part: of[:: max(1, len(of) // _LOOKED_AT)][:_LOOKED_AT] for part, of in rows.items() if len(of) >= _FEW}
    if len(rows) < 2:
        return []
    largest = max(rows, key=lambda part: int((pack.part == pack.parts.index(part)).sum()))
    values = {part: _measured(pack, of) for part, of in rows.items()}
    found = []
    for part, theirs in values.items():
        for name, mine, other in zip(_NAMES, theirs.T, values[largest].T, strict=True):
            difference = cliffs_delta(mine, other)
            if part != largest and abs(difference) >= LARGE:
                found.append(
                    UnlikeParts(
                        measure=name,
                        part=part,
                        other=largest,
                        difference=round(difference, 3),
                        median=round(float(np.median(mine)), 4),
                        other_median=round(float(np.median(other)), 4),
                    )
                )
    return sorted(found, key=lambda unlike: -abs(unlike.difference))


def _measured(pack: Pack, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[n, 6], in the order of `_NAMES`."""
    images = np.asarray(pack.images[rows])
    grays = gray(images)
    saturation = (images.max(axis=1).astype(np.float64) - images.min(axis=1)).mean(axis=(1, 2)) / 255
    return np.column_stack([measured(grays), _blocks(grays), saturation])


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
