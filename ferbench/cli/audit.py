"""``ferbench audit``: what is wrong with data, and are published numbers possible together?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ferbench.cli.completion import ComponentType, RunType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import OutputType, PathType, cache_option, results_option
from ferbench.cli.recipe_options import sets_option
from ferbench.errors import UserError


@click.group()
def audit() -> None:
    """Check datasets, and whether published numbers are possible together."""


@audit.command("data")
@click.argument("dataset", type=ComponentType("dataset"))
@click.option("--data", type=click.Path(), multiple=True, metavar="[NAME=]DIR", help="Where the dataset's files are.")
@sets_option("Set an option of the dataset; data.protocol, which says what is train and what is test; or data.exclude.")
@click.option("--near/--no-near", default=True, show_default=True, help="Look for near copies too.")
@click.option(
    "--run",
    type=RunType(),
    multiple=True,
    metavar="RUN",
    help="List samples that this finished run, or the mean of several, disagrees with.",
)
@click.option("--show-pairs", type=OutputType(), help="Write a page (HTML) with near copies side by side.")
@click.option("--write-exclusions", type=OutputType(), help="List samples to leave out; - is standard output.")
@click.option(
    "--exclude",
    default="constant,conflict,leak,copy",
    show_default=True,
    metavar="KINDS",
    help="Which samples are listed: constant, conflict, leak, copy, near-leak, near-conflict, near-copy, mislabelled.",
)
@click.option("--skip-faulty", is_flag=True, help="Leave faulty samples out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@results_option
@cache_option
@plugin_option
def audit_data(
    dataset: str,
    data: Sequence[str],
    sets: Sequence[str],
    near: bool,
    run: Sequence[str],
    show_pairs: Path | None,
    write_exclusions: Path | None,
    exclude: str,
    skip_faulty: bool,
    as_json: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
) -> None:
    """Find copies, leaks, conflicting labels and other faults of DATASET that decoding does not see.

    \b
    ferbench audit data fer2013 --data DIR
    ferbench audit data fer2013 --data DIR --write-exclusions left-out.csv --exclude leak,constant
    ferbench run --dataset fer2013 --data DIR --set data.exclude=left-out.csv
    """
    from ferbench.api.audits import audit_data as audited
    from ferbench.api.audits import check_kinds
    from ferbench.cli.packed import preparer
    from ferbench.experiment.settings import assignments
    from ferbench.plugin.discovery import load_registry

    kinds = check_kinds([kind.strip() for kind in exclude.split(",") if kind.strip()], near=near, run=run)
    if show_pairs is not None and not near:
        raise UserError("--show-pairs shows near copies, which --no-near does not look for", "leave --no-near out")
    done = audited(
        dataset,
        data,
        settings=assignments(sets),
        near=near,
        runs=run,
        skip_faulty=skip_faulty,
        results=results,
        preparer=preparer(load_registry(plugin), results, cache, quiet=as_json),
    )
    if write_exclusions is not None:
        done.write_exclusions(write_exclusions, kinds)
    if show_pairs is not None:
        done.write_pairs(show_pairs)
    if as_json:
        echo_json(done.document())
        return
    click.echo(str(done))
    if write_exclusions is not None:
        count = len(done.exclusions(kinds))
        click.echo(f"\n{count:,} samples to leave out: {write_exclusions} (--set data.exclude={write_exclusions})")
        if spared := done.spared(kinds):
            samples = "1 likely mislabelled sample is" if spared == 1 else f"{spared:,} likely mislabelled samples are"
            click.echo(f"{samples} not listed: what a model gets wrong stays in the test set that it is judged on")


@audit.command("table")
@click.argument("file", type=PathType(exists=True, dir_okay=False))
@click.option(
    "--unit",
    type=click.Choice(["auto", "percent", "fraction"]),
    default="auto",
    show_default=True,
    help="What scores are printed in.",
)
@click.option("--decimals", type=click.IntRange(0, 12), help="Decimals of every score, where trailing zeros were lost.")
@click.option(
    "--rounding",
    type=click.Choice(["any", "nearest", "truncate"]),
    default="any",
    show_default=True,
    help="How scores were printed; 'any': all of them to the nearest, or all of them cut off.",
)
@click.option(
    "--macro-f1",
    type=click.Choice(["any", "mean", "harmonic"]),
    default="any",
    show_default=True,
    help="Macro F1 is the mean of the classes' F1, or the F1 of macro precision and macro recall.",
)
@click.option(
    "--zero-division",
    type=click.Choice(["any", "0", "1", "left-out"]),
    default="any",
    show_default=True,
    help="What a score with a denominator of 0 is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit_table(
    file: Path,
    unit: Any,
    decimals: int | None,
    rounding: Any,
    macro_f1: Any,
    zero_division: str,
    as_json: bool,
) -> None:
    """Are the scores in FILE possible together?

    FILE is what was published, as it was copied: what scikit-learn's classification_report prints, CSV, JSON, or a
    Markdown, HTML or LaTeX table with a row for each class; rows such as macro avg and accuracy; text around it. Leave
    empty what is not published. Each table in it is audited. Exit code 1: no confusion matrix gives the numbers of one.

    \b
    ferbench audit table paper.csv
    ferbench audit table paper.csv --json | jq .verdict
    """
    from ferbench.api.audits import audit_tables

    found = audit_tables(
        file,
        unit=unit,
        decimals=decimals,
        rounding=None if rounding == "any" else rounding,
        macro_f1=None if macro_f1 == "any" else macro_f1,
        zero_division=None if zero_division == "any" else zero_division.replace("-", " "),  # type: ignore[arg-type]
    )
    verdicts = {one.verdict for one in found}
    worst = next(verdict for verdict in ("inconsistent", "underdetermined", "consistent") if verdict in verdicts)
    if as_json and len(found) == 1:
        echo_json(found[0].document())
    elif as_json:
        echo_json({"verdict": worst, "tables": [{"name": one.name, **one.document()} for one in found]})
    else:
        click.echo("\n\n".join(map(str, found)))
    click.get_current_context().exit(1 if worst == "inconsistent" else 0)
