"""What is said of a ``--name`` that may later be taken for something else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from ferbench.runs.names import digits_of
from ferbench.wording import one_line


def warn_of_digits(name: str, kind: str = "run") -> None:
    """Warn of a name that also reads as the beginning of an id."""
    if digits_of(name):
        what = (
            f"the name '{name}' also reads as the beginning of an id; where it is both, commands ask for the whole id"
        )
        click.echo(f"warning: {what}\n  → give the {kind} a name that has other letters or signs too", err=True)


def warn_of_names(results: Path, asked: Iterable[tuple[str, str, str]]) -> None:
    """Warn of names that read as ids, and of those that a run of another configuration has already.

    Seeds of one configuration may share a name: `ferbench.ranking.sides.find_side`.

    Args:
        results: the results directory.
        asked: (name, name of the run's directory, configuration id) of each run that gets a name.
    """
    from ferbench.runs.directory import RunDirectory, run_path
    from ferbench.runs.find import in_words
    from ferbench.runs.index import summaries

    wanted = {name: (run, config) for name, run, config in asked}
    known = summaries(results) if wanted else []
    for name, (run, config) in wanted.items():
        warn_of_digits(name)
        taken = [
            summary.run for summary in known if summary.name == name and summary.run != run and summary.config != config
        ]
        if taken:
            others = "; ".join(in_words(RunDirectory(run_path(results, run))) for run in taken[:3])
            more = f"; and {len(taken) - 3} more" if len(taken) > 3 else ""
            what = one_line(f"the name '{name}' is taken: {others}{more}")
            click.echo(f"warning: {what}\n  → choose another --name, or tell them apart by id", err=True)
