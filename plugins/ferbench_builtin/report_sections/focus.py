"""What adaptive sampling did to each class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ferbench import Column, Table

_COLUMNS = (
    Column("class", "class"),
    Column("focus_epochs", "epochs in focus", "count", about="Epochs that drew more of the class."),
    Column("largest_weight", "largest weight", "number", about="Of a sample of the class; 1 is its natural frequency."),
    Column("first_f1", "F1, first epoch", "score", about="On validation."),
    Column("last_f1", "F1, last epoch", "score", about="On validation."),
    Column("change", "change", "change", about="From the first epoch to the last."),
)


def focus(record: dict[str, Any], history: list[dict[str, Any]]) -> Iterator[Table]:
    """For runs of ``adaptive`` and ``adaptive-smooth``: how often they turned to each class, and what came of it.

    Args:
        record: ``run.json``.
        history: the lines of ``history.jsonl``.
    """
    if record["components"]["sampler"]["name"] not in ("adaptive", "adaptive-smooth"):
        return
    told = [epoch["sampler"]["weights"] for epoch in history if "weights" in epoch.get("sampler", {})]
    if not told:
        return
    first, last = history[0]["validation"]["f1"], history[-1]["validation"]["f1"]
    rows = []
    for name in record["data"]["class_names"]:
        weights = [one[name] for one in told]
        change = None if None in (first[name], last[name]) else last[name] - first[name]
        rows.append((name, sum(weight > 1 for weight in weights), max(weights), first[name], last[name], change))
    yield Table(
        id="classes",
        caption=f"Which classes {len(told)} epochs of adaptive sampling turned to, and their F1 on validation.",
        columns=_COLUMNS,
        rows=tuple(rows),
    )
