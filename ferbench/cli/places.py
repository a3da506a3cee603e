"""Options that say where things are."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import click

from ferbench.api.places import cache_directory
from ferbench.storage import refuse_long


class PathType(click.Path):
    """A path, which is no empty text: that would be the working directory.

    Args:
        kinds: as `click.Path` has them.
    """

    def __init__(self, **kinds: Any) -> None:
        super().__init__(path_type=Path, **kinds)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail(
                "the name is empty: give that of a file or folder; a full stop is the working directory", param, ctx
            )
        return super().convert(value, param, ctx)


class PlaceType(PathType):
    """A directory, or a file, that may be made: what none can be called is refused before anything else is done."""

    def __init__(self, *, file: bool = False) -> None:
        super().__init__(file_okay=file, dir_okay=not file)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        refuse_long(Path(value))
        return super().convert(value, param, ctx)


class OutputType(PlaceType):
    """A file to be written, see `ferbench.output.write_output`; ``-`` is standard output.

    Where one goes there, all else that the command prints goes to standard error.
    """

    def __init__(self) -> None:
        super().__init__(file=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from ferbench.output import STDOUT, is_stdout

        path = super().convert(STDOUT if value == "-" else value, param, ctx)
        if ctx is not None and not ctx.resilient_parsing and is_stdout(path):
            ctx.with_resource(contextlib.redirect_stdout(sys.stderr))
        return path


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
