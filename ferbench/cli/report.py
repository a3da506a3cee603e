"""``ferbench report``: a page on any runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.places import OutputType, PathType, PlaceType, cache_option, results_option
from ferbench.cli.slices import slice_options
from ferbench.errors import UserError
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.report.contents import Contents
    from ferbench.report.feature_map import FeatureMap
    from ferbench.report.page import Report
    from ferbench.runs.directory import RunDirectory

#: Seconds between looks at a run that goes on, and after which the browser reads its page again.
_LOOK, _REFRESH = 2.0, 5


@click.command()
@click.argument("runs", nargs=-1, required=True, type=RunType(), metavar="RUN...")
@click.option("--baseline", type=RunType(), metavar="RUN", help="Show the other runs' improvement over this one.")
@click.option("--output", "-o", type=OutputType(), help="The page, - for standard output; default: in RESULTS/reports.")
@click.option("--tables", type=PlaceType(), help="Also write every table as CSV and LaTeX.")
@click.option("--figures", type=PlaceType(), help="Also write every figure as PNG and SVG.")
@click.option(
    "--plan",
    type=PathType(dir_okay=False),
    metavar="FILE",
    help="Mark results as planned or exploratory by a plan of 'ferbench plan'; default: plan.toml in the results "
    "directory, where there is one.",
)
@slice_options("Show scores by the values of")
@click.option(
    "--gallery",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Embed the N worst errors of each run as pictures. They show faces: personal data.",
)
@click.option(
    "--map",
    "map_method",
    type=click.Choice(("tsne", "pca")),
    help="Show the tested samples by the features of the model, in two dimensions; runs the model on them once.",
)
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
@click.option("--watch", is_flag=True, help="Write the page anew whenever a run has got further, until all have ended.")
@plugin_option
@results_option
@cache_option
def report(
    runs: Sequence[str],
    baseline: str | None,
    output: Path | None,
    tables: Path | None,
    figures: Path | None,
    plan: Path | None,
    columns: tuple[str, ...],
    slice_table: Path | None,
    gallery: int,
    map_method: Any,
    open_it: bool,
    watch: bool,
    plugin: tuple[str, ...],
    results: Path,
    cache: Path,
) -> None:
    """Make a report of runs: one self-contained HTML page.

    A RUN is a name, the first digits of an id, or the path of a run directory. Runs that were measured on the same
    samples are compared; others stand apart.

    \b
    ferbench report my-run --open
    ferbench report cnn-s0 cnn-s1 cnn-s2 --baseline cnn-s0 --tables paper/ --figures paper/
    """
    from ferbench.output import is_stream, write_output
    from ferbench.report.contents import read_runs
    from ferbench.report.export import report_path, write_figures, write_tables
    from ferbench.report.page import MOST_DETAILED, Extras, compose, report_page
    from ferbench.report.sections import find_sections
    from ferbench.runs.find import find_run
    from ferbench.storage import replace_file

    if open_it and output is not None and is_stream(output):
        raise UserError(f"--open shows a file, and {output} is none", "leave it out, or name a file")
    chosen = [find_run(results, name) for name in dict.fromkeys(runs)]
    base = None if baseline is None else find_run(results, baseline)
    extras = Extras(columns, slice_table, gallery, cache)
    beside = [base] if base is not None and all(run.path != base.path for run in chosen) else []
    path = output or report_path(results, [*chosen, *beside])
    sections = find_sections(plugin)

    named, without_map = set[str](), set[str]()

    def contents() -> Report:
        read = read_runs(chosen, base, plan)
        for run, error in read.damaged.items():
            if run not in named:
                named.add(run)
                click.echo(one_line(f"warning: run {run} is left out: {error.message}; {error.remedy}"), err=True)
        return compose(read, sections, extras if map_method is None else replace(extras, maps=mapped(read)))

    def mapped(read: Contents) -> dict[str, FeatureMap]:
        from ferbench.api.feature_maps import feature_map
        from ferbench.plugin.discovery import load_registry

        registry = load_registry(plugin, warn=lambda line: None)
        maps: dict[str, FeatureMap] = {}
        without: dict[str, UserError] = {}
        for run in read.runs if len(read.runs) <= MOST_DETAILED else ():
            if run.result is None:
                continue
            try:
                maps[run.id] = feature_map(
                    run.directory,
                    run.result.id,
                    map_method,
                    0,
                    cache,
                    registry,
                    say=lambda line: click.echo(one_line(line), err=True),
                )
            except UserError as error:
                without[run.id] = error
        for run_id, why in without.items():
            if not maps:
                raise why
            if run_id not in without_map:
                without_map.add(run_id)
                click.echo(one_line(f"warning: no map of run {run_id}: {why.message}"), err=True)
        return maps

    def write(*, refresh: int | None) -> None:
        page = report_page(contents(), refresh=refresh).encode()
        # What lies in the results directory may be of anybody's making, such as a link.
        (replace_file if output is None else write_output)(path, page)

    seen = _stamps(chosen)
    going_on = watch and _going_on(chosen)
    write(refresh=_REFRESH if going_on else None)
    click.echo(f"report: {path}")
    if open_it:
        _open(path)
    if watch:
        if going_on:
            click.echo("watching; Ctrl-C ends the watch, not the run", err=True)
        _watch(chosen, write, seen)
    if tables is not None:
        paths = write_tables(contents(), tables)
        click.echo(f"{len(paths)} files in {tables}")
    if figures is not None:
        paths = write_figures(contents().figures(), figures)
        click.echo(f"{len(paths)} files in {figures}")


def _watch(chosen: Sequence[RunDirectory], write: Callable[..., None], seen: list[tuple[int, int]]) -> None:
    """Write the page whenever a record or history has changed since ``seen``; for the last time without refreshing."""
    while _going_on(chosen):
        time.sleep(_LOOK)
        now = _stamps(chosen)
        if now != seen:
            seen = now
            write(refresh=_REFRESH)
    write(refresh=None)
    for run in chosen:
        status = _status(run)
        if status == "running":
            click.echo(f"run {run.path.name} says that it is running, but no process is at work on it", err=True)
        else:
            click.echo(one_line(f"run {run.path.name}: {status}"), err=True)


def _going_on(chosen: Sequence[RunDirectory]) -> bool:
    from ferbench.runs.lock import is_held

    return any(_status(run) == "running" and is_held(run) for run in chosen)


def _status(run: RunDirectory) -> str:
    try:
        return run.load().status
    except UserError:  # which the page names
        return "damaged"


def _stamps(chosen: Sequence[RunDirectory]) -> list[tuple[int, int]]:
    files = [file for run in chosen for file in (run.record_path, run.path / "history.jsonl") if file.exists()]
    return [(file.stat().st_mtime_ns, file.stat().st_size) for file in files]


def _open(path: Path) -> None:
    """Show the page, where there is a browser to show it."""
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        raise UserError("no browser could be opened", f"open {path} yourself")
