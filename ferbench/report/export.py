"""Reports as files: the page, every table as CSV and LaTeX, every figure as PNG and SVG."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.output import write_output
from ferbench.report.charts import Figure
from ferbench.report.feature_map import map_table
from ferbench.report.page import Report, report_page
from ferbench.report.per_sample import errors
from ferbench.report.theme import template
from ferbench.runs.directory import RunDirectory
from ferbench.storage import replace_file
from ferbench.tables.formats import to_csv, to_latex
from ferbench.tables.table import Table

#: Pixels of a figure without a width of its own; as wide as a column of text is at 96 dpi.
_WIDTH = 720


def report_path(results: Path, runs: Sequence[RunDirectory]) -> Path:
    """Where the report of these runs goes when nobody says where: the same runs, the same file.

    Raises:
        UserError: a symbolic link would lead it out of the results directory.
    """
    folder = results / "reports"
    if folder.is_symlink():
        raise UserError(
            f"{folder} is a symbolic link, and ferbench writes nothing outside the results directory",
            "put what it leads to in its place, or name a place with 'ferbench report --output'",
        )
    names = [run.path.name for run in runs]
    if len(names) == 1:
        return folder / f"{names[0]}.html"
    digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    return folder / f"{len(names)}-runs-{digest}.html"


def write_page(report: Report, path: Path, *, refresh: int | None = None) -> None:
    """Replace the page at ``path``."""
    replace_file(path, report_page(report, refresh=refresh).encode())


def write_tables(report: Report, directory: Path) -> list[Path]:
    """Every table of a report as ``<id>.csv`` and ``<id>.tex``; of errors and maps the CSV has all."""
    written = []
    whole = dict(_whole(report))
    for table in report.tables():
        exact = whole.get(table.id, table)
        for suffix, text in ((".csv", to_csv(exact)), (".tex", to_latex(table))):
            path = directory / f"{table.id}{suffix}"
            write_output(path, text.encode())
            written.append(path)
    return written


def _whole(report: Report) -> Iterator[tuple[str, Table]]:
    """By id, the tables of which a page has the first rows."""
    for part in report.runs:
        given = part.run.predictions(part.run.result)
        if given is None:
            continue
        if part.errors is not None:
            yield part.errors.id, errors(part.run, given, None)
        if part.map_table is not None and part.shown_map is not None:
            yield part.map_table.id, map_table(part.run, part.shown_map, given, None)


def write_figures(figures: Sequence[Figure], directory: Path) -> list[Path]:
    """Every figure as ``<id>.png`` and ``<id>.svg``, drawn by a headless Chromium.

    Raises:
        UserError: there is no Chromium or Chrome, or it cannot be started.
    """
    from choreographer.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError

    _silence()
    try:
        pictures = asyncio.run(_draw(list(_views(figures))))
    except ChromeNotFoundError:
        raise UserError(
            "no figures were written: they are drawn by Chromium or Chrome, and neither is installed",
            "install one (Debian: apt-get install chromium), or say where it is with BROWSER_PATH",
        ) from None
    except (BrowserFailedError, BrowserClosedError, TimeoutError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"no figures were written: the browser did not start: {first}",
            "try 'chromium --headless --screenshot about:blank', or name another browser with BROWSER_PATH",
        ) from error
    written = []
    for name, content in pictures:
        write_output(directory / name, content)
        written.append(directory / name)
    return written


def _views(figures: Sequence[Figure]) -> Iterator[tuple[str, Figure, dict[str, Any]]]:
    """Every figure in every state that it can be switched to, by file name without suffix."""
    for figure in figures:
        spec = copy.deepcopy(figure.spec)
        spec["layout"]["template"] = template("light")
        if not figure.views:
            yield figure.id, figure, spec
        for label, view in figure.views.items():
            switched = copy.deepcopy(spec)
            switched["data"][0] |= view
            yield f"{figure.id}-{label.lower().replace('%', 'percent').replace(' ', '-')}", figure, switched


async def _draw(views: list[tuple[str, Figure, dict[str, Any]]]) -> list[tuple[str, bytes]]:
    from kaleido import Kaleido, PageGenerator

    pictures = []
    # MathJax would be fetched from the network.
    async with Kaleido(n=1, page_generator=PageGenerator(mathjax=False)) as browser:
        for name, figure, spec in views:
            size = {"width": max(_WIDTH, figure.least_width), "height": figure.height}
            for suffix in ("png", "svg"):
                opts = {"format": suffix, **size, "scale": 2 if suffix == "png" else 1}
                pictures.append((f"{name}.{suffix}", await browser.calc_fig(spec, opts=opts)))
    return pictures


def _silence() -> None:
    """What the browser says to itself is of no use to a user."""
    for name in ("kaleido", "choreographer"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
