"""``ferbench leaderboard``: finished runs side by side."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ferbench.cli.json_output import chosen_format, echo_json
from ferbench.cli.places import results_option

if TYPE_CHECKING:
    from ferbench.ranking.leaderboard import Row, Unfinished
    from ferbench.ranking.published import Published
    from ferbench.report.board import Board
    from ferbench.runs.summary import Summary
    from ferbench.tables.table import Table

FORMATS = ("terminal", "md", "csv", "json", "html", "latex")


def _completed(ctx: click.Context) -> list[Summary]:
    """The runs whose keys and columns complete a line."""
    from ferbench.runs.index import summaries

    return summaries(Path(ctx.params.get("results") or "results"))


class ConditionType(click.ParamType):
    """``KEY=VALUE``: completes keys, and behind the sign the values that runs have."""

    name = "condition"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ferbench.ranking import filters

        runs = _completed(ctx)
        key, equals, typed = incomplete.partition("=")
        if not equals:
            return [CompletionItem(f"{one}=") for one in filters.keys(runs) if one.startswith(key)]
        before, comma, last = typed.rpartition(",")
        found = [one for one in filters.values(runs, key) if one.startswith(last)]
        return [CompletionItem(f"{key}={before}{comma}{one}") for one in found]


class ColumnType(click.ParamType):
    """A column, or several with commas between them: completes the last one."""

    name = "column"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ferbench.ranking.grouping import group
        from ferbench.report.board import Board

        single = bool(ctx.params.get("single"))
        board = Board(group(_completed(ctx), single=single)[0], single=single)
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{one}") for one in board.columns if one.startswith(last)]


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True, help="Print as.")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "--where",
    multiple=True,
    type=ConditionType(),
    metavar="KEY=VALUE",
    help="Only runs with that dataset, protocol, model, loss, sampler, augmentation, optimizer, schedule, seed, name, "
    "run, config, status or setting (optimizer.lr=0.001). Values with commas between them are alternatives; * and ? "
    "stand for any text. Repeatable.",
)
@click.option(
    "--sort", type=ColumnType(), metavar="COLUMN", help="Sort by a column, best first.  [default: the one that ranks]"
)
@click.option("--reverse", is_flag=True, help="Sort the other way round.")
@click.option("--columns", type=ColumnType(), metavar="A,B,C", help="Show these columns; 'all' for all there are.")
@click.option(
    "--rank-by",
    type=click.Choice(("macro_f1", "accuracy", "balanced_accuracy")),
    default="macro_f1",
    show_default=True,
    help="The metric of ranks and tests; rows are sorted by it unless --sort says otherwise.",
)
@click.option(
    "--published",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Show the published tables of a directory too, unranked; default: benchmarks/published, where that is.",
)
@click.option(
    "--without",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Show accuracy, macro-F1 and balanced accuracy without the samples of a list too, such as leaked ones that "
    "'ferbench audit data --write-exclusions' found.",
)
@click.option("--per-class", is_flag=True, help="Add precision, recall and F1 of every class.")
@click.option("--runs", "single", is_flag=True, help="Show single runs, not configurations over their seeds and folds.")
@results_option
def leaderboard(
    results: Path,
    form: str,
    as_json: bool,
    where: tuple[str, ...],
    sort: str | None,
    reverse: bool,
    columns: str | None,
    rank_by: str,
    published: Path | None,
    without: Path | None,
    per_class: bool,
    single: bool,
) -> None:
    """Show finished runs, grouped by the test set they were measured on.

    A row is a configuration: metrics are means over its seeds with a 95 % interval, the lowest and highest in brackets.
    All folds of a configuration are one row too, over all samples of its folds and without an interval. Runs on unlike
    test sets are never in one table, nor generated images beside real ones. A rank is 1 + the rows that are
    significantly better; rows that cannot be told apart share it.

    \b
    ferbench leaderboard --where model=basic-cnn,linear --where dataset=fer2013
    ferbench leaderboard --sort f1:happy --columns model,seeds,f1:happy,optimizer.lr
    ferbench leaderboard --runs --per-class --format csv > runs.csv
    """
    from ferbench.ids import short
    from ferbench.ranking import filters
    from ferbench.ranking.grouping import group
    from ferbench.ranking.hidden import among_all, on_the_same
    from ferbench.ranking.leaderboard import contaminated, diverged, lost
    from ferbench.ranking.standing import with_standings
    from ferbench.report.board import Board
    from ferbench.report.leaderboard_notes import hidden_note, without_note
    from ferbench.report.unranked_tables import unfinished_table, unranked_table
    from ferbench.runs.index import summaries
    from ferbench.tables.formats import to_json_value

    form = chosen_format(form, as_json)
    found = summaries(results)
    gc.freeze()  # all of it is needed to the end: no use in looking through it for garbage
    selected = filters.select(found, filters.parse(where))
    groups, unfinished = group(selected, single=single)
    everything = on_the_same(groups, group(found, single=single)[0]) if where else groups
    everything = with_standings(results, everything, diverged(found), rank_by)
    groups = among_all(groups, everything) if where else everything
    if without is not None:
        from ferbench.ranking.without import with_and_without

        groups = with_and_without(results, groups, without, everything)
    reported = _published(published)
    spoilt = contaminated(selected)
    unfinished = [_looked_at(results, one) for one in unfinished]
    if not found:
        # Beside the table, so that an empty one in a file is no riddle.
        missing = "" if results.is_dir() else ", since there is no such directory"
        click.echo(f"no runs in {results} yet{missing}; make one with 'ferbench run', or give --results", err=True)
        if form == "terminal":
            return
    board = Board(groups, single=single, ended={how: lost(found, how) for how in ("failed", "interrupted")})
    keys = None if columns is None else board.chosen(columns)
    if sort is not None:
        board.find(sort, "--sort")
    rows = [board.rows(one, sort, reverse) for one in groups]
    people = form not in ("csv", "json")
    if form == "csv":
        chosen = keys or _with(sort, board.default(groups, people=False, per_class=per_class))
        _print_csv(board.joint_table(chosen, rows), len(unfinished), len(spoilt) + len(reported))
        for one in groups:
            for note in filter(None, (hidden_note(one), without_note(one))):
                click.echo(f"{one.dataset}, {one.protocol}, test set {short(one.rows_digest)}: {note}", err=True)
        return
    tables = []
    for number, one in enumerate(groups):
        chosen = keys or _with(sort, board.default([one], people=people, per_class=per_class))
        same = sum(earlier.rows_digest == one.rows_digest for earlier in groups[: number + 1])
        tables.append(board.table(one, same, chosen, rows[number]))
    if form == "json":
        unranked = to_json_value(unranked_table(spoilt, reported))["rows"]
        echo_json({**_document(board, tables, rows, unfinished), "unranked": unranked})
        return
    extra = [unranked_table(spoilt, reported)] if spoilt or reported else []
    _print(form, tables, [*extra, *([unfinished_table(unfinished)] if unfinished else [])], sort, rank_by)


def _published(directory: Path | None) -> list[Published]:
    from ferbench.ranking.published import read_published

    usual = Path("benchmarks", "published")
    if directory is None and not usual.is_dir():
        return []
    published, others = read_published(directory or usual)
    for path in others if directory is not None else ():
        click.echo(f"{path} is not shown: it is no summary, and no table of classes or models", err=True)
    return published


def _with(sort: str | None, keys: list[str]) -> list[str]:
    """The columns that are shown unasked, and the one that rows are sorted by."""
    if sort is None or sort in keys:
        return keys
    place = keys.index("runs") if "runs" in keys else len(keys)
    return [*keys[:place], sort, *keys[place:]]


def _looked_at(results: Path, one: Unfinished) -> Unfinished:
    """A run that says it is running, and who is at work on it."""
    if one.status != "running":
        return one
    from dataclasses import replace

    from ferbench.runs.directory import RunDirectory, run_path
    from ferbench.runs.lock import at_work

    holder = at_work(RunDirectory(run_path(results, one.run)))
    return replace(one, reason=f"{holder} is at work on it" if holder else "no process is at work on it any more")


def _print(form: str, tables: Sequence[Table], others: Sequence[Table], sort: str | None, ranked_by: str) -> None:
    if form == "terminal":
        _print_lines(tables, others, sort, ranked_by)
        return
    tables = [*tables, *others]
    if form == "html":
        from ferbench.report.page import tables_page

        click.echo(tables_page("Leaderboard", tables), nl=False)
        return
    from ferbench.tables.formats import to_latex, to_markdown

    click.echo("\n".join(to_markdown(one) if form == "md" else to_latex(one) for one in tables), nl=False)


def _print_lines(tables: Sequence[Table], others: Sequence[Table], sort: str | None, ranked_by: str) -> None:
    from ferbench.cli.tables import terminal_width
    from ferbench.ranking.standing import RANKED_BY
    from ferbench.report.leaderboard_columns import COSTS, SHARED
    from ferbench.tables.terminal import BRACKETS, to_terminal
    from ferbench.wording import one_line

    width = terminal_width()
    parts = []
    for table in tables:
        keys = [column.key for column in table.columns]
        metrics = [column.key for column in table.columns if column.kind == "score"]
        without = [f"{key}_without" for key in RANKED_BY]
        minor = [key for key in reversed(metrics) if key not in (*RANKED_BY, *without)]
        # What tells rows apart goes last.
        spare = ["runs", *reversed(COSTS), *minor, BRACKETS, "balanced_accuracy", "config"]
        spare += [*(key for key in reversed(keys) if "." in key), *reversed(SHARED[2:])]
        spare += [*reversed(without), "accuracy", "macro_f1", "name", *reversed(SHARED[:2])]
        spare = [key for key in spare if key not in (sort, ranked_by, f"{ranked_by}_without")]
        own = [note for note in table.notes if any(note not in other.notes for other in tables)]
        head = [one_line(table.caption), *map(one_line, table.above)]
        parts.append([*head, *to_terminal(table, width, spare=spare), *map(one_line, own)])
    parts += [[table.caption, *to_terminal(table, width, spare=("run", "split"))] for table in others]
    # What all tables say is said once.
    notes = [note for note in tables[0].notes if all(note in other.notes for other in tables)] if tables else []
    parts += [list(map(one_line, notes))] if notes else []
    click.echo("\n\n".join("\n".join(lines) for lines in parts))


def _print_csv(table: Table, unfinished: int, unranked: int) -> None:
    from ferbench.tables.formats import to_csv

    click.echo(to_csv(table), nl=False)
    if unfinished:
        count = "1 run" if unfinished == 1 else f"{unfinished:,} runs"
        click.echo(f"{count} without a result left out; see them with --format json", err=True)
    if unranked:
        count = "1 result" if unranked == 1 else f"{unranked:,} results"
        click.echo(f"{count} reported or contaminated left out; see them with --format json", err=True)


def _document(
    board: Board, tables: Sequence[Table], rows: Sequence[tuple[Row, ...]], unfinished: Sequence[Unfinished]
) -> dict[str, Any]:
    from dataclasses import asdict

    from ferbench.tables.formats import to_json_value

    groups = []
    for group, table, sorted_rows in zip(board.groups, tables, rows, strict=True):
        value = to_json_value(table)
        if not board.single:
            for cells, row in zip(value["rows"], sorted_rows, strict=True):
                cells["runs"] = [_run(run, with_fold=group.partition is not None) for run in row.runs]
        about = {key: item for key, item in vars(group).items() if key not in ("rows", "partition")}
        about["folds"] = None if group.partition is None else asdict(group.partition)
        groups.append({**about, "varied": group.varied, "columns": value["columns"], "rows": value["rows"]})
    return {"groups": groups, "unfinished": [asdict(one) for one in unfinished]}


def _run(run: Summary, *, with_fold: bool) -> dict[str, Any]:
    about = {"run": run.run, "name": run.name, "seed": run.seed}
    return {**about, "fold": run.data["fold"]} if with_fold else about
