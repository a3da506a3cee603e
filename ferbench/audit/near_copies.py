"""The same picture again: mirrored, turned, zoomed, shifted, cut, in other tones, compressed, or several of these.

Candidates are pictures with near descriptions (`ferbench.audit.descriptors`). What decides is how well one agrees with
the other once it is laid over it (`ferbench.audit.registration`), looked at from coarse to fine, so that what is
unlike is dropped early. The limits are those of `benchmarks/audit/near_copies.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ferbench.audit.descriptors import SIDE, described, squared
from ferbench.audit.duplicates import joined
from ferbench.audit.neighbours import nearest
from ferbench.audit.reference.sketch import reduced
from ferbench.audit.registration import Gray, even, laid, scaled, unmoved
from ferbench.data.images import Images

#: What near copies have to agree by: the correlation of what both show, evened, when one is laid over the other. A
#: mirror image has to agree better, since faces are nearly symmetric.
LEAST_AGREEMENT = 0.81
LEAST_MIRRORED = 0.86

Rows = NDArray[np.int64]

_NEIGHBOURS = 10  # of a picture and of its mirror image, which are
_LEAST_COSINE = 0.45  # or more
_STAGES = ((12, 8, 0.6), (24, 5, 0.72), (SIDE, 3, LEAST_AGREEMENT))  # side, steps, least agreement
_CANDIDATES = 4000  # at once
_IMAGES = 500


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures.

    Attributes:
        first: int64[n], row numbers.
        second: int64[n], row numbers.
        mirrored: bool[n], the first one is the mirror image.
        agreement: float32[n], the correlation of what is in both when one is laid over the other.
        maps: float32[n, 2, 3], from places in the first, once it is mirrored, to places in the second, around the
            centres, in 48ths of a side.
    """

    first: Rows
    second: Rows
    mirrored: NDArray[np.bool_]
    agreement: Gray
    maps: Gray

    def __len__(self) -> int:
        return len(self.first)

    def where(self, wanted: NDArray[np.bool_] | Rows) -> Pairs:
        """Some of them."""
        return Pairs(*(getattr(self, field.name)[wanted] for field in fields(self)))


def near_copies(images: Images, rows: Rows) -> Pairs:
    """Pairs that connect the images with these row numbers, of uint8[N, C, H, W], that are nearly the same.

    The surest candidates come first, and of images that other pairs connect already no further pair is looked at: of a
    thousand frames of one scene, a few thousand pairs are compared, not half a million.
    """
    found = [_pairs(rows[:0], rows[:0], np.zeros(0, bool))]
    if len(rows) > 1:
        candidates = _candidates(images, rows)
        coarse = [_coarse(images, rows, side) for side, _, _ in _STAGES[:-1]]
        groups = np.arange(len(rows))
        for start in range(0, len(candidates), _CANDIDATES):
            pairs = candidates.where(np.arange(start, min(start + _CANDIDATES, len(candidates))))
            pairs = _agreeing(images, rows, coarse, pairs.where(groups[pairs.first] != groups[pairs.second]))
            if len(pairs):
                found.append(pairs)
                groups = joined(len(rows), np.stack([groups[pairs.first], groups[pairs.second]], axis=1))[groups]
    several = Pairs(*(np.concatenate([getattr(part, field.name) for part in found]) for field in fields(Pairs)))
    return Pairs(rows[several.first], rows[several.second], several.mirrored, several.agreement, several.maps)


def _pairs(first: Rows, second: Rows, mirrored: NDArray[np.bool_]) -> Pairs:
    """Pairs of which nothing is known yet."""
    return Pairs(first, second, mirrored, np.zeros(len(first), np.float32), unmoved(len(first)))


def _candidates(images: Images, rows: Rows) -> Pairs:
    """Pairs of places in ``rows`` with near descriptions, the nearest first, each once as it is and once mirrored."""
    descriptions = described(images, rows)
    found = [
        nearest(descriptions.plain, queries, _NEIGHBOURS, _LEAST_COSINE)
        for queries in (descriptions.plain, descriptions.mirrored)
    ]
    query, vector = (np.concatenate([getattr(one, name) for one in found]) for name in ("query", "vector"))
    cosine = np.concatenate([one.cosine for one in found])
    mirrored = np.repeat([False, True], [len(one.query) for one in found])
    order = np.argsort(-cosine, kind="stable")
    ends = np.sort(np.stack([query, vector]), axis=0)[:, order]
    key = (ends[0] * len(rows) + ends[1]) * 2 + mirrored[order]
    once = np.sort(np.unique(key, return_index=True)[1])
    return _pairs(ends[0, once], ends[1, once], mirrored[order][once])


def _coarse(images: Images, rows: Rows, side: int) -> NDArray[np.float16]:
    """Evened images, float16[n, side, side]."""
    chunks = [rows[start : start + _IMAGES] for start in range(0, len(rows), _IMAGES)]
    return np.concatenate([reduced(even(squared(images, chunk)), side, side).astype(np.float16) for chunk in chunks])


def _agreeing(images: Images, rows: Rows, coarse: list[NDArray[np.float16]], pairs: Pairs) -> Pairs:
    """Those of pairs of places that agree, with their maps."""
    before = SIDE
    for number, (side, steps, least) in enumerate(_STAGES):
        parts = [_pairs(pairs.first[:0], pairs.second[:0], pairs.mirrored[:0])]
        for start in range(0, len(pairs), _IMAGES):
            part = pairs.where(np.arange(start, min(start + _IMAGES, len(pairs))))
            if number < len(coarse):
                first, second = (coarse[number][end].astype(np.float32) for end in (part.first, part.second))
            else:
                first, second = (even(squared(images, rows[end])) for end in (part.first, part.second))
            turned = np.where(part.mirrored[:, None, None], first[:, :, ::-1], first)
            lay = laid(turned, second, scaled(part.maps, side / before), steps)
            kept = lay.plausible() & (lay.agreement >= least)
            if side == SIDE:
                kept &= ~part.mirrored | (lay.agreement >= LEAST_MIRRORED)
            parts.append(Pairs(part.first, part.second, part.mirrored, lay.agreement, lay.maps).where(kept))
        pairs = Pairs(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Pairs)))
        before = side
    # A face that is symmetric agrees with another one both as it is and mirrored.
    surest = np.argsort(-pairs.agreement, kind="stable")
    once = np.unique(pairs.first[surest] * len(rows) + pairs.second[surest], return_index=True)[1]
    return pairs.where(surest[np.sort(once)])
