"""``ferbench runs``: look after the records of runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.confirm import confirm_removal
from ferbench.cli.json_output import chosen_format, echo_json
from ferbench.cli.leaderboard import ConditionType
from ferbench.cli.places import results_option
from ferbench.cli.send import send
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.runs.directory import RunDirectory
    from ferbench.runs.listing import Listed
    from ferbench.tables.table import Table

_STATUSES = ("running", "done", "failed", "diverged", "interrupted", "pruned", "abandoned", "damaged")
_FORMATS = ("terminal", "csv", "json", "md")


@click.group()
def runs() -> None:
    """List, show, remove, trim, check and send the records of runs."""


runs.add_command(send)


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
    from ferbench.tables.formats import to_csv, to_json_value, to_markdown

    form = chosen_format(form, as_json)
    known = [with_state(results, summary) for summary in summaries(results)]
    chosen = [
        summary for summary in filters.select(known, filters.parse(where)) if not statuses or summary.status in statuses
    ]
    if not known:
        missing = "" if results.is_dir() else ", since there is no such directory"
        click.echo(f"no runs in {results} yet{missing}; make one with 'ferbench run', or give --results", err=True)
    several = sorted((listed(results, run) for run in chosen), key=lambda run: (run.started or "", run.summary.run))
    table = _table(several)
    if form == "json":
        echo_json(to_json_value(table)["rows"])
    elif form in ("csv", "md"):
        click.echo(to_csv(table) if form == "csv" else to_markdown(table), nl=False)
    elif several:
        from ferbench.cli.tables import terminal_width
        from ferbench.tables.table import size
        from ferbench.tables.terminal import to_terminal

        spare = ["planned", "note", "dataset", "seed", "model", "validation_macro_f1", "seconds", "started"]
        click.echo("\n".join(to_terminal(table, terminal_width(), spare=spare)))
        click.echo(f"\n{_counted(len(several))}, {size(sum(run.bytes for run in several))}")
    elif known:
        click.echo("no run has that status", err=True)


def _table(several: Sequence[Listed]) -> Table:
    from ferbench.tables.table import Column, Table

    on_test, on_validation = "Macro-F1 on the run's own test set.", "Macro-F1 of the kept weights on validation."
    columns: tuple[tuple[Column, Callable[[Listed], Any]], ...] = (
        (Column("run", "run", "id"), lambda run: run.summary.run),
        (Column("name", "name"), lambda run: run.summary.name),
        (Column("status", "status"), lambda run: run.summary.status),
        (Column("started", "started (UTC)"), lambda run: run.started and run.started[:19].replace("T", " ")),
        (
            Column("seconds", "trained", "seconds", about="Time of training, over all sessions."),
            lambda run: run.seconds,
        ),
        (Column("epochs", "epochs", "count"), lambda run: run.epochs),
        (Column("planned", "of", "count"), lambda run: run.summary.settings.get("training.epochs")),
        (Column("bytes", "size", "bytes"), lambda run: run.bytes),
        (Column("test_macro_f1", "test F1", "score", about=on_test), lambda run: run.macro_f1("test")),
        (Column("validation_macro_f1", "val F1", "score", about=on_validation), lambda run: run.macro_f1("validation")),
        (Column("dataset", "dataset"), lambda run: run.summary.data.dataset),
        (Column("model", "model"), lambda run: run.summary.settings.get("model")),
        (Column("seed", "seed", "number"), lambda run: run.summary.seed),
        (Column("note", "note"), _note),
    )
    rows = tuple(tuple(value(run) for _, value in columns) for run in several)
    return Table("runs", f"Runs, {len(rows):,} of them.", tuple(column for column, _ in columns), rows)


def _note(run: Listed) -> str | None:
    """Who is at work on a run, why it has no result, or that it was not trained here."""
    from ferbench.runs.summary import MEASURED

    if run.holder is not None:
        return str(run.holder)
    return run.summary.remark or (run.summary.kind if run.summary.kind != MEASURED else None)


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
    from ferbench.runs.lock import at_work, refusal
    from ferbench.runs.removal import dependents, find_to_remove, remove
    from ferbench.runs.studies import needed_by_studies
    from ferbench.tables.table import size
    from ferbench.wording import one_line

    chosen = {run.path.name: run for run in (find_to_remove(results, name) for name in names)}
    titles = {name: one_line(in_words(run)) for name, run in chosen.items()}
    for name, run in chosen.items():
        holder = at_work(run)
        if holder is not None:
            raise refusal(f"run {titles[name]}", holder)
    children = dependents(results, chosen)
    for name, studies in needed_by_studies(results, chosen).items():
        children.setdefault(name, []).extend(f"study {study}" for study in studies)
    if children and not (force or dry_run):
        needs = "; ".join(f"{titles[name]} is needed by {', '.join(others)}" for name, others in children.items())
        raise UserError(f"these are needed: {needs}", "remove the runs that need them too, or say --force")
    sizes = {name: size_of(run.path) for name, run in chosen.items()}
    for name in chosen:
        notes = [f"needed by {', '.join(children[name])}"] if name in children else []
        click.echo(one_line(", ".join([titles[name], size(sizes[name]), *notes])))
    total = f"{_counted(len(chosen))}, {size(sum(sizes.values()))}"
    if dry_run:
        click.echo(f"would be removed: {total}")
        return
    confirm_removal(total, yes=yes)
    for name, run in chosen.items():
        remove(results, run)
        click.echo(f"removed: {titles[name]}")
    click.echo(f"removed: {total}")


@runs.command("trim")
@click.argument("names", nargs=-1, type=RunType(), metavar="[RUN...]")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be freed.")
@results_option
def trim_runs(names: tuple[str, ...], yes: bool, dry_run: bool, results: Path) -> None:
    """Free the room of checkpoints that only resuming needs; without RUN those of all finished runs.

    The best weights, predictions and records stay: reports, 'ferbench evaluate' and 'ferbench predict' need nothing
    else. What goes are the points that 'ferbench run --from RUN@POINT' can start from, apart from RUN@best. Runs that
    are not done keep theirs, and so do those with another training.keep than last2+best unless they are named.
    """
    from ferbench.runs.find import in_words
    from ferbench.runs.trimming import trim, trimmed
    from ferbench.tables.table import size
    from ferbench.wording import one_line

    found = [trimmed(results, run, asked=bool(names)) for run in _asked(results, names)]
    several = [one for one in found if one is not None]
    for one in several:
        fate = f"stays: {one.kept}" if one.kept else f"{len(one.files)} files of checkpoints"
        click.echo(one_line(f"{in_words(one.directory)}, {size(one.bytes)}, {fate}"))
    freed = [one for one in several if not one.kept]
    total = f"checkpoints of {_counted(len(freed))}, {size(sum(one.bytes for one in freed))}"
    if dry_run or not freed:
        click.echo(f"would be removed: {total}" if dry_run else "there is nothing to remove")
        return
    confirm_removal(total, yes=yes)
    for one in freed:
        trim(one)
    click.echo(f"removed: {total}")


@runs.command("verify")
@click.argument("names", nargs=-1, type=RunType(), metavar="[RUN...]")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Only what is damaged.")
@results_option
@plugin_option
def verify_runs(names: tuple[str, ...], as_json: bool, quiet: bool, results: Path, plugin: tuple[str, ...]) -> None:
    """Check every file of RUN, or of all runs, against digests, ids and predictions.

    Every file must have the SHA-256 that the record has of it, and the record its own; ids must be those of what they
    cover, metrics must follow from the stored predictions, and an ensemble's predictions from its members'. Those of
    plugins are computed again where the plugins are there. Runs of older releases, and those that never ended, are
    'not covered': they have no such digests. What a run was tested on must stand in the ledger of test reads. Without
    RUN all of that ledger and the studies are checked too. Exit code 1 when anything is damaged.
    """
    from dataclasses import asdict
    from functools import cache

    from ferbench.plugin.discovery import load_registry
    from ferbench.runs.lock import at_work
    from ferbench.runs.studies import verify_studies
    from ferbench.runs.verify import Finding, Verdict, Verification, verify_ledger
    from ferbench.wording import one_line

    registry = cache(lambda: load_registry(plugin))
    findings: list[Finding] = []
    verdicts: dict[str, Verdict] = {}
    skipped = []
    for run in _asked(results, names):
        holder = at_work(run)
        if holder is not None:
            skipped.append((run.path.name, holder))
            continue
        verification = Verification.of(run, registry)
        verdicts[run.path.name] = verification.verdict
        findings += verification.findings
    findings += verify_ledger(results, names and verdicts)
    if not names:
        findings += list(verify_studies(results))
    damaged = [finding for finding in findings if finding.damage]
    whole, uncovered = (sum(one == verdict for one in verdicts.values()) for verdict in ("whole", "not covered"))
    if as_json:
        about = {"checked": len(verdicts), "whole": whole, "not_covered": uncovered}
        about |= {"damaged": len({finding.run for finding in damaged})}
        listed = {"skipped": [name for name, _ in skipped], "runs": verdicts}
        echo_json({**about, **listed, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in damaged if quiet else findings:
            word = "damaged" if finding.damage else "note" if finding.covered else "not covered"
            click.echo(one_line(f"{word}: {finding.run}/{finding.file}: {finding.what} → {finding.remedy}"))
        for name, holder in () if quiet else skipped:
            click.echo(one_line(f"not checked: {name}: {holder} is at work on it"))
        if not quiet:
            rest = f", {uncovered:,} not covered" if uncovered else ""
            click.echo(f"{_counted(len(verdicts))} checked, {whole:,} whole{rest}")
    if damaged:
        sys.exit(1)


def _asked(results: Path, names: Sequence[str]) -> list[RunDirectory]:
    """The runs that are named; all of them, also those without a record, where none is."""
    from ferbench.runs.directory import SHORT_ID, RunDirectory
    from ferbench.runs.find import find_run

    if names:
        return list({run.path: run for run in (find_run(results, name) for name in names)}.values())
    try:
        paths = sorted((results / "runs").iterdir())
    except OSError:
        raise UserError(f"there are no runs in {results}", "give the results directory with --results") from None
    shown = (path for path in paths if not path.name.startswith("."))  # others are locks, and what is being removed
    return [RunDirectory(path) for path in shown if SHORT_ID.fullmatch(path.name) or (path / "run.json").is_file()]


def _counted(n: int) -> str:
    return "1 run" if n == 1 else f"{n:,} runs"
