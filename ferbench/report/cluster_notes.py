"""What is said of samples that err together."""

from __future__ import annotations


def clusters_note(by: str, unknown: int, n: int) -> str:
    """What tests and intervals draw.

    Args:
        by: the column that says which samples belong together.
        unknown: samples without a value there.
        n: all samples.
    """
    text = f"Samples of one {by} err together: tests and intervals draw each as a whole."
    return " ".join(filter(None, (text, unknown_note(by, unknown, n))))


def unknown_note(by: str, unknown: int, n: int) -> str:
    """How many samples stand alone since nothing is known of them; empty where all are known."""
    if not unknown:
        return ""
    has, counts = ("has", "counts as one of its own") if unknown == 1 else ("have", "count as one each")
    return f"{unknown:,} of {n:,} samples {has} no {by} and {counts}."
