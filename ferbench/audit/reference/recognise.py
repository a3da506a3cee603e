"""Is a dataset the real thing? Its pictures are looked for by what they show, and compared with a reference card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.audit.reference.card import ALL, Card, Sketch, cards
from ferbench.audit.reference.sketch import CROPS, gray, layout_hashes, measured, mirrored, reduced
from ferbench.data.gray import gray_hashes
from ferbench.data.pack import Pack
from ferbench.records.reference import Reference, Verdict

#: Of 64 bits, those in which a processed copy of a picture may differ. Pictures of a sketch differ in 14 or more from
#: every other one of their dataset.
MOST_BITS = 8
#: The share of a sketch's pictures that must be found where the dataset is not said to be that of the card.
_KNOWN = 0.1
#: Below that many pictures, nothing is said of how they were processed.
_FEW = 20

_CHUNK = 2000  # images

# Images of a dataset of another name that are looked at first. Of a copy of FER2013 some 40 of them would be known, of
# another dataset that has it as a tenth four.
_PROBED, _LEAST = 4000, 3
_ASIDE = 0.02  # the share that may be elsewhere, or called otherwise: mistakes of labels and copies

# Medians over the pictures of what a copy has by what the original has. JPEG of quality 30 leaves 0.90 of the
# sharpness, a Gaussian blur of half a pixel 0.74; bilinear enlargement from 48 to 224 pixels, brought back, 0.67.
_BLURRED, _SHARPENED, _ENLARGED_AND_BLURRED = 0.82, 1.25, 0.55
_EQUALISED = 0.95  # flatness; pictures have 0.75
_TONES = 0.03  # of brightness (of 1) and contrast (relative), as JPEG leaves both within 0.01


def recognise(pack: Pack) -> Reference | None:
    """What a pack is a copy of; None where no card has its name and no sketch its pictures.

    Takes some 3 s for 32,000 images of 48×48 pixels. Of a dataset of another name, only some images are looked at where
    none of them is known.
    """
    named = next((card for card in cards() if card.dataset == pack.dataset), None)
    if named is not None and named.sketch is None:
        return _by_counts(pack, named)
    sketches = [card.sketch for card in cards() if card.sketch is not None]
    if named is None and len(pack) > 2 * _PROBED:
        probed = _hashes_of(pack, np.linspace(0, len(pack) - 1, _PROBED).astype(np.int64))
        if all(len(_found(sketch, probed).place) < _LEAST for sketch in sketches):
            return None
    hashes = _hashes_of(pack, np.arange(len(pack)))
    for card in cards() if named is None else (named,):
        if card.sketch is None or (named is None and card.labels_differ):
            continue
        found = _found(card.sketch, hashes)
        if named is not None or len(found.place) >= _KNOWN * len(card.sketch):
            return _judged(pack, card, card.sketch, found, named=named is not None)
    return None


def _hashes_of(pack: Pack, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    chunks = (rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK))
    return np.concatenate([layout_hashes(gray(np.asarray(pack.images[chunk]))) for chunk in chunks])


@dataclass(frozen=True, slots=True)
class _Found:
    """The pictures of a sketch that are in a pack.

    Attributes:
        place: int64[m], which of the sketch.
        row: int64[m], of the pack.
        cut: int64[m], 0 for the whole picture, or 1 and more for the entries of `CROPS`.
        turned: int64[m], 0 as it is, 1 mirrored, 2 with black and white changed over, 3 both.
    """

    place: NDArray[np.int64]
    row: NDArray[np.int64]
    cut: NDArray[np.int64]
    turned: NDArray[np.int64]


def _found(sketch: Sketch, hashes: NDArray[np.uint64]) -> _Found:
    ways = [hashes, mirrored(hashes), ~hashes, ~mirrored(hashes)]
    n = len(sketch)
    best = np.full(n, 65, dtype=np.int64)
    rows, cut, turned = (np.zeros(n, dtype=np.int64) for _ in range(3))
    for number, way in enumerate(ways):
        for crop in range(1 + len(CROPS)):
            for place in range(n):
                bits = np.bitwise_count(way ^ sketch.hashes[place, crop])
                nearest = int(bits.argmin())
                if bits[nearest] < best[place]:
                    best[place], rows[place], cut[place], turned[place] = bits[nearest], nearest, crop, number
    found = np.flatnonzero(best <= MOST_BITS)
    return _Found(found, rows[found], cut[found], turned[found])


def _judged(pack: Pack, card: Card, sketch: Sketch, found: _Found, *, named: bool) -> Reference:
    sought, m = len(sketch), len(found.place)
    if m < max(1, _KNOWN * sought):
        return _said(card, "unknown", [], m, sought)
    missing = list(_missing(pack, card)) if named else []
    if not named and m < (1 - _ASIDE) * sought:
        missing = [f"about {100 * (1 - m / sought):.0f} % of its pictures are not there"]
    further = list(_too_many(pack, card)) if named else []
    altered = [*_processed(pack, card, sketch, found), *_moved(pack, sketch, found), *further]
    if not card.labels_differ:
        altered += _relabelled(pack, sketch, found)
    same = sketch.pixels[found.place] == _pixels(pack, found.row)
    absent = [f"without {part}" for part in card.optional if part not in pack.parts] if named else []
    verdict: Verdict
    if altered:
        verdict = "altered"
    elif missing:
        verdict = "incomplete"
    else:
        verdict = "original" if same.mean() >= 1 - _ASIDE else "re-encoded"
    return _said(card, verdict, altered + missing + absent, m, sought)


def _pixels(pack: Pack, rows: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.array([bytes(row[:4]).hex() for row in gray_hashes(pack, rows)])


def _processed(pack: Pack, card: Card, sketch: Sketch, found: _Found) -> Iterator[str]:
    """What was done to the pictures."""
    m = len(found.place)
    mirrored_share, inverted = (found.turned % 2 == 1).mean(), (found.turned >= 2).mean()
    cropped = float((found.cut > 0).mean())
    if m < _FEW:
        return
    if mirrored_share > _ASIDE:
        yield "mirrored" if mirrored_share > 0.9 else f"{100 * mirrored_share:.0f} % of the pictures mirrored"
    if inverted > 0.5:
        yield "black and white changed over"
    if cropped > 0.5:
        cut = CROPS[round(float(np.median(found.cut[found.cut > 0]))) - 1]
        yield f"cropped (about {100 * cut:.0f} % at each edge)"
    height, width = pack.images.shape[2:]
    as_they_came = pack.stored_hashes is None
    resized = card.size is not None and as_they_came and (height, width) != card.size
    if resized:
        assert card.size is not None
        yield f"resized {_side(card.size)}→{_side((height, width))}"
    if card.size is None or height < card.size[0] or width < card.size[1] or cropped > 0.5 or inverted > 0.5:
        return
    images = reduced(gray(np.asarray(pack.images[found.row])), *card.size)
    copy, original = measured(images), sketch.measures[found.place]
    least = _ENLARGED_AND_BLURRED if resized or not as_they_came else _BLURRED
    part = np.asarray(pack.parts)[pack.part[found.row]]
    several = [name for name in pack.parts if (part == name).sum() >= _FEW]
    by_part = {name: _tones(copy[part == name], original[part == name], least) for name in several}
    every = list(dict.fromkeys(word for words in by_part.values() for word in words))
    for word in every or _tones(copy, original, least):
        where = [name for name in several if word in by_part[name]]
        yield word if len(where) == len(several) else f"{word} in {' and '.join(where)}"


def _tones(copy: NDArray[np.float64], original: NDArray[np.float64], least_sharpness: float) -> list[str]:
    """What was done to brightness, contrast and sharpness of the same pictures, by their measures float64[n, 4]."""
    words = []
    contrast, sharpness = np.median(copy[:, 1:3] / original[:, 1:3], axis=0)
    shift = float(np.median(copy[:, 0] - original[:, 0]))
    spread = float(np.median(np.abs(copy[:, 1] / original[:, 1] / contrast - 1)))
    if np.median(copy[:, 3]) >= _EQUALISED > np.median(original[:, 3]):
        words.append("contrast equalised")
    else:
        changed = abs(contrast - 1) > 2 * _TONES or abs(shift) > _TONES or spread > _TONES
        # Blur takes some of the contrast too, and from each picture about as much.
        by_blur = sharpness < _BLURRED and abs(shift) <= _TONES and spread <= _TONES
        if changed and not by_blur:
            words.append("brightness or contrast changed")
    if sharpness < least_sharpness:
        words.append("blurred")
    elif sharpness > _SHARPENED:
        words.append("sharpened or noisy")
    return words


def _side(size: tuple[int, int]) -> str:
    return str(size[0]) if size[0] == size[1] else f"{size[1]}×{size[0]}"


def _moved(pack: Pack, sketch: Sketch, found: _Found) -> Iterator[str]:
    """Whether the parts were cut anew: a part has pictures of several, of which one is for training."""
    theirs = np.asarray(pack.parts)[pack.part[found.row]]
    training = sketch.part[found.place] == sketch.part[0]
    strayed = 0
    for part in np.unique(theirs):
        inside = training[theirs == part]
        strayed += int(min(inside.sum(), (~inside).sum()))
    if strayed > _ASIDE * len(theirs) and strayed > 1:
        yield "re-split: parts were cut anew, so that each has pictures for training and for tests"


def _relabelled(pack: Pack, sketch: Sketch, found: _Found) -> list[str]:
    names = np.asarray(pack.class_names)
    theirs, original = names[pack.labels[found.row]], sketch.label[found.place]
    known = np.isin(original, names)  # a copy may call its classes what it likes, or have fewer
    differ = (theirs != original)[known]
    if known.sum() < _FEW or differ.mean() <= _ASIDE:
        return []
    return [f"{100 * differ.mean():.0f} % of the pictures have another label"]


def _counted(pack: Pack) -> Counter[tuple[str, str]]:
    parts, names = np.asarray(pack.parts)[pack.part], np.asarray(pack.class_names)[pack.labels]
    return Counter(zip(parts.tolist(), names.tolist(), strict=True))


def _holds(pack: Pack, card: Card) -> bool:
    return all(pack.notes.get(key) == value for key, value in card.when.items())


def _totals(pack: Pack, card: Card) -> Iterator[tuple[str, int, int]]:
    """Images of each part that is there, and those of the original."""
    counts = _counted(pack)
    classes = set(pack.class_names)
    for part, by_class in card.counts.items() if _holds(pack, card) else ():
        if part in pack.parts or part not in card.optional:
            here = sum(n for (each, name), n in counts.items() if part in (each, ALL) and name in by_class)
            yield part, here, sum(n for name, n in by_class.items() if name in classes)


def _missing(pack: Pack, card: Card) -> Iterator[str]:
    for part, here, original in _totals(pack, card):
        if here < original:
            yield f"{here:,} of {original:,} images{_in(part)}"


def _too_many(pack: Pack, card: Card) -> Iterator[str]:
    for part, here, original in _totals(pack, card):
        if here > original:
            yield f"{here:,} images{_in(part)}, where the original has {original:,}"


def _in(part: str) -> str:
    return "" if part == ALL else f" in {part}"


def _by_counts(pack: Pack, card: Card) -> Reference | None:
    if not _holds(pack, card):
        return None
    further: Sequence[str] = list(_too_many(pack, card))
    missing: Sequence[str] = list(_missing(pack, card))
    verdict: Verdict = "altered" if further else "incomplete" if missing else "unknown"
    return _said(card, verdict, [*further, *missing])


def _said(card: Card, verdict: Verdict, findings: Sequence[str], found: int = 0, sought: int = 0) -> Reference:
    return Reference(
        dataset=card.dataset, title=card.title, verdict=verdict, findings=list(findings), found=found, sought=sought
    )
