"""What a reader of an evaluation must know, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def remarks(entry: Mapping[str, Any]) -> list[str]:
    """What a reader of an evaluation must know: what was left out, how averages were taken, what had been seen."""
    lines = []
    if left_out := entry.get("left_out"):
        total = sum(left_out.values())
        lines.append(f"left out: {total:,} samples of classes that the model does not know: {counted(left_out)}")
    if only := (entry.get("data") or {}).get("only_model"):
        lines.append(
            f"the dataset does not know: {', '.join(only)}; macro averages are over the other classes, and samples "
            "taken for these are errors"
        )
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


def counted(counts: Mapping[str, int]) -> str:
    """``contempt 12, pain 3``."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
