"""One spelling for the expressions that datasets name in their own ways."""

from __future__ import annotations

import re
import unicodedata

#: Sorted, as class lists are. Ekman's six, neutral, and contempt, which some datasets have.
EXPRESSIONS = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise")

#: The seven that nearly all datasets share.
BASIC = tuple(name for name in EXPRESSIONS if name != "contempt")

#: Words that mean one of them in any dataset. Others need not: "normal" may be without pain, and "smile" without joy.
_ALIASES = {
    "anger": "angry",
    "mad": "angry",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happiness": "happy",
    "joy": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "surprised": "surprise",
    "surprising": "surprise",
}


#: Beside the characters of Unicode's category Cf, those that are drawn as nothing, or only choose how others are drawn.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]")
_NUMBER = re.compile(r"([+-]?)(?=\.?[0-9])0*([0-9]*)(?:\.([0-9]*?)0*)?")


def spelling(name: str) -> str:
    """A name without what is easily overlooked: case, blanks around it, what looks alike or cannot be seen in Unicode.

    ``Pain``, ``pain`` with a zero-width space and full-width ``Ｐａｉｎ`` come out as ``pain``, composed and decomposed
    accents as the same, ``03`` and ``3.0`` as ``3``, ``.5`` as ``0.5``.
    """
    seen = "".join(char for char in _UNSEEN.sub("", name) if unicodedata.category(char) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    plain = " ".join(folded.split())
    number = _NUMBER.fullmatch(plain)
    if number is None:
        return plain
    size = (number[2] or "0") + (f".{number[3]}" if number[3] else "")
    return f"-{size}" if number[1] == "-" and size != "0" else size


def expression_named(name: str) -> str | None:
    """The expression that a folder, column or label stands for, whatever its `spelling`; None if for none."""
    plain = spelling(name)
    plain = _ALIASES.get(plain, plain)
    return plain if plain in EXPRESSIONS else None


def class_key(name: str) -> str:
    """What names mean: ``Anger`` and ``angry`` are one class, and ``Pain`` is ``pain``.

    Two classes of one dataset may mean the same, so that names are looked up with `ferbench.data.class_mapping`.
    """
    return expression_named(name) or spelling(name)
