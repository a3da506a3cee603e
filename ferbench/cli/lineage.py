"""``ferbench lineage``: what a run continues, and what continues it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.completion import RunType
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import results_option

if TYPE_CHECKING:
    from ferbench.records.lineage import Parent
    from ferbench.runs.lineage import Relative

_METRICS = ("accuracy", "macro_f1")


@click.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON.")
@results_option
def lineage(run: str, as_json: bool, results: Path) -> None:
    """Show the runs that RUN comes from and those that come from it.

    Each run stands below the one that it continues, with the checkpoint it started from, the settings that changed, and
    its scores. A run that was taught by another one stands below that too, an ensemble below each of its members.

    \b
    ferbench lineage my-run
    """
    from ferbench.runs.find import find_run
    from ferbench.runs.lineage import family

    relatives = family(results, find_run(results, run))
    if as_json:
        echo_json([_entry(relative) for relative in relatives.values()])
        return
    shown: set[str] = set()
    for relative in relatives.values():
        if not any(source.run in relatives for source in relative.sources):
            click.echo("\n".join(_lines(relatives, relative.run, None, "", "", shown)))


def _entry(relative: Relative) -> dict[str, Any]:
    return {
        "run": relative.run,
        "name": relative.name,
        "relation": relative.relation,
        "status": relative.status,
        "parents": [parent.plain() for parent in relative.parents],
        "teacher": None if relative.teacher is None else relative.teacher.plain(),
        "children": relative.children,
        "scores": relative.scores(*_METRICS),
    }


def _lines(
    relatives: Mapping[str, Relative], run: str, parent: str | None, first: str, rest: str, shown: set[str]
) -> Sequence[str]:
    """A run and what comes from it, as lines of a tree."""
    from ferbench.runs.lineage import taught_words
    from ferbench.wording import one_line

    relative = relatives[run]
    about = [one_line(f"{relative.name} ({run})" if relative.name else run)]
    about += ["← this run"] if relative.relation == "self" else []
    if run in shown:
        return [f"{first}{'  '.join(about)}  (see above)"]
    shown.add(run)
    lines = [first + "  ".join([*about, *([] if relative.status == "done" else [relative.status]), *_scores(relative)])]
    bar = "│ " if relative.children else "  "
    for entry in relative.sources:
        if entry.run == parent or (parent is None and entry.run not in relatives):
            lines.append(rest + bar + one_line(taught_words(entry) if entry is relative.teacher else _since(entry)))
    for place, child in enumerate(relative.children):
        last = place == len(relative.children) - 1
        lines += _lines(relatives, child, run, rest + ("└ " if last else "├ "), rest + ("  " if last else "│ "), shown)
    return lines


def _since(parent: Parent) -> str:
    from ferbench.runs.lineage import since_words

    return since_words(parent) if parent.weight is None else f"made of it, × {parent.weight:.3g}"


def _scores(relative: Relative) -> list[str]:
    lines = []
    for split, values in relative.scores(*_METRICS).items():
        spoilt = " (CONTAMINATED)" if values.get("contaminated") and split == "test" else ""
        known = {"accuracy": values["accuracy"], "macro-F1": values["macro_f1"]}
        lines.append(f"{split}: " + ", ".join(f"{key} {value:.4f}" for key, value in known.items() if value) + spoilt)
    return lines
