"""What a run's scores look like on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from ferbench.cli.tables import table

_COLUMNS = ("class", "precision", "recall", "F1", "support")


def per_class_table(
    per_class: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, float]
) -> Table:
    """Precision, recall, F1 and support by class, then macro and weighted averages and accuracy.

    Args:
        per_class: scores by class name, as ``metrics.json`` has them.
        metrics: scalar metrics by name.
    """
    total = f"{sum(int(scores['support']) for scores in per_class.values()):,}"
    rows = [
        (name, *(f"{scores[key]:.4f}" for key in ("precision", "recall", "f1")), f"{scores['support']:,}")
        for name, scores in per_class.items()
    ]
    macro = [f"{metrics[key]:.4f}" for key in ("macro_precision", "macro_recall", "macro_f1")]
    # The mean of recall weighted by support is the accuracy.
    weighted = [f"{metrics[key]:.4f}" for key in ("weighted_precision", "accuracy", "weighted_f1")]
    made = table(_COLUMNS, rows, whole=_COLUMNS, right=_COLUMNS[1:])
    if made.row_count:
        made.rows[-1].end_section = True
    made.add_row("macro average", *macro, total)
    made.add_row("weighted average", *weighted, total)
    made.add_row("accuracy", "", "", f"{metrics['accuracy']:.4f}", total)
    return made
