"""Options that say what samples are sliced by."""

from __future__ import annotations

from typing import Any

import click

from ferbench.cli.places import PathType


def slice_options(doing: str) -> Any:
    """``--slice`` as ``columns`` and ``--slice-table`` as ``slice_table``; ``doing`` begins the help."""
    columns: Any = click.option(
        "--slice",
        "columns",
        multiple=True,
        metavar="COLUMN",
        help=f"{doing} a column of the samples: subject, clip, source, part, or one of --slice-table. Repeatable.",
    )
    table: Any = click.option(
        "--slice-table",
        type=PathType(dir_okay=False),
        metavar="FILE.csv",
        help="More columns of the samples, by a column 'id'.",
    )
    return lambda command: columns(table(command))
