"""Options that say where things are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def _default_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("ferbench"))


results_option: Any = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    envvar="FERBENCH_RESULTS",
    show_default=True,
    help="Results directory (also FERBENCH_RESULTS).",
)

cache_option: Any = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    default=_default_cache,
    envvar="FERBENCH_CACHE",
    help="Where packed datasets are kept (also FERBENCH_CACHE); default: the user's cache directory.",
)
