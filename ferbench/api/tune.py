"""Searches from Python: `tune`, and what came of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.api.components import Chosen, component_names, plain, several, takes_components
from ferbench.api.given import checked
from ferbench.api.places import Places, cache_directory, data_places, quiet_preparer
from ferbench.api.results import Results
from ferbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from ferbench.tuning.observer import StudyObserver
    from ferbench.tuning.study import StudyDirectory
    from ferbench.tuning.view import StudyView


@dataclass(frozen=True)
class Best:
    """A trial that was best on validation, with the runs over seeds that tested it.

    Attributes:
        trial: its number.
        values: of the objectives, on validation, by name.
        settings: the trial's values by key of the space, such as ``optimizer.lr``.
        recipe: TOML file that runs it again; None while it is not tested.
        runs: one a seed, each tested once; empty while it is not tested.
    """

    trial: int
    values: dict[str, float]
    settings: dict[str, Any]
    recipe: Path | None
    runs: Results


class Study:
    """A search: its trials, the best of them, and figures.

    Args:
        place: where it lies.
        results: the results directory.
        storage: the database that hosts share it through; None: its own.
    """

    def __init__(self, place: StudyDirectory, results: Path, storage: str | None = None) -> None:
        from ferbench.tuning.view import read_view

        self.place = place
        self._results = results
        self.view: StudyView = read_view(place, results, storage)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.view.record.label

    @property
    def id(self) -> str:
        """Twelve digits, which also name its directory."""
        return self.place.id

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial: ``number``, ``state``, ``values_NAME`` of each objective, ``epochs``, ``seconds``,
        ``params_KEY`` of each parameter, ``chosen_by``, ``run``, ``reason``."""
        return self.view.frame.copy()

    @property
    def front(self) -> list[Best]:
        """The best trials: of several objectives the Pareto front, else the best one; empty while none is complete."""
        return [self._best(number) for number in self.view.best]

    @property
    def best(self) -> Best:
        """The best trial; of several objectives, the best in the first one.

        Raises:
            UserError: no trial is complete.
        """
        if not self.view.best:
            raise UserError(f"study {self.id} ({self.name}) has no complete trial", "search on, or look at its trials")
        return self._best(self.view.best[0])

    def _best(self, number: int) -> Best:
        trial = self.view.trial(number)
        finalist = next((finalist for finalist in self.view.finalists if finalist.trial == number), None)
        return Best(
            trial=number,
            values=dict(zip(self.view.record.objectives, trial.values, strict=True)),
            settings=dict(trial.params),
            recipe=self.place.path / finalist.recipe if finalist is not None and finalist.recipe else None,
            runs=Results.of(self._results, {run.run: True for run in finalist.runs} if finalist else {}),
        )

    def figure(self, kind: str = "history") -> go.Figure:
        """A figure of the study's page.

        Args:
            kind: ``history``, ``importance``, ``front``, ``learning``, ``parallel`` or ``slice``; of several of a kind
                the first, or one by its whole name, such as ``slice-optimizer-lr``.

        Raises:
            UserError: the study has no such figure.
        """
        from ferbench.api.figures import plotly_figure
        from ferbench.tuning.study_figures import of_study

        figures = {figure.id: figure for figure in of_study(self.view)}
        named = [name for name in figures if name == kind or name.partition("-")[0] == kind]
        if not named:
            raise UserError(f"study {self.id} has no figure '{kind}'", f"figures: {', '.join(figures) or 'none yet'}")
        return plotly_figure(figures[named[0]])

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>study {self.id} ({escape(self.name)})</p>{self.view.frame.to_html(index=False)}"

    def __repr__(self) -> str:
        return f"<Study {self.id} '{self.name}', {len(self.view.trials)} trials>"


@takes_components
@checked
def tune(
    *,
    recipe: str | PathLike[str] | None = None,
    data: Places = None,
    settings: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None,
    only: bool = False,
    objective: str | Sequence[str] = (),
    trials: int | None = None,
    algorithm: str | None = None,
    pruner: str | None = None,
    workers: int | None = None,
    seeds: Iterable[int] | None = None,
    best: int | None = None,
    final: bool = True,
    start: str | None = None,
    name: str | None = None,
    trackers: Sequence[str] = (),
    skip_faulty: bool = False,
    storage: str | None = None,
    grace: float = 60.0,
    results: str | PathLike[str] = "results",
    cache: str | PathLike[str] | None = None,
    plugins: Sequence[str | PathLike[str]] = (),
    progress: StudyObserver | None = None,
    **components: Chosen | Sequence[Chosen],
) -> Study:
    """Search settings on validation, then test the best over several seeds; the same call goes on with the study.

    Args:
        recipe: a TOML file; what is given besides wins over it.
        data: where the dataset's files are.
        settings: fields of the recipe by dotted key, such as ``{"training.epochs": 10}``.
        space: what is searched besides the options that plugins declare, by dotted key: ``"1e-4..1e-2:log"``,
            a list of values, or ``{"low": 0, "high": 0.5}``.
        only: search nothing but ``space`` and choices of components.
        objective: what is made better; several give a Pareto front. Default: ``training.select``.
        trials: in all, those of earlier calls included; default: 50.
        algorithm: ``tpe``, ``cma-es``, ``gp``, ``random``, ``grid`` or ``nsga-ii``; default: ``tpe``.
        pruner: ``median``, ``hyperband``, ``asha`` or ``none``; default: ``median``, with several objectives ``none``.
        workers: processes on this host; default: 1.
        seeds: of the runs that are tested in the end; default: 0, 1, 2.
        best: how many of the best trials are repeated over the seeds.
        final: repeat and test the best trials.
        start: run whose weights every trial starts from, as ``RUN`` or ``RUN@12``.
        name: of the study; default: the recipe's name.
        trackers: names of trackers that observe the runs that are tested in the end, as ``NAME`` or
            ``NAME,OPTION=VALUE``.
        skip_faulty: leave faulty samples out, and record how many.
        storage: url of a PostgreSQL or MySQL database that hosts share.
        grace: seconds of silence after which trials of another host are taken over.
        results: the results directory.
        cache: where packed datasets are kept; default: the user's cache directory.
        plugins: local plugins: ``.py`` files or importable modules.
        progress: follows the search.
        components: ``dataset``, ``model``, ``loss``, ``sampler``, ``augmentation``, ``optimizer``, ``schedule``: the
            name of a plugin component, a class or function that builds one, or several, among which trials choose.

    Returns:
        The study as it is when the call ends.

    Raises:
        UserError: something that is asked for makes no sense, or no trial is complete.
    """
    from ferbench.tuning.observer import StudyObserver
    from ferbench.tuning.prepare_search import prepare_search

    kept, packs = Path(results), cache_directory(cache)
    local = [str(plugin) for plugin in plugins]
    names = component_names("ferbench.tune", components, kept, local)
    session = prepare_search(
        quiet_preparer(packs, local, kept),
        kept,
        packs,
        recipe=None if recipe is None else Path(recipe),
        components=names,
        trackers=trackers,
        data=data_places(data),
        values={key: plain(value) for key, value in (settings or {}).items()},
        searches=[(key, plain(values)) for key, values in (space or {}).items()],
        tune={
            "trials": trials,
            "objectives": tuple(several(objective)),
            "algorithm": algorithm,
            "pruner": pruner,
            "only": only,
            "workers": workers,
            "best": best,
            "seeds": None if seeds is None else tuple(seeds),
        },
        start=start,
        name=name,
        skip_faulty=skip_faulty,
        plugins=local,
        storage=storage,
        grace=grace,
    )
    session.conduct(progress or StudyObserver(), finish=final)
    return Study(session.place, session.results, session.storage)


def load_study(study: str, results: str | PathLike[str] = "results", storage: str | None = None) -> Study:
    """A study that is there already.

    Args:
        study: its name, its id or the first digits of it, or its directory.
        results: the results directory.
        storage: the database that hosts share it through; None: its own.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    from ferbench.tuning.study import find_study

    return Study(find_study(Path(results), study), Path(results), storage)
