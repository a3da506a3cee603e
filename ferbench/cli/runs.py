"""``ferbench runs``: look after the records of runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.cli.completion import RunType
from ferbench.cli.json_output import chosen_format, echo_json
from ferbench.cli.leaderboard import ConditionType
from ferbench.cli.places import results_option
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.runs.directory import RunDirectory
    from ferbench.runs.listing import Listed
    from ferbench.tables.table import Table

_STATUSES = ("running", "done", "failed", "diverged", "interrupted", "pruned", "abandoned", "damaged")
_FORMATS = ("terminal", "csv", "json", "md")


@click.group()
def runs() -> None:
    """List, show, remove and check the records of runs."""


@runs.command("list")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="terminal", show_default=True, help="Print as.")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "--where",
    multiple=True,
    type=ConditionType(),
    metavar="KEY=VALUE",
    help="Only runs that meet it, as in 'ferbench leaderboard'. Repeatable.",
)
@click.option(
    "--status",
    "statuses",
    type=click.Choice(_STATUSES),
    multiple=True,
    help="Only runs with that status; 'abandoned' says it is running, and no process is at work on it. Repeatable.",
)
@results_option
def list_runs(form: str, as_json: bool, where: tuple[str, ...], statuses: tuple[str, ...], results: Path) -> None:
    """List every run, finished or not, oldest first.

    \b
    ferbench runs list --status interrupted --status abandoned
    ferbench runs list --where model=cnn4 --format csv > runs.csv
    """
    from ferbench.ranking import filters
    from ferbench.runs.index import summaries
    from ferbench.runs.listing import listed, with_state

    form = chosen_format(form, as_json)
    known = [with_state(results, one) for one in summaries(results)]
    chosen = [one for one in filters.select(known, filters.parse(where)) if not statuses or one.status in statuses]
    if not known:
        missing = "" if results.is_dir() else ", since there is no such directory"
        click.echo(f"no runs in {results} yet{missing}; make one with 'ferbench run', or give --results", err=True)
    found = sorted((listed(results, one) for one in chosen), key=lambda one: (one.started or "", one.summary.run))
    table = _table(found)
    if form == "json":
        from ferbench.tables.formats import to_json_value

        echo_json(to_json_value(table)["rows"])
    elif form == "csv":
        from ferbench.tables.formats import to_csv

        click.echo(to_csv(table), nl=False)
    elif form == "md":
        from ferbench.tables.formats import to_markdown

        click.echo(to_markdown(table), nl=False)
    elif found:
        from ferbench.cli.tables import terminal_width
        from ferbench.tables.table import size
        from ferbench.tables.terminal import to_terminal

        spare = ["planned", "note", "dataset", "seed", "model", "validation_macro_f1", "seconds", "started"]
        click.echo("\n".join(to_terminal(table, terminal_width(), spare=spare)))
        click.echo(f"\n{_counted(len(found))}, {size(sum(one.bytes for one in found))}")
    elif known:
        click.echo("no run has that status", err=True)


def _table(found: Sequence[Listed]) -> Table:
    from ferbench.tables.table import Column, Table

    columns = (
        Column("run", "run", "id"),
        Column("name", "name"),
        Column("status", "status"),
        Column("started", "started (UTC)"),
        Column("seconds", "trained", "seconds", about="Time of training, over all sessions."),
        Column("epochs", "epochs", "count"),
        Column("planned", "of", "count"),
        Column("bytes", "size", "bytes"),
        Column("test_macro_f1", "test F1", "score", about="Macro-F1 on the run's own test set."),
        Column("validation_macro_f1", "val F1", "score", about="Macro-F1 of the kept weights on validation."),
        Column("dataset", "dataset"),
        Column("model", "model"),
        Column("seed", "seed", "number"),
        Column("note", "note"),
    )
    rows = tuple(
        (
            one.summary.run,
            one.summary.name,
            one.summary.status,
            None if one.started is None else one.started[:19].replace("T", " "),
            one.seconds,
            one.epochs,
            one.planned,
            one.bytes,
            one.test,
            one.validation,
            one.summary.data.get("dataset"),
            one.summary.settings.get("model"),
            one.summary.seed,
            _note(one),
        )
        for one in found
    )
    return Table("runs", f"Runs, {len(rows):,} of them.", columns, rows)


def _note(one: Listed) -> str | None:
    """Who is at work on a run, why it has no result, or that other software made it."""
    if one.holder is not None:
        return str(one.holder)
    return one.summary.reason or (one.summary.kind if one.summary.elsewhere else None)


@runs.command("show")
@click.argument("run", type=RunType(), metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@results_option
def show_run(run: str, as_json: bool, results: Path) -> None:
    """Show all that is known of RUN: what it is, where it ran, what it left, and what can be done with it.

    RUN is a name, the first digits of an id (at least four), or the path of a run directory.
    """
    from ferbench.cli import run_page
    from ferbench.runs.find import find_run

    page = run_page.describe(results, find_run(results, run))
    if as_json:
        echo_json(run_page.plain(page))
    else:
        run_page.show(page)


@runs.command("rm")
@click.argument("names", nargs=-1, required=True, type=RunType(), metavar="RUN...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also runs that other runs were made from, or that a study tested.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@results_option
def remove_runs(names: tuple[str, ...], yes: bool, force: bool, dry_run: bool, results: Path) -> None:
    """Remove runs for good: records, weights, predictions.

    RUN is a name, an id in full, or the path of a run directory. Each goes as a whole or not at all. A run that a
    process is at work on stays, and without --force one that an ensemble or a later run was made from, or that a study
    tested. The run of any other trial may go: the study has its values.
    """
    from ferbench.runs.find import in_words
    from ferbench.runs.listing import size_of
    from ferbench.runs.lock import at_work
    from ferbench.runs.removal import dependents, find_to_remove, remove
    from ferbench.runs.studies import needed_by_studies
    from ferbench.tables.table import size
    from ferbench.wording import one_line

    found = {run.path.name: run for run in (find_to_remove(results, name) for name in names)}
    titles = {name: one_line(in_words(run)) for name, run in found.items()}
    for name, run in found.items():
        holder = at_work(run)
        if holder is not None:
            raise UserError(
                f"another process is at work on run {titles[name]}: {holder}", "wait for it, or stop it, and try again"
            )
    children = dependents(results, found)
    for name, studies in needed_by_studies(results, found).items():
        children.setdefault(name, []).extend(f"study {one}" for one in studies)
    if children and not (force or dry_run):
        said = "; ".join(f"{titles[name]} is needed by {', '.join(others)}" for name, others in children.items())
        raise UserError(f"these are needed: {said}", "remove the runs that need them too, or say --force")
    sizes = {name: size_of(run.path) for name, run in found.items()}
    for name in found:
        notes = [f"needed by {', '.join(children[name])}"] if name in children else []
        click.echo(one_line(", ".join([titles[name], size(sizes[name]), *notes])))
    total = f"{_counted(len(found))}, {size(sum(sizes.values()))}"
    if dry_run:
        click.echo(f"would be removed: {total}")
        return
    try:
        sure = yes or click.confirm(f"Remove {total}, for good?", default=False)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
        click.echo(err=True)  # ends the line of the question
        raise UserError("nothing was removed, since nobody is there to answer", "say --yes") from None
    if not sure:
        click.echo("nothing was removed", err=True)
        sys.exit(1)
    for name, run in found.items():
        remove(results, run)
        click.echo(f"removed: {titles[name]}")
    click.echo(f"removed: {total}")


@runs.command("verify")
@click.argument("names", nargs=-1, type=RunType(), metavar="[RUN...]")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Only what is damaged.")
@results_option
def verify_runs(names: tuple[str, ...], as_json: bool, quiet: bool, results: Path) -> None:
    """Check every file of RUN, or of all runs, against digests, ids and predictions.

    Weights and checkpoints must have their SHA-256, records must parse and agree, metrics must follow from the stored
    predictions, and an ensemble's predictions from its members'. Without RUN the studies are checked too. Exit code 1
    when anything is damaged.
    """
    from dataclasses import asdict

    from ferbench.runs.lock import at_work
    from ferbench.runs.studies import verify_studies
    from ferbench.runs.verify import verify
    from ferbench.wording import one_line

    findings, skipped, checked = [], [], 0
    for run in _asked(results, names):
        holder = at_work(run)
        if holder is not None:
            skipped.append((run.path.name, holder))
            continue
        checked += 1
        findings += list(verify(run))
    if not names:
        findings += list(verify_studies(results))
    damaged = [one for one in findings if one.damage]
    if as_json:
        about = {"checked": checked, "skipped": [name for name, _ in skipped], "damaged": len({o.run for o in damaged})}
        echo_json({**about, "findings": [asdict(one) for one in findings]})
    else:
        for one in damaged if quiet else findings:
            word = "damaged" if one.damage else "note"
            click.echo(one_line(f"{word}: {one.run}/{one.file}: {one.what} → {one.remedy}"))
        for name, holder in () if quiet else skipped:
            click.echo(one_line(f"not checked: {name}: {holder} is at work on it"))
        if not quiet:
            whole = checked - len({one.run for one in damaged if not one.run.startswith("studies/")})
            click.echo(f"{_counted(checked)} checked, {whole:,} whole")
    if damaged:
        sys.exit(1)


def _asked(results: Path, names: Sequence[str]) -> list[RunDirectory]:
    """The runs that are named; all of them, also those without a record, where none is."""
    from ferbench.runs.directory import SHORT_ID, RunDirectory
    from ferbench.runs.find import find_run

    if names:
        return list({run.path: run for run in (find_run(results, name) for name in names)}.values())
    try:
        found = sorted((results / "runs").iterdir())
    except OSError:
        raise UserError(f"there are no runs in {results}", "give the results directory with --results") from None
    return [RunDirectory(path) for path in found if SHORT_ID.fullmatch(path.name) or (path / "run.json").is_file()]


def _counted(n: int) -> str:
    return "1 run" if n == 1 else f"{n:,} runs"
