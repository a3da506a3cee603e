"""``ferbench compare``: two runs or configurations on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.completion import RunType
from ferbench.cli.json_output import chosen_format, echo_json
from ferbench.cli.places import results_option
from ferbench.cli.slices import slice_options

if TYPE_CHECKING:
    from ferbench.ranking.compare import Comparison
    from ferbench.tables.table import Table

FORMATS = ("terminal", "md", "csv", "json", "html", "latex")
_PROBABILITIES = ("second_right", "first_right", "second_probability", "first_probability")
#: Columns that a narrow terminal goes without, first to go first.
_SPARE = ("improvement", *_PROBABILITIES, "p", "second", "first")


@click.command()
@click.argument("first", type=RunType(), metavar="A")
@click.argument("second", type=RunType(), metavar="B")
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True, help="Print as.")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--seeds", is_flag=True, help="Compare the runs' configurations, over all their seeds.")
@slice_options("Also compare within each value of")
@click.option(
    "--samples",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Show so many samples that one gets right and the other wrong, for each.",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write all samples that one gets right and the other wrong.",
)
@click.option(
    "--draws", type=click.IntRange(min=100), default=10_000, show_default=True, help="Draws of the bootstrap."
)
@results_option
def compare(
    first: str,
    second: str,
    form: str,
    as_json: bool,
    seeds: bool,
    columns: tuple[str, ...],
    slice_table: Path | None,
    samples: int,
    csv_file: Path | None,
    draws: int,
    results: Path,
) -> None:
    """Say whether A is better than B, paired sample by sample.

    A and B are runs (a name, the first digits of an id, a path) or configurations (the first digits of a configuration
    id, or a name that its seeds share). Differences are A − B; the improvement is relative to B, the baseline.

    \b
    ferbench compare my-run baseline
    ferbench compare my-run baseline --seeds
    ferbench compare 944d947ae60e ba41531e2502 --csv unlike.csv
    ferbench compare my-run baseline --slice subject --json
    """
    from ferbench.ranking.compare import compare as made
    from ferbench.ranking.sides import find_side, on_one_test_set, over_seeds, refuse_selections
    from ferbench.ranking.slice_columns import sliced_by
    from ferbench.report.paired_tables import tables
    from ferbench.runs.index import summaries
    from ferbench.statistics import ENOUGH_SEEDS

    form = chosen_format(form, as_json)
    runs = summaries(results)
    named = find_side(results, first, runs), find_side(results, second, runs)
    whole = over_seeds(*named, runs)
    if seeds:
        refuse_selections(*whole)
    sides = on_one_test_set(*(whole if seeds else named))
    comparison = made(results, *sides, draws=draws, runs=runs)
    sliced = sliced_by(comparison.samples.ids, comparison.samples.columns, columns, slice_table)
    if csv_file is not None:
        _write_samples(comparison, csv_file)
    shown = tables(comparison, sliced, samples)
    if form == "json":
        echo_json(_document(comparison, shown))
    else:
        _print(form, comparison, shown)
    if csv_file is not None:
        click.echo(f"samples: {csv_file}", err=True)
    more = [len(side.runs) for side in whole]
    if not seeds and not comparison.over_seeds and min(more) >= ENOUGH_SEEDS:
        seeds_there = f"the configurations have {more[0]} and {more[1]} seeds"
        click.echo(f"{seeds_there}; compare over them, not single runs, with --seeds", err=True)


def _write_samples(comparison: Comparison, path: Path) -> None:
    from ferbench.report.paired_tables import unlike_samples
    from ferbench.storage import replace_file
    from ferbench.tables.formats import to_csv

    replace_file(path, to_csv(unlike_samples(comparison, None)).encode())


def _print(form: str, comparison: Comparison, shown: Sequence[Table]) -> None:
    if form == "html":
        from ferbench.report.page import tables_page

        click.echo(tables_page("Comparison", shown, lead=comparison.conclusion), nl=False)
        return
    if form == "terminal":
        from ferbench.cli.tables import terminal_width
        from ferbench.tables.terminal import to_terminal
        from ferbench.wording import one_line

        width = terminal_width()
        parts = [[one_line(comparison.conclusion)]]
        for table in shown:
            lines = to_terminal(table, width, spare=_SPARE)
            parts.append([one_line(table.caption), *lines, *map(one_line, table.notes)])
        click.echo("\n\n".join("\n".join(lines) for lines in parts))
        return
    from ferbench.tables.formats import paragraph, to_csv, to_latex, to_markdown

    if form == "csv":
        click.echo(to_csv(shown[0]), nl=False)
        click.echo(comparison.conclusion, err=True)
        return
    written = [to_markdown(one) if form == "md" else to_latex(one) for one in shown]
    click.echo("\n".join([paragraph(comparison.conclusion, form), *written]), nl=False)


def _document(comparison: Comparison, shown: Sequence[Table]) -> dict[str, Any]:
    from ferbench.tables.formats import to_json_value

    samples, discordance = comparison.samples, comparison.discordance
    sides = [
        {
            "label": side.label,
            "config": side.runs[0].config,
            "without_result": dict(side.ended),
            "runs": [{"run": run.run, "name": run.name, "seed": run.seed} for run in side.runs],
        }
        for side in comparison.sides
    ]
    mcnemar = None
    if discordance is not None:
        counts = {key: getattr(discordance, key) for key in ("both", "only_first", "only_second", "neither")}
        tested = not comparison.changes[0].lacks
        mcnemar = {
            **counts,
            "exact_p": discordance.exact if tested else None,
            "mid_p": discordance.mid_p if tested else None,
        }
    values = {table.id: to_json_value(table)["rows"] for table in shown}
    return {
        "first": sides[0],
        "second": sides[1],
        "n": len(samples.ids),
        "class_names": list(samples.class_names),
        "rows_digest": comparison.sides[0].scores[0].rows,
        "clustered_by": samples.clustered_by,
        "unclustered": 0 if samples.clusters is None else samples.clusters.unknown,
        "configurations": comparison.family or None,
        "over_seeds": comparison.over_seeds,
        "estimand": comparison.estimand,
        "mcnemar": mcnemar,
        "metrics": values.pop("compare"),
        "samples": values.pop("compare-samples", []),
        "slices": {key.removeprefix("compare-by-"): rows for key, rows in values.items()},
        "conclusion": comparison.conclusion,
    }
