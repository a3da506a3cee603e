"""Datasets, and where they and their packs are, as Python users say it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferbench.data.pack import Pack
    from ferbench.experiment.prepare import Preparer
    from ferbench.experiment.resolve import ResolvedRecipe
    from ferbench.experiment.start import Start
    from ferbench.plugin.specs import DatasetSpec

#: Where datasets lie: a directory, directories by dataset, or texts such as ``NAME=DIR``.
Places = str | PathLike[str] | Mapping[str, str | PathLike[str]] | Sequence[str] | None


def cache_directory(given: str | PathLike[str] | None) -> Path:
    """Where packed datasets are kept: as given, as ``FERBENCH_CACHE`` says, or in the user's cache directory."""
    if given is not None:
        return Path(given)
    if named := os.environ.get("FERBENCH_CACHE"):
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("ferbench"))


def data_places(data: Places) -> list[str]:
    """Where datasets lie, as ``--data`` has it."""
    if data is None:
        return []
    if isinstance(data, (str, PathLike)):
        text = os.fspath(data)
        return [str(Path(text).absolute()) if "=" in text else text]  # a directory, whatever it is called
    if isinstance(data, Mapping):
        return [f"{name}={os.fspath(place)}" for name, place in data.items()]
    return list(data)


def quiet_preparer(cache: str | PathLike[str] | None, plugins: Sequence[str], results: Path | None = None) -> Preparer:
    """Prepares recipes without showing how datasets are packed; warns of excluded ids that no sample has.

    Args:
        cache: where packed datasets are kept; None: the user's cache.
        plugins: local plugins, as ``--plugin``.
        results: where a run is looked for whose weights a recipe starts from; None: nothing does.
    """
    from ferbench.experiment.prepare import Preparer, pack_in
    from ferbench.plugin.discovery import load_registry

    registry, packs = load_registry(plugins), pack_in(cache_directory(cache))

    def pack(resolved: ResolvedRecipe) -> Pack:
        made = packs(resolved)
        warn_of_missing(resolved.recipe.data.exclude, made)
        return made

    if results is None:
        return Preparer(registry, pack, warn=warnings.warn)
    return Preparer(registry, pack, start_finder(results), warnings.warn)


def start_finder(results: Path) -> Callable[[str], Start]:
    """Finds the weights that ``RUN@POINT`` names; torch is imported when there is such a run."""

    def found(given: str) -> Start:
        from ferbench.experiment.start import split_point
        from ferbench.runs.find import find_run
        from ferbench.runs.saved import refuse_untrained

        directory = find_run(results, split_point(given)[0])
        refuse_untrained(directory, directory.load())
        from ferbench.training.starting import find_start

        return find_start(results, given)

    return found


def warn_of_missing(exclude: str | None, pack: Pack) -> None:
    """Warn of ids of a list of exclusions that no sample has; where none is found, it is refused elsewhere."""
    from ferbench.data.exclusions import matched

    found = None if exclude is None else matched(exclude, pack.ids)
    if found is not None and found.found and found.missing:
        warnings.warn(found.line(pack.dataset), stacklevel=3)


def chosen_dataset(
    preparer: Preparer, name: str, data: Places, settings: Mapping[str, Any] | None, *, skip_faulty: bool = False
) -> tuple[ResolvedRecipe, DatasetSpec]:
    """A recipe that says nothing but which dataset, and what its plugin says of it.

    Args:
        preparer: resolves it.
        name: of the dataset; several joined with ``+``.
        data: where its files are.
        settings: its options, and fields of ``data``, by dotted key.
        skip_faulty: leave faulty samples out.

    Raises:
        UserError: there is no such dataset or setting.
    """
    from ferbench.experiment.request import Flags
    from ferbench.plugin.specs import DatasetSpec

    (tables,) = Flags({"dataset": [name]}, data_places(data), values=settings, skip_faulty=skip_faulty).over({})
    resolved = preparer.resolve(tables)
    spec = resolved.components["dataset"].component.spec
    assert isinstance(spec, DatasetSpec)
    return resolved, spec
