"""``ferbench export``: what a run predicts, for other software."""

from __future__ import annotations

from pathlib import Path

import click

from ferbench.cli.completion import RunType
from ferbench.cli.places import OutputType, results_option


@click.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.option(
    "--predictions",
    type=OutputType(),
    required=True,
    metavar="FILE",
    help="Write one row a sample to this file: .csv or .parquet; - is standard output, as CSV.",
)
@click.option(
    "--split",
    metavar="SPLIT",
    help="validation or test, or the id of an evaluation.  [default: what the run is judged on]",
)
@results_option
def export(run: str, predictions: Path, split: str | None, results: Path) -> None:
    """Write what RUN predicts for each sample, as CSV or Parquet.

    Columns: id, true, predicted, probability:CLASS for each class, valence and arousal where they are predicted, and
    what else is known of the samples, such as subject. In CSV, text that a spreadsheet would run as a formula has an
    apostrophe in front. 'ferbench import' reads such a file.

    \b
    ferbench export my-run --predictions test.csv
    ferbench export my-run --predictions validation.parquet --split validation
    """
    from ferbench.api.export import check_format, write_frame
    from ferbench.api.results import load_run

    check_format(predictions)
    frame = load_run(run, results).predictions(split)
    write_frame(frame, predictions)
    click.echo(f"{len(frame):,} samples: {predictions}")
