"""``ferbench compare``: two runs or configurations on the same samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferbench.api.given import MOST_DRAWS
from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.formats import format_options, in_terminal, print_tables
from ferbench.cli.json_output import chosen_format, echo_json
from ferbench.cli.places import OutputType, results_option
from ferbench.cli.slices import slice_options

if TYPE_CHECKING:
    from ferbench.api.comparing import Comparison

_PROBABILITIES = ("second_right", "first_right", "second_probability", "first_probability")
#: Columns that a narrow terminal goes without, first to go first.
_SPARE = ("improvement", *_PROBABILITIES, "p", "second", "first")


@click.command()
@click.argument("first", type=RunType(), metavar="A")
@click.argument("second", type=RunType(), metavar="B")
@format_options
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
    type=OutputType(),
    metavar="FILE",
    help="Write all samples that one gets right and the other wrong; - is standard output.",
)
@click.option(
    "--draws", type=click.IntRange(100, MOST_DRAWS), default=10_000, show_default=True, help="Draws of the bootstrap."
)
@results_option
@plugin_option
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
    plugin: tuple[str, ...],
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
    from ferbench.api.comparing import compare as compared
    from ferbench.statistics import ENOUGH_SEEDS

    form = chosen_format(form, as_json)
    comparison = compared(
        first,
        second,
        seeds=seeds,
        slices=columns,
        slice_table=slice_table,
        draws=draws,
        results=results,
        plugins=plugin,
    )
    if csv_file is not None:
        from ferbench.output import write_output
        from ferbench.tables.formats import to_csv

        write_output(csv_file, to_csv(comparison.samples_table()).encode())
    if form == "json":
        echo_json(comparison.document(samples))
    else:
        _print(form, comparison, samples)
    if csv_file is not None:
        click.echo(f"samples: {csv_file}", err=True)
    if not seeds and not comparison.compared.over_seeds and min(comparison.seeds) >= ENOUGH_SEEDS:
        there = f"the configurations have {comparison.seeds[0]} and {comparison.seeds[1]} seeds"
        click.echo(f"{there}; compare over them, not single runs, with --seeds", err=True)


def _print(form: str, comparison: Comparison, samples: int) -> None:
    tables = comparison.tables(samples)
    if form == "csv":
        from ferbench.tables.formats import to_csv

        click.echo(to_csv(tables[0]), nl=False)
        click.echo(comparison.sentence, err=True)
    elif form == "terminal":
        from ferbench.wording import one_line

        click.echo("\n\n".join([one_line(comparison.sentence), *in_terminal(tables, _SPARE)]))
    else:
        print_tables(form, "Comparison", tables, lead=comparison.sentence)
