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
    from ferbench.runs.lineage import Relative

_METRICS = ("accuracy", "macro_f1")


@click.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON.")
@results_option
def lineage(run: str, as_json: bool, results: Path) -> None:
    """Show the runs that RUN comes from and those that come from it.

    Each run stands below the one that it continues, with the checkpoint it started from, the settings that changed, and
    its scores. An ensemble stands below each of its members.

    \b
    ferbench lineage my-run
    """
    from ferbench.runs.directory import find_run
    from ferbench.runs.lineage import family

    found = family(results, find_run(results, run))
    if as_json:
        echo_json([_entry(one) for one in found.values()])
        return
    shown: set[str] = set()
    for one in found.values():
        if not any(parent["run"] in found for parent in one.parents):
            click.echo("\n".join(_lines(found, one.run, None, "", "", shown)))


def _entry(one: Relative) -> dict[str, Any]:
    return {
        "run": one.run,
        "name": one.name,
        "relation": one.relation,
        "status": one.status,
        "parents": one.parents,
        "children": one.children,
        "scores": one.scores(*_METRICS),
    }


def _lines(
    found: Mapping[str, Relative], run: str, parent: str | None, first: str, rest: str, shown: set[str]
) -> Sequence[str]:
    """A run and what comes from it, as lines of a tree."""
    from ferbench.plugin.faults import one_line

    one = found[run]
    about = [one_line(f"{one.name} ({run})" if one.name else run)]
    about += ["← this run"] if one.relation == "self" else []
    if run in shown:
        return [f"{first}{'  '.join(about)}  (see above)"]
    shown.add(run)
    lines = [first + "  ".join([*about, *([] if one.status == "done" else [one.status]), *_scores(one)])]
    bar = "│ " if one.children else "  "
    for entry in one.parents:
        if entry["run"] == parent or (parent is None and entry["run"] not in found):
            lines.append(rest + bar + one_line(_since(entry)))
    for place, child in enumerate(one.children):
        last = place == len(one.children) - 1
        lines += _lines(found, child, run, rest + ("└ " if last else "├ "), rest + ("  " if last else "│ "), shown)
    return lines


def _since(entry: Mapping[str, Any]) -> str:
    from ferbench.runs.lineage import changed_words, point_words

    if "weight" in entry:
        return f"made of it, × {entry['weight']:.3g}"
    return f"from {point_words(entry)}: {changed_words(entry['changed']) or 'nothing changed'}"


def _scores(one: Relative) -> list[str]:
    told = []
    for split, values in one.scores(*_METRICS).items():
        spoilt = " (CONTAMINATED)" if values.get("contaminated") and split == "test" else ""
        known = {"accuracy": values["accuracy"], "macro-F1": values["macro_f1"]}
        told.append(f"{split}: " + ", ".join(f"{key} {value:.4f}" for key, value in known.items() if value) + spoilt)
    return told
