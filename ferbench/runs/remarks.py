"""What a reader of an evaluation must know, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NAMED = 6  # classes


def remarks(entry: Mapping[str, Any]) -> list[str]:
    """What a reader of an evaluation must know: what was left out, how averages were taken, what had been seen."""
    lines = []
    if said := absent_line(entry):
        lines.append(said)
    if left_out := entry.get("left_out"):
        total = sum(left_out.values())
        lines.append(f"left out: {total:,} samples of classes that the model does not know: {counted(left_out)}")
    if only := (entry.get("data") or {}).get("only_model"):
        lines.append(only_models(only))
    seen = entry.get("seen")
    if seen is None:
        return lines
    if seen["contaminated"] is None and seen["train"] is not None:
        lines.append(
            "whether these gray images were trained on in colour is not known: what the run learnt from was written by "
            "an older release"
        )
        return lines
    if seen["contaminated"] is None:
        lines.append("whether these samples were trained on is not known: the run does not say what it learnt from")
        return lines
    counts = ", ".join(f"{seen[split]['copies']:,} in {split}" for split in ("train", "validation"))
    if seen["contaminated"] and entry.get("split") == "validation" and "data" not in entry:
        lines.append(f"the epoch was chosen on samples that its weights had learnt before ({counts})")
    elif seen["contaminated"]:
        lines.append(f"CONTAMINATED: the run has seen some of these samples before ({counts}); it is not ranked")
    elif any(seen[split]["copies"] for split in ("train", "validation")):
        lines.append(f"copies of these images within the dataset, on both sides of its own protocol: {counts}")
    return lines


def absent_classes(entry: Mapping[str, Any]) -> list[str]:
    """The classes of an evaluation that none of its samples is of, without those that only the model knows."""
    return [name for name in _scored(entry) if not entry["per_class"][name]["support"]]


def absent_line(entry: Mapping[str, Any]) -> str:
    """`of_absent` of an evaluation."""
    return of_absent(absent_classes(entry), len(_scored(entry)), str(entry.get("split")))


def of_absent(absent: Sequence[str], classes: int, split: str = "test") -> str:
    """What averages make of classes without a sample; empty where every class has one.

    Args:
        absent: their names.
        classes: how many there are in all.
        split: what was measured on; ``all`` is no word for a reader.
    """
    if not absent:
        return ""
    which = ", ".join(absent) if len(absent) <= _NAMED else f"{', '.join(absent[: _NAMED - 1])}, …"
    have, them = ("has", "it") if len(absent) == 1 else ("have", "them")
    what = f"{split} sample" if split in ("test", "validation", "train") else "sample"
    said = f"{len(absent)} of {classes} classes {have} no {what} ({which})"
    return f"{said}: macro-F1 counts {them} as 0, balanced accuracy leaves {them} out"


def _scored(entry: Mapping[str, Any]) -> list[str]:
    only_model = (entry.get("data") or {}).get("only_model") or ()
    return [name for name in entry.get("per_class") or {} if name not in only_model]


def only_models(names: Sequence[str]) -> str:
    """What averages make of classes that the dataset does not know."""
    return (
        f"the dataset does not know: {', '.join(names)}; macro averages are over the other classes, and samples "
        "taken for these are errors"
    )


def counted(counts: Mapping[str, int]) -> str:
    """``contempt 12, pain 3``."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
