"""``ferbench leaderboard``: finished runs side by side."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from ferbench.cli.completion import plugin_option
from ferbench.cli.formats import format_options, in_terminal, print_tables
from ferbench.cli.json_output import chosen_format, echo_json
from ferbench.cli.places import PathType, results_option

if TYPE_CHECKING:
    from ferbench.api.ranking import Board
    from ferbench.runs.summary import Summary

_USUAL = (Path("benchmarks", "published"), Path("benchmarks", "claims"))


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
            return [CompletionItem(f"{known}=") for known in filters.keys(runs) if known.startswith(key)]
        before, comma, last = typed.rpartition(",")
        there = [value for value in filters.values(runs, key) if value.startswith(last)]
        return [CompletionItem(f"{key}={before}{comma}{value}") for value in there]


class ColumnType(click.ParamType):
    """A column, or several with commas between them: completes the last one."""

    name = "column"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ferbench.ranking.grouping import group
        from ferbench.report.board import Board

        single = bool(ctx.params.get("single"))
        board = Board(group(_completed(ctx), single=single)[0], single=single)
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{key}") for key in board.columns if key.startswith(last)]


class MetricType(click.ParamType):
    """A metric that runs have."""

    name = "metric"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        known = dict.fromkeys(name for run in _completed(ctx) for scores in run.scores for name in scores.values)
        return [CompletionItem(name) for name in known if name.startswith(incomplete)]


@click.command()
@format_options
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
    type=MetricType(),
    default="macro_f1",
    show_default=True,
    metavar="METRIC",
    help="The metric of ranks and tests, any that the runs have, also of plugins, or f1:CLASS; rows are sorted by it "
    "unless --sort says otherwise.",
)
@click.option(
    "--published",
    type=PathType(file_okay=False),
    multiple=True,
    metavar="DIR",
    help="Show the published results of a directory too, unranked; repeatable; default: benchmarks/published and "
    "benchmarks/claims, where those are.",
)
@click.option(
    "--without",
    type=PathType(dir_okay=False),
    metavar="FILE",
    help="Show accuracy, macro-F1 and balanced accuracy without the samples of a list too, such as leaked ones that "
    "'ferbench audit data --write-exclusions' found.",
)
@click.option("--per-class", is_flag=True, help="Add precision, recall and F1 of every class.")
@click.option(
    "--shrink",
    is_flag=True,
    help="The interval of the best row is that of its true value given that it is the best, in the metric of ranks.",
)
@click.option(
    "--plan",
    type=PathType(dir_okay=False),
    metavar="FILE",
    help="Hold the rows against a plan of 'ferbench plan': those that it names are ranked, the others are exploratory; "
    "default: plan.toml in the results directory, where there is one.",
)
@click.option("--runs", "single", is_flag=True, help="Show single runs, not configurations over their seeds and folds.")
@results_option
@plugin_option
def leaderboard(
    results: Path,
    form: str,
    as_json: bool,
    where: tuple[str, ...],
    sort: str | None,
    reverse: bool,
    columns: str | None,
    rank_by: str,
    published: tuple[Path, ...],
    without: Path | None,
    per_class: bool,
    single: bool,
    shrink: bool,
    plan: Path | None,
    plugin: tuple[str, ...],
) -> None:
    """Show finished runs, grouped by the test set they were measured on.

    A row is a configuration: metrics are means over its seeds with a 95 % interval, the lowest and highest in brackets.
    All folds of a configuration are one row too, over all samples of its folds and without an interval. Runs on unlike
    test sets are never in one table, nor generated images beside real ones. A rank is 1 + the rows that are
    significantly better; rows that cannot be told apart share it.

    \b
    ferbench leaderboard --where model=basic-cnn,linear --where dataset=fer2013
    ferbench leaderboard --rank-by log_loss
    ferbench leaderboard --sort f1:happy --columns model,seeds,f1:happy,optimizer.lr
    ferbench leaderboard --runs --per-class --format csv > runs.csv
    """
    from ferbench.api.ranking import leaderboard as ranked

    form = chosen_format(form, as_json)
    board = ranked(
        results,
        where=where,
        rank_by=rank_by,
        sort=sort,
        reverse=reverse,
        columns=columns,
        per_class=per_class,
        single=single,
        shrink=shrink,
        plan=plan,
        without=without,
        published=published or [path for path in _USUAL if path.is_dir()],
        plugins=plugin,
    )
    gc.freeze()  # all of it is needed to the end: no use in looking through it for garbage
    if board.plan_note:
        click.echo(board.plan_note, err=True)
    for path in board.unread if published else ():
        click.echo(f"{path} is not shown: it is no summary, and no table of classes or models", err=True)
    if not board.known:
        # Beside the table, so that an empty one in a file is no riddle.
        missing = "" if results.is_dir() else ", since there is no such directory"
        click.echo(f"no runs in {results} yet{missing}; make one with 'ferbench run', or give --results", err=True)
        if form == "terminal":
            return
    if form == "json":
        echo_json(board.document())
    elif form == "csv":
        _print_csv(board)
    elif form == "terminal":
        _print_lines(board, sort, rank_by)
    else:
        print_tables(form, "Leaderboard", [*board.tables(), *board.other_tables()])


def _print_lines(board: Board, sort: str | None, ranked_by: str) -> None:
    from ferbench.cli.tables import terminal_width
    from ferbench.ranking.rankable import RANKED_BY
    from ferbench.report.leaderboard_columns import COSTS, SHARED
    from ferbench.tables.terminal import BRACKETS, to_terminal
    from ferbench.wording import one_line

    width = terminal_width()
    tables, parts = board.tables(), []
    for table in tables:
        keys = [column.key for column in table.columns]
        metrics = [column.key for column in table.columns if column.kind == "score"]
        without = [f"{key}_without" for key in RANKED_BY]
        minor = [key for key in reversed(metrics) if key not in (*RANKED_BY, *without)]
        # What tells rows apart goes last.
        spare = ["runs", *reversed(COSTS), *minor, BRACKETS, "balanced_accuracy", "config"]
        last = ("sampler", "loss")
        spare += [key for key in reversed(keys) if "." in key]
        spare += [key for key in reversed(SHARED) if key not in last]
        # Of name and model the one goes that tells fewer rows apart.
        named = {key: len({row[keys.index(key)] for row in table.rows}) for key in ("name", "model") if key in keys}
        second = [min(named, key=lambda key: named[key])] if len(named) > 1 else []
        spare += [*reversed(without), "p", "gap", *second, "accuracy", "macro_f1", *last]
        spare = [key for key in spare if key not in (sort, ranked_by, f"{ranked_by}_without")]
        own = [note for note in table.notes if any(note not in other.notes for other in tables)]
        head = [one_line(table.caption), *map(one_line, table.above)]
        parts.append("\n".join([*head, *to_terminal(table, width, spare=spare), *map(one_line, own)]))
    parts += in_terminal(board.other_tables(), ("run", "split"))
    # What all tables say stands there once.
    notes = [note for note in tables[0].notes if all(note in other.notes for other in tables)] if tables else []
    parts += ["\n".join(map(one_line, notes))] if notes else []
    click.echo("\n\n".join(parts))


def _print_csv(board: Board) -> None:
    from ferbench.ids import short
    from ferbench.report.leaderboard_notes import hidden_note, without_note
    from ferbench.tables.formats import to_csv
    from ferbench.wording import number_of

    click.echo(to_csv(board.joint_table()), nl=False)
    unranked = len(board.contaminated) + len(board.published)
    for count, thing, why in (
        (len(board.unfinished), "run", "without a result"),
        (unranked, "result", "reported or contaminated"),
    ):
        if count:
            click.echo(f"{number_of(count, thing)} {why} left out; see them with --format json", err=True)
    for group in board.groups:
        for note in filter(None, (hidden_note(group), without_note(group))):
            click.echo(f"{group.dataset}, {group.protocol}, test set {short(group.rows_digest)}: {note}", err=True)
