"""What a reader of an evaluation must know, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ferbench.runs.symptoms import of_predictions

if TYPE_CHECKING:
    from ferbench.records.evaluation import EvaluationEntry

_NAMED = 6  # classes


def remarks(entry: EvaluationEntry) -> list[str]:
    """What a reader of an evaluation must know: classes that are never recognised, what was left out, how
    averages were taken, what had been seen."""
    lines = of_predictions(entry)
    if line := absent_line(entry):
        lines.append(line)
    if entry.left_out:
        total = sum(entry.left_out.values())
        lines.append(f"left out: {total:,} samples of classes that the model does not know: {counted(entry.left_out)}")
    if entry.data is not None and entry.data.only_model:
        lines.append(only_models(entry.data.only_model))
    if entry.contaminated:
        lines.append(f"CONTAMINATED: {entry.contaminated}; it is not ranked")
    seen = entry.seen
    if seen is None:
        return lines
    counts = seen.counted()
    if seen.contaminated is None and seen.train is not None:
        lines.append(
            "whether these gray images were trained on in colour is not known: what the run learnt from was written by "
            "an older release"
        )
    elif seen.contaminated is None:
        lines.append("whether these samples were trained on is not known: the run does not say what it learnt from")
    elif seen.contaminated and entry.split == "validation" and entry.is_own:
        lines.append(f"the epoch was chosen on samples that its weights had learnt before ({counts})")
    elif seen.contaminated:
        lines.append(f"CONTAMINATED: the run has seen some of these samples before ({counts}); it is not ranked")
    elif seen.copies:
        lines.append(f"copies of these images within the dataset, on both sides of its own protocol: {counts}")
    return lines


def absent_line(entry: EvaluationEntry) -> str:
    """`of_absent` of an evaluation."""
    return of_absent(entry.absent_classes, len(entry.scored_classes), entry.split)


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
    which_lack = f"{len(absent)} of {classes} classes {have} no {what} ({which})"
    return f"{which_lack}: macro-F1 counts {them} as 0, balanced accuracy leaves {them} out"


def only_models(names: Sequence[str]) -> str:
    """What averages make of classes that the dataset does not know."""
    return (
        f"the dataset does not know: {', '.join(names)}; macro averages are over the other classes, and samples "
        "taken for these are errors"
    )


def counted(counts: Mapping[str, int]) -> str:
    """``contempt 12, pain 3``."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
