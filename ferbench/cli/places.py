"""Options that say where things are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ferbench.api.places import cache_directory
from ferbench.storage import refuse_long


class PlaceType(click.Path):
    """A directory that may be made: what no directory can be called is refused before anything else is done."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        refuse_long(Path(value))
        return super().convert(value, param, ctx)


results_option: Any = click.option(
    "--results",
    type=PlaceType(),
    default=Path("results"),
    envvar="FERBENCH_RESULTS",
    show_default=True,
    help="Results directory (also FERBENCH_RESULTS).",
)

cache_option: Any = click.option(
    "--cache",
    type=PlaceType(),
    default=lambda: cache_directory(None),
    envvar="FERBENCH_CACHE",
    help="Where packed datasets are kept (also FERBENCH_CACHE); default: the user's cache directory.",
)
