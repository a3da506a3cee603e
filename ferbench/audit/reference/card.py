"""Reference cards: what is published or known of a dataset, without a picture of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Stands for the part of a count that is over all of them, where copies have parts of their own.
ALL = "all"


@dataclass(frozen=True, eq=False)
class Sketch:
    """A few hundred pictures of a dataset, none of which looks like another one of it.

    Attributes:
        part: text[n], where each belongs.
        label: text[n], its class.
        hashes: uint64[n, 3], of what it shows: whole, and without each of `sketch.CROPS` at the edges.
        pixels: text[n], the first eight hexadecimal digits of the pixel hash of its luma.
        measures: float64[n, 4], see `sketch.MEASURES`.
    """

    part: NDArray[np.str_]
    label: NDArray[np.str_]
    hashes: NDArray[np.uint64]
    pixels: NDArray[np.str_]
    measures: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.part)


@dataclass(frozen=True, eq=False)
class Card:
    """What a dataset is.

    Attributes:
        dataset: name of the component that reads it.
        title: what people call it.
        source: where the counts are from.
        counts: pictures by part (or `ALL`) and class.
        optional: parts that not every copy has.
        when: notes of the dataset that the counts hold for; others say nothing of them.
        size: (height, width) of its pictures; None: they have several.
        sketch: of its pictures; None where only counts are known.
        labels_differ: the sketch's classes are another dataset's, of the same pictures.
    """

    dataset: str
    title: str
    source: str
    counts: Mapping[str, Mapping[str, int]]
    optional: Sequence[str] = ()
    when: Mapping[str, object] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    sketch: Sketch | None = None
    labels_differ: bool = False


@lru_cache(maxsize=1)
def cards() -> tuple[Card, ...]:
    """All that come with ferbench; those with a sketch first."""
    folder = files("ferbench.audit.reference") / "cards"
    found = [each for each in folder.iterdir() if each.name.endswith(".json")]
    tables = {each.name: json.loads(each.read_text("utf-8")) for each in found}
    made = [_card(table, tables) for _, table in sorted(tables.items())]
    return tuple(sorted(made, key=lambda card: (card.sketch is None, card.labels_differ)))


def _card(table: dict[str, Any], tables: Mapping[str, dict[str, Any]]) -> Card:
    values = dict(table)
    borrowed = values.pop("pictures_of", None)
    lender = values if borrowed is None else tables[f"{borrowed}.json"]
    samples, size = lender.get("sketch"), lender.get("size")
    values |= {"sketch": None if samples is None else _sketch(samples), "labels_differ": borrowed is not None}
    values["size"] = None if size is None else tuple(size)
    return Card(**values)


def _sketch(samples: Any) -> Sketch:
    part, label, hashes, pixels, measures = zip(*samples, strict=True)
    return Sketch(
        np.array(part),
        np.array(label),
        np.array([[int(text, 16) for text in row] for row in hashes], dtype=np.uint64),
        np.array(pixels),
        np.array(measures, dtype=np.float64) / 1000,
    )
