"""``ferbench timeline``: expressions over the frames of a video or a folder."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.completion import RunType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import PathType, PlaceType, results_option
from ferbench.display import keep_working
from ferbench.errors import UserError
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.data.framing import Framing
    from ferbench.report.timeline_view import TimelineView
    from ferbench.temporal.patterns import Patterns
    from ferbench.temporal.timeline import Frame

#: Rows of a table, and faulty frames, that are printed.
_MOST_ROWS, _FAULTS_SHOWN = 10, 5


class _Odd(click.IntRange):
    """An odd number of frames."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = int(super().convert(value, param, ctx))
        if number % 2 == 0:
            self.fail(
                f"{number} is even: there is no frame in the middle; give {number - 1} or {number + 1}", param, ctx
            )
        return number


@click.command()
@click.argument("run", type=RunType(), metavar="RUN")
@click.argument("frames", nargs=-1, required=True, metavar="VIDEO|DIR|IMAGE...", type=PathType())
@click.option(
    "--output",
    "-o",
    type=PlaceType(),
    help="Also write CSV, JSON, a page and pictures.",
)
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="Frames a second of a folder or of images.")
@click.option("--every", type=click.IntRange(min=1), default=1, metavar="N", help="Look at every Nth frame only.")
@click.option(
    "--smooth",
    type=_Odd(min=1),
    default=1,
    metavar="N",
    help="Mean of N frames around each, an odd number.  [default: 1]",
)
@click.option("--box", metavar="L,T,W,H", help="The part of each frame to look at: left, top, width, height in pixels.")
@click.option("--skip-faulty", is_flag=True, help="Leave out frames that cannot be decoded.")
@click.option("--format", "layout", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@results_option
@plugin_option
def timeline(
    run: str,
    frames: Sequence[Path],
    output: Path | None,
    fps: float | None,
    every: int,
    smooth: int,
    box: str | None,
    skip_faulty: bool,
    layout: str,
    device: str,
    results: Path,
    plugin: Sequence[str],
) -> None:
    """Follow expressions over a video or a folder of frames, with a trained model.

    RUN is a run's name, the first digits of its id, or its directory. A DIR stands for its images by name, numbers in
    names by value; several IMAGEs are taken in the order given. Frames should show one face each, cropped as the
    training images were; ferbench does not look for faces, but --box takes the same part of every frame.

    \b
    ferbench timeline my-run interview.mp4 --box 200,80,320,320
    ferbench timeline my-run frames/ --fps 25 --smooth 5 -o interview/
    """
    from ferbench.experiment.device import check_device
    from ferbench.plugin.discovery import load_registry
    from ferbench.report.timeline_view import TimelineView
    from ferbench.runs.find import find_run
    from ferbench.runs.saved import refuse_without_weights
    from ferbench.temporal.frames import Box, open_frames
    from ferbench.temporal.patterns import find_patterns
    from ferbench.temporal.timeline import BATCH, watch
    from ferbench.temporal.timeline import smooth as smoothed

    if fps is not None and not math.isfinite(fps):
        raise UserError(f"--fps {fps} is no number of frames", "give a number such as --fps 25")
    opened = open_frames(frames, fps=fps, every=every, box=None if box is None else Box.parse(box))
    if opened.warning:
        click.echo(one_line(f"warning: {opened.warning}"), err=True)
    check_device(device, "--device")
    directory = find_run(results, run)
    record = directory.load()
    refuse_without_weights(directory, record)
    registry = load_registry(plugin)
    from ferbench.training.restore import restore
    from ferbench.training.runtime import choose_device, prepare

    chosen_device = choose_device(device, "--device")
    prepare(chosen_device, None, deterministic=True)
    trained = restore(directory, registry, chosen_device)
    for warning in trained.warnings:
        click.echo(one_line(f"warning: {warning}; probabilities may differ"), err=True)
    framing = trained.framing
    shown = _framed(_counted(opened.read(trained.form.channels), opened.total), framing)
    if output is not None:
        keep_working()
    with redirect_stdout(sys.stderr):  # what the model prints is no result
        seen, faulty = watch(shown, trained.gather(BATCH), trained.task.class_names, every=every)
    for warning in framing.warnings if trained.preprocessing is None else ():
        click.echo(one_line(f"warning: {warning}, or name their part of each frame with --box"), err=True)
    _refuse(faulty, len(seen), skip_faulty=skip_faulty)
    view = TimelineView(
        timeline=smoothed(seen, smooth),
        source=opened.label,
        kind=opened.kind,
        run=directory.path.name,
        name=record.name,
        window=smooth,
        faulty=tuple(faulty),
        fps=fps,
        synthetic=record.data.synthetic,
    )
    patterns = find_patterns(view.timeline)
    _show(view, patterns, layout)
    if output is not None:
        _write(view, patterns, output)


def _framed(frames: Iterable[Frame], framing: Framing) -> Iterator[Frame]:
    """The frames, of which each is looked at."""
    for frame in frames:
        if frame.pixels is not None:
            framing.look(frame.name, *frame.pixels.shape[1:])
        yield frame


def _counted(frames: Iterable[Frame], total: int | None) -> Iterator[Frame]:
    """The frames, counted on a terminal."""
    from ferbench.cli.progress import counting

    with counting("frames", total) as progress:
        for seen, frame in enumerate(frames, start=1):
            yield frame
            progress(seen)


def _refuse(faulty: Sequence[Frame], seen: int, *, skip_faulty: bool) -> None:
    for frame in faulty[:_FAULTS_SHOWN]:
        click.echo(one_line(f"{frame.name}: {frame.fault}"), err=True)
    if len(faulty) > _FAULTS_SHOWN:
        click.echo(f"… {len(faulty) - _FAULTS_SHOWN:,} more", err=True)
    count = "1 frame" if len(faulty) == 1 else f"{len(faulty):,} frames"
    if not seen:
        raise UserError(
            f"not one of {count} could be seen" if faulty else "there is not a single frame",
            "mend what is said of them above" if faulty else "give a video, or a folder of images",
        )
    if faulty and not skip_faulty:
        raise UserError(f"{count} could not be seen", "mend them, or leave them out with --skip-faulty")
    if faulty:
        click.echo(f"{count} left out; nothing is said across these gaps", err=True)


def _show(view: TimelineView, patterns: Patterns, layout: str) -> None:
    from ferbench.cli.tables import terminal_width
    from ferbench.report.timeline_tables import class_table, frame_table, transition_table
    from ferbench.report.timeline_view import document, headline
    from ferbench.tables.formats import to_csv
    from ferbench.tables.terminal import to_terminal

    if layout == "json":
        echo_json(document(view, patterns))
        return
    if layout == "csv":
        click.echo(to_csv(frame_table(view)), nl=False)
        return
    if view.synthetic:
        click.echo("the model was trained on generated images: what it says of real faces means nothing", err=True)
    width = terminal_width()
    for line in headline(view, patterns):
        click.echo(one_line(line))
    click.echo()
    spare = ("restlessness", "longest_frames", "peak_seconds", "peak_frame", "peak", "episodes", "mean")
    click.echo("\n".join(to_terminal(class_table(view, patterns), width, spare=spare)))
    changes = transition_table(view, patterns)
    if changes.rows:
        click.echo()
        lines = to_terminal(changes, width, spare=("chance", "share"))
        click.echo("\n".join(lines[: _MOST_ROWS + 1]))
        if len(lines) > _MOST_ROWS + 1:
            click.echo(f"… {len(lines) - _MOST_ROWS - 1} more kinds of transitions")


def _write(view: TimelineView, patterns: Patterns, folder: Path) -> None:
    from ferbench.output import write_output
    from ferbench.report.export import write_figures
    from ferbench.report.timeline_figures import timeline_figures
    from ferbench.report.timeline_page import timeline_page
    from ferbench.report.timeline_tables import tables
    from ferbench.report.timeline_view import document
    from ferbench.storage import json_bytes
    from ferbench.tables.formats import to_csv

    for table in tables(view, patterns):
        write_output(folder / f"{table.id}.csv", to_csv(table).encode())
    write_output(folder / "timeline.json", json_bytes(document(view, patterns)))
    write_output(folder / "timeline.html", timeline_page(view, patterns).encode())
    click.echo(f"timeline: {folder / 'timeline.html'}", err=True)
    sys.stderr.flush()
    write_figures(timeline_figures(view, patterns), folder)
