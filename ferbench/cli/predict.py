"""``ferbench predict``: class probabilities, and valence and arousal, for a user's own pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from ferbench.api.classify import AFFECT, Classified, classify, image_files, restored
from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import PathType, results_option
from ferbench.wording import number_of, one_line


@click.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE|DIR...", type=PathType())
@click.option("--format", "layout", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@results_option
@plugin_option
def predict(run: str, images: Sequence[Path], layout: str, device: str, results: Path, plugin: Sequence[str]) -> None:
    """Classify images with a trained model.

    RUN is a run's name, the first digits of its id, or its directory. A DIR stands for every image below it. Images
    should show one face each, cropped as the training images were; ferbench does not look for faces. They are prepared
    and looked at as the run's own test images were. In CSV, a name that a spreadsheet would run as a formula has an
    apostrophe in front.
    """
    from ferbench.data.decode import FORMAT_LIST
    from ferbench.runs.find import find_run

    paths = list(image_files(images, _warn))
    trained = restored(find_run(results, run), device, plugin, "--device")
    for warning in trained.warnings:
        click.echo(one_line(f"warning: {warning}; probabilities may differ"), err=True)
    from ferbench.cli.progress import counting

    with counting("images", len(paths)) as progress, redirect_stdout(sys.stderr):  # what the model prints is no result
        classified, faults = classify(trained, [(path, path) for path in paths], _warn, progress)
    _show(classified, trained.task.class_names, layout)
    for path, reason in faults:
        click.echo(one_line(f"error: {path}: {reason}"), err=True)
    if faults:
        click.echo(f"  → {number_of(len(faults), 'image')} could not be classified; give {FORMAT_LIST} files", err=True)
        sys.exit(2)


def _warn(text: str) -> None:
    click.echo(one_line(f"warning: {text}"), err=True)


def distinct(class_names: Iterable[str], own: Sequence[str]) -> list[str]:
    """Names for the columns of classes, none of which another column has: with ``prob_`` in front where it would."""
    names = list(class_names)
    columns: list[str] = []
    for name in names:
        column = name
        while column.casefold() in own or column in columns or (column != name and column in names):
            column = f"prob_{column}"
        columns.append(column)
    return columns


def _show(classified: list[Classified], class_names: tuple[str, ...], layout: str) -> None:
    affect = AFFECT if any(result.affect for result in classified) else ()
    if layout == "json":
        document: list[dict[str, Any]] = [
            {
                "image": str(result.image),
                "predicted": class_names[result.label],
                "probabilities": dict(zip(class_names, result.probabilities, strict=True)),
                **({} if result.affect is None else dict(zip(AFFECT, result.affect, strict=True))),
            }
            for result in classified
        ]
        echo_json(document)
    elif layout == "csv":
        from ferbench.tables.formats import csv_lines, csv_text

        own = ("image", "predicted", *affect)
        rows = [[*own[:2], *distinct(map(csv_text, class_names), own), *affect]]
        for result in classified:
            numbers = (*result.probabilities, *(result.affect or ()))
            predicted = csv_text(class_names[result.label])
            rows.append([csv_text(str(result.image)), predicted, *(f"{number:.6f}" for number in numbers)])
        click.echo(csv_lines(rows), nl=False)
    elif classified:
        from ferbench.cli.tables import fitting, show, terminal_width

        rows = [
            [
                str(result.image),
                class_names[result.label],
                *(f"{100 * p:.1f} %" for p in result.probabilities),
                *(f"{value:+.2f}" for value in result.affect or ()),
            ]
            for result in classified
        ]
        columns = ["image", "predicted", *distinct(class_names, ("image", "predicted", *affect)), *affect]
        width = terminal_width()
        show(fitting(columns, rows, width, right=columns[2:]), width)
