"""``ferbench predict``: class probabilities, and valence and arousal, for a user's own pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from ferbench.api.classify import AFFECT, Classified, classify, image_files
from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import results_option
from ferbench.wording import one_line


@click.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE|DIR...", type=click.Path(path_type=Path))
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

    paths = list(image_files(images, lambda text: click.echo(one_line(f"warning: {text}"), err=True)))
    directory = find_run(results, run)
    from ferbench.plugin.discovery import load_registry
    from ferbench.training.restore import restore
    from ferbench.training.runtime import choose_device, prepare

    chosen_device = choose_device(device, "--device")
    prepare(chosen_device, None, deterministic=True)
    trained = restore(directory, load_registry(plugin), chosen_device)
    for warning in filter(None, (trained.changed, trained.doubt)):
        click.echo(one_line(f"warning: {warning}; probabilities may differ"), err=True)
    classified, faults = classify(trained, [(path, path) for path in paths])
    _show(classified, trained.task.class_names, layout)
    for path, reason in faults:
        click.echo(one_line(f"error: {path}: {reason}"), err=True)
    if faults:
        what = "1 image" if len(faults) == 1 else f"{len(faults)} images"
        click.echo(f"  → {what} could not be classified; give {FORMAT_LIST} files", err=True)
        sys.exit(2)


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
    affect = AFFECT if any(one.affect for one in classified) else ()
    if layout == "json":
        document: list[dict[str, Any]] = [
            {
                "image": str(one.image),
                "predicted": class_names[one.label],
                "probabilities": dict(zip(class_names, one.probabilities, strict=True)),
                **({} if one.affect is None else dict(zip(AFFECT, one.affect, strict=True))),
            }
            for one in classified
        ]
        echo_json(document)
    elif layout == "csv":
        from ferbench.tables.formats import csv_lines, csv_text

        own = ("image", "predicted", *affect)
        rows = [[*own[:2], *distinct(map(csv_text, class_names), own), *affect]]
        for one in classified:
            numbers = (*one.probabilities, *(one.affect or ()))
            predicted = csv_text(class_names[one.label])
            rows.append([csv_text(str(one.image)), predicted, *(f"{number:.6f}" for number in numbers)])
        click.echo(csv_lines(rows), nl=False)
    elif classified:
        from ferbench.cli.tables import fitting, show, terminal_width

        rows = [
            [
                str(one.image),
                class_names[one.label],
                *(f"{100 * p:.1f} %" for p in one.probabilities),
                *(f"{value:+.2f}" for value in one.affect or ()),
            ]
            for one in classified
        ]
        columns = ["image", "predicted", *distinct(class_names, ("image", "predicted", *affect)), *affect]
        width = terminal_width()
        show(fitting(columns, rows, width, right=columns[2:]), width)
