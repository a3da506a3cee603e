"""One spelling for the expressions that datasets name in their own ways."""

from __future__ import annotations

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


def expression_named(name: str) -> str | None:
    """The expression that a folder, column or label stands for, whatever its case; None if for none."""
    plain = name.strip().lower()
    plain = _ALIASES.get(plain, plain)
    return plain if plain in EXPRESSIONS else None


def class_key(name: str) -> str:
    """What the names of classes are compared by: ``Anger`` and ``angry`` are one class, and ``Pain`` is ``pain``."""
    return expression_named(name) or name.strip().casefold()
