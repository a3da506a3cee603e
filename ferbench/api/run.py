"""Train from Python."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from ferbench.api.notebook import FOLDER, plugin_of
from ferbench.api.places import cache_directory, data_places
from ferbench.api.results import Results


def run(
    *,
    dataset: Any = None,
    data: str | PathLike[str] | Mapping[str, str | PathLike[str]] | None = None,
    model: Any = None,
    loss: Any = None,
    sampler: Any = None,
    augmentation: Any = None,
    optimizer: Any = None,
    schedule: Any = None,
    seed: int | Sequence[int] | None = None,
    folds: int | None = None,
    settings: Mapping[str, Any] | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
    recipe: str | PathLike[str] | None = None,
    results: str | PathLike[str] = "results",
    cache: str | PathLike[str] | None = None,
    plugins: Sequence[str] = (),
    name: str | None = None,
    progress: bool | None = None,
) -> Results:
    """Train every combination and test it once; what is there already is reused.

    Args:
        dataset: its name; several joined with ``+``. This and the next ones: a list makes a grid.
        data: where its files are; of several datasets by name.
        model: a name, or a class or function: its source is kept in ``results/plugins`` and in the ids.
        loss: likewise, as are the other components.
        sampler: likewise.
        augmentation: likewise.
        optimizer: likewise.
        schedule: likewise.
        seed: of training; a list trains with each.
        folds: run every fold of so many.
        settings: fields by dotted key: ``{"training.epochs": 10, "optimizer.lr": 0.01}``.
        grid: several values of fields.
        recipe: a TOML file, which the arguments are laid over.
        results: the results directory.
        cache: where packed datasets are kept; None: the user's cache.
        plugins: local plugins, as ``--plugin``.
        name: of the run; a grid numbers its runs.
        progress: show it; None: in a notebook.

    Returns:
        The runs in the order of the grid, also those that failed or diverged.

    Raises:
        UserError: something is asked for that there is not, or no combination makes sense.
    """
    import json

    from ferbench.api.progress import NotebookProgress, in_notebook
    from ferbench.cli import run as command
    from ferbench.cli.combinations import plan_all
    from ferbench.cli.progress import LineProgress
    from ferbench.experiment.recipe import COMPONENT_SECTIONS
    from ferbench.plugin.discovery import load_registry

    place, files = Path(results), list(plugins)
    names: dict[str, list[str]] = {}
    given = dict(
        zip(COMPONENT_SECTIONS, (dataset, model, loss, sampler, augmentation, optimizer, schedule), strict=True)
    )
    for section, value in given.items():
        names[f"{section}_names"] = several = []
        for one in _several(value):
            if not isinstance(one, str):
                one, path = plugin_of(section, one, place / FOLDER)
                files.append(str(path))
            several.append(one)
    combinations = command.asked_combinations(
        load_registry(files),
        place,
        recipe=None if recipe is None else Path(recipe),
        tracker_names=(),
        data=data_places(data),
        seeds=_several(seed),
        folds=folds,
        sets=[f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()],
        axes=[f"{key}={','.join(map(json.dumps, values))}" for key, values in (grid or {}).items()],
        start=None,
        devices=None,
        name=name,
        skip_faulty=False,
        **names,
    )
    plan_all(combinations, place, cache_directory(cache), quiet=True)
    shown = in_notebook() if progress is None else progress

    @contextlib.contextmanager
    def observed(title: str, record: dict[str, Any], *, quiet: bool) -> Iterator[Any]:
        epochs = record["recipe"]["training"]["epochs"]
        with NotebookProgress(title, epochs) if shown else LineProgress(title, epochs, quiet=True) as one:
            yield one

    before, command._progress = command._progress, observed
    try:
        outcomes = command.execute_all(combinations, place, cache_directory(cache), files, quiet=True, tables=False)
    finally:
        command._progress = before
    return Results.of(place, [outcome["run"] for outcome in outcomes if "run" in outcome])


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple, range)) else [value]
