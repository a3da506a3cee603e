"""``ferbench leaderboard``: finished runs side by side."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.cli.places import results_option

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the groups as JSON.")
@results_option
def leaderboard(results: Path, as_json: bool) -> None:
    """Show finished runs, grouped by the test set they were measured on.

    Runs on unlike test sets are never in one table, nor generated images beside real ones. Rows are sorted by
    macro-F1; a small difference between two of them may be chance.
    """
    from rich.text import Text

    from ferbench.cli.tables import fitting, show, table, terminal_width
    from ferbench.plugin.faults import one_line
    from ferbench.ranking.leaderboard import collect

    groups, unfinished = collect(results)
    if as_json:
        document = {"groups": [asdict(g) for g in groups], "unfinished": [asdict(u) for u in unfinished]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if not groups and not unfinished:
        click.echo(f"no runs in {results} yet; make one with 'ferbench run', or give --results")
        return
    width = terminal_width()
    columns = ["run", "name", "config", "model", "loss", "sampler", "augmentation", "seed", "train", "epoch"]
    numbers = ["parameters", "accuracy", "macro-F1", "balanced accuracy", "worst F1"]
    columns += numbers
    parts: list[RenderableType] = []
    for group in groups:
        varied = group.varied
        rows = [
            [
                row.run,
                row.name or "",
                row.config,
                row.model,
                row.loss,
                row.sampler,
                row.augmentation,
                str(row.seed),
                f"{row.train:,}",
                f"{row.best_epoch}/{row.epochs}",
                f"{row.parameters:,}",
                *(f"{row.metrics[key]:.4f}" for key in ("accuracy", "macro_f1", "balanced_accuracy", "worst_class_f1")),
                *("" if row.settings.get(key) is None else str(row.settings[key]) for key in varied),
            ]
            for row in group.rows
        ]
        measured = f"test set {group.test_digest.removeprefix('v1:')[:12]}" if group.test_digest else "validation"
        title = f"{group.dataset}, {group.protocol}, {measured}, n = {group.rows[0].n:,}, "
        title += f"{len(group.class_names)} classes: {', '.join(group.class_names)}"
        if group.synthetic:
            title = f"SYNTHETIC IMAGES, not comparable with real data: {title}"
        spare = ["augmentation", "parameters", "worst F1", "loss", "sampler", "balanced accuracy", "config", "epoch"]
        spare += [*reversed(varied), "train", "name"]
        right = ["seed", "train", "epoch", *numbers, *varied]
        parts += [Text(one_line(title)), *fitting([*columns, *varied], rows, width, spare=spare, right=right), ""]
    if unfinished:
        rows = [[one.run, one.name or "", one.status, one.reason] for one in unfinished]
        parts += [
            Text("without a result"),
            table(["run", "name", "status", "reason"], rows, whole=["run", "status"]),
        ]
    show(parts[:-1] if parts[-1] == "" else parts, width)
