"""How FER+'s ten votes of a picture become what is learnt of it (Barsoum et al., ICMI 2016).

The rules are those of the authors' own reader, ``src/ferplus.py`` of github.com/microsoft/FERPlus, ties included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ferbench import expressions

#: FER+'s columns of votes, in their order.
VOTES = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
#: How many of them are expressions; the others say that the picture shows none that can be named, or no face.
EXPRESSIONS = 8

#: The class of each of the first eight.
CLASSES = tuple(name for vote in VOTES[:EXPRESSIONS] if (name := expressions.expression_named(vote)) is not None)

Labelling = Literal["majority", "crossentropy", "probability", "multi_target"]
LABELLINGS: tuple[Labelling, ...] = get_args(Labelling)

UNKNOWN = "won by 'unknown'"
NO_FACE = "won by 'not a face'"
NO_WINNER = "no label that enough annotators agree on"

_LEAST_SHARE = 0.3  # of the votes that an expression needs in multi_target


@dataclass(frozen=True, slots=True)
class Labelled:
    """What becomes of a picture.

    Attributes:
        label: the class with the most votes among those that count; None: the picture is left out.
        shares: of the classes in the order of `CLASSES`, summing to 1; None where the label is all.
        reason: why it is left out.
    """

    label: str | None
    shares: tuple[float, ...] | None = None
    reason: str = ""


def labelled(votes: Sequence[float], labelling: Labelling) -> Labelled:
    """What a labelling makes of the votes.

    A vote that nobody shares counts as none; ``unknown`` and ``NF`` stay among all votes, of which shares are taken.

    Args:
        votes: ten numbers, in the order of `VOTES`.
        labelling: ``majority``: the label that has more than half of the votes. ``crossentropy`` and ``probability``:
            the most voted labels until they have three quarters of the votes, at most three of them (those that tie
            come together), with more than half of the votes in all. ``multi_target``: those with 30 % of the votes or
            more, with more than half of them in all, each counting the same.
    """
    counted = [0.0 if vote <= 1 else float(vote) for vote in votes]
    everything = sum(counted)
    match labelling:
        case "majority":
            kept = [vote if vote == max(counted) else 0.0 for vote in counted]
            enough = max(counted) > 0.5 * everything
        case "crossentropy" | "probability":
            kept, enough = _most_voted(counted, everything)
        case "multi_target":
            kept = [vote if vote >= _LEAST_SHARE * everything else 0.0 for vote in counted]
            enough = sum(kept) > 0.5 * everything
    winner = kept.index(max(kept))
    if not enough:
        return Labelled(None, reason=NO_WINNER)
    if winner >= EXPRESSIONS:
        return Labelled(None, reason=UNKNOWN if winner == EXPRESSIONS else NO_FACE)
    kept = kept[:EXPRESSIONS]
    if labelling == "majority":
        return Labelled(CLASSES[winner])
    if labelling == "multi_target":
        kept = [1.0 if vote else 0.0 for vote in kept]
    total = sum(kept)
    return Labelled(CLASSES[winner], tuple(vote / total for vote in kept))


def _most_voted(counted: Sequence[float], everything: float) -> tuple[list[float], bool]:
    """The votes that count of the most voted labels, and whether these are few, with enough votes together."""
    left, kept = list(counted), [0.0] * len(counted)
    taken, labels = 0.0, 0
    nameable = True
    while taken < 0.75 * everything and labels < 3 and nameable:
        most = max(left)
        for place, vote in enumerate(left):
            if vote != most:
                continue
            left[place], kept[place] = 0.0, most
            taken += most
            labels += 1
            if place >= EXPRESSIONS:
                nameable = False  # what comes after 'unknown' or 'NF' no longer counts
                if sum(kept) > most:
                    kept[place] = 0.0
                    labels -= 1
                break
    return kept, sum(kept) > 0.5 * everything and labels <= 3


def numbers(texts: Sequence[str]) -> tuple[float, ...] | str:
    """The votes that ten fields state, or what is wrong with them."""
    for name, text in zip(VOTES, texts, strict=True):
        text = text.strip()
        if not (text.isascii() and text.isdecimal() and len(text) <= 4):
            return f"{name}: {text[:24]!a} is no number of votes"
    return tuple(float(text) for text in texts)
