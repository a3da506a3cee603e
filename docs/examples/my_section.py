"""A section that says how long each epoch of a run took."""

from collections.abc import Iterator
from typing import Any

import ferbench


@ferbench.hookimpl
def ferbench_report_sections() -> list[ferbench.ReportSectionSpec]:
    return [ferbench.ReportSectionSpec("my-section", build="my_section:tables", title="How long the epochs took")]


def tables(record: dict[str, Any], history: list[dict[str, Any]]) -> Iterator[ferbench.Table]:
    """One table, of a run that trained at all."""
    if history:
        columns = (ferbench.Column("epoch", "epoch", "count"), ferbench.Column("seconds", "seconds", "seconds"))
        rows = tuple((epoch["epoch"], epoch["seconds"]) for epoch in history)
        yield ferbench.Table("epoch-seconds", "Training and validation of each epoch.", columns, rows)
