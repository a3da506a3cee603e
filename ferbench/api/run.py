"""``ferbench.run``: train and evaluate combinations of plugins from Python."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from ferbench.api.components import Chosen, component_names, plain, several, takes_components
from ferbench.api.conduct import Outcome, Progress, refuse_shared, run_all
from ferbench.api.given import checked
from ferbench.api.places import Places, cache_directory, data_places, quiet_preparer
from ferbench.api.results import Results

if TYPE_CHECKING:
    from ferbench.experiment.prepare import Combination
    from ferbench.training.observer import Observer

#: Where something lies.
Place = str | os.PathLike[str]


@takes_components
@checked
def run(
    *,
    recipe: Place | None = None,
    data: Places = None,
    seed: int | Sequence[int] | None = None,
    folds: int | None = None,
    test_folds: int | Literal["person"] | None = None,
    settings: Mapping[str, Any] | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
    start: str | None = None,
    name: str | None = None,
    variants: Sequence[str] = (),
    trackers: Sequence[str] = (),
    devices: int | None = None,
    workers: int | None = None,
    skip_faulty: bool = False,
    results: Place = "results",
    cache: Place | None = None,
    plugins: Sequence[Place] = (),
    progress: bool | Progress | None = None,
    **components: Chosen | Sequence[Chosen],
) -> Results:
    """Train combinations of plugins and test each once, as ``ferbench run`` does.

    Runs that are done already are reused. Where several values are given, every combination is run; one that cannot be
    run is warned of, unless it is the only one.

    Args:
        recipe: a TOML file; everything else is laid over it.
        data: where the dataset's files are; with several datasets, by name.
        seed: of training; several are repeats of a configuration.
        folds: validate every fold of so many, and test none.
        test_folds: test every fold of so many, of all that the protocol names; "person": every person is a fold. Folds
            are cut by person where people are known. When a seed has all of them, they are one more run, the last.
        settings: fields and options by dotted key: ``{"training.epochs": 10, "optimizer.lr": 0.01}``.
        grid: several values by dotted key: ``{"optimizer.lr": [0.01, 0.001]}``.
        start: start from the weights of a run, ``RUN`` or ``RUN@POINT``, with its settings where nothing else is said.
        name: of the run; several have what varies behind it: ``cmp-cnn4-s0``.
        variants: names of those of the recipe's variants that are run; empty: all.
        trackers: names of trackers that observe the runs, as ``NAME`` or ``NAME,OPTION=VALUE``.
        devices: share each run among so many GPUs, or processes on the CPU; None: as the recipe has it. Of the
            processes that torchrun has started only the first goes on from here.
        workers: train so many runs at once, each in a process of its own with its share of the CPU threads and, in
            turn, a GPU; default: 1, in this process.
        skip_faulty: leave faulty samples out, and record how many.
        results: the results directory.
        cache: where packed datasets are kept; None: the user's cache directory.
        plugins: local plugins: ``.py`` files or importable modules.
        progress: show epochs as they end; None: in a notebook. Or an observer of your own.
        components: ``dataset``, ``model``, ``loss``, ``sampler``, ``augmentation``, ``optimizer``, ``schedule``: the
            name of a plugin component, a class or function that builds one, or several of them.

    Returns:
        The runs, in the order of the combinations.

    Raises:
        UserError: something that is asked for is wrong, or nothing can be run.
    """
    from ferbench.api.progress import in_notebook
    from ferbench.experiment.fold_axis import axis
    from ferbench.experiment.prepare import plan_all
    from ferbench.experiment.request import asked_combinations
    from ferbench.training.torchrun import asked_devices

    devices = asked_devices(devices)
    kept, packs = Path(results), cache_directory(cache)
    local = [os.fspath(plugin) for plugin in plugins]
    names = component_names("ferbench.run", components, kept, local)
    preparer = quiet_preparer(packs, local, kept)
    fields: dict[str, Sequence[Any]] = {
        "training.seed": [] if seed is None else several(seed),
        "runtime.devices": [] if devices is None else [devices],
        "data.fold": [] if folds is None else axis(folds),
        "data.test_fold": [] if test_folds is None else axis(test_folds),
        **{key: several(plain(values)) for key, values in (grid or {}).items()},
    }
    combinations = asked_combinations(
        preparer,
        names,
        recipe=None if recipe is None else Path(recipe),
        trackers=trackers,
        data=data_places(data),
        start=start,
        name=name,
        variants=variants,
        values={key: plain(value) for key, value in (settings or {}).items()},
        fields=fields,
        skip_faulty=skip_faulty,
    )
    refuse_shared(combinations, workers or 1)
    plan_all(combinations, preparer, kept)
    if not isinstance(progress, Progress):
        progress = _Shown(len(combinations), shown=in_notebook() if progress is None else progress)
    outcomes = run_all(combinations, kept, packs, local, progress, workers or 1)
    there = [outcome for outcome in outcomes if outcome.directory is not None and outcome.directory.exists()]
    reused = {outcome.directory.path.name: outcome.reused for outcome in there if outcome.directory}
    pooled = {outcome.pooled.path.name: outcome.reused for outcome in there if outcome.pooled is not None}
    return Results.of(kept, reused | pooled)


class _Shown(Progress):
    """Warns of what cannot be run; shows the epochs of runs in a notebook's own way where that is asked for."""

    def __init__(self, count: int, *, shown: bool) -> None:
        self._count, self._shown = count, shown

    def begins(self, number: int, combination: Combination) -> AbstractContextManager[Observer]:
        if not self._shown:
            return super().begins(number, combination)
        from ferbench.api.progress import NotebookProgress

        assert combination.plan is not None
        position = f"{number}/{self._count} " if self._count > 1 else ""
        training = combination.plan.resolved.recipe.training
        return NotebookProgress(position + combination.label, training.epochs, training.select)

    def ended(self, outcome: Outcome) -> None:
        if outcome.status != "done":
            ending = "was skipped" if outcome.status == "skipped" else outcome.status
            self.warn(f"{outcome.combination.label} {ending}: {outcome.reason}")

    def warn(self, line: str) -> None:
        warnings.warn(line.removeprefix("warning: "), stacklevel=_callers_level())


def _callers_level() -> int:
    """The ``stacklevel`` at which a warning of the function that calls this names the line that called ferbench."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith("ferbench."):
        frame, level = frame.f_back, level + 1
    return level
