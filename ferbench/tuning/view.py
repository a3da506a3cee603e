"""A study as status, page and Python users see it: its record, its trials as frames, and what was tested."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ferbench.bounded import read_file
from ferbench.errors import UserError
from ferbench.metrics.measures import Measure, remember
from ferbench.plugin.discovery import load_registry
from ferbench.records.study import Dimension, Finalist, Outcome, Study, chosen_by
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.studies import RESTORE
from ferbench.tables.table import Spread
from ferbench.tuning.database import AWAY, Storage, cause_of, quiet_optuna, sqlite_url, without_warnings
from ferbench.tuning.objectives import Objective, is_objective, ranked
from ferbench.tuning.study import StudyDirectory
from ferbench.tuning.trials import CHOSEN_BY, STATES, counted

if TYPE_CHECKING:
    import pandas as pd

#: Metrics of the runs that were tested, of every study.
TESTED = ("accuracy", "macro_f1", "worst_class_f1")

_NAMES = {state: name for name, state in STATES.items()}


@dataclass(frozen=True)
class StudyView:
    """A study, read.

    Attributes:
        record: ``study.json``.
        trials: all of them by number, without those in whose place another stands since their host fell silent.
        importances: share of each parameter in what tells good trials from the others, by objective and key; empty
            where there are too few trials.
        outcome: what was repeated and tested; None: nothing yet.
        tested: metrics on the test set by run and name; without runs that are gone.
        recipes: TOML of the finalists by the number of their trials.
    """

    record: Study
    trials: Sequence[FrozenTrial]
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    outcome: Outcome | None = None
    tested: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    recipes: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        return tuple(Objective(name) for name in self.record.objectives)

    @property
    def dimensions(self) -> list[Dimension]:
        """What is searched."""
        return [dimension for dimension in self.record.space if dimension.is_searched]

    def trial(self, number: int) -> FrozenTrial:
        """The trial of that number."""
        return next(trial for trial in self.trials if trial.number == number)

    @cached_property
    def best(self) -> list[int]:
        """Numbers of the best trial, or of all on the Pareto front."""
        complete = [trial for trial in self.trials if trial.state is TrialState.COMPLETE]
        order = ranked(self.objectives, [trial.values for trial in complete])
        return [complete[i].number for i in (order if len(self.objectives) > 1 else order[:1])]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a trial, named as Optuna names columns: ``number``, ``state`` (``complete``, ``pruned``, ``failed``,
        ``running``, ``waiting``), ``values_NAME`` of each objective, ``epochs``, ``seconds``, ``params_KEY`` of each
        parameter, ``chosen_by``, ``run``, ``reason``."""
        import pandas as pd

        trials, none = self.trials, [None] * len(self.objectives)
        columns: dict[str, Any] = {
            "number": pd.Series([trial.number for trial in trials], dtype=int),
            "state": pd.Series([_NAMES[trial.state] for trial in trials], dtype=object),
        }
        values = [trial.values if trial.state is TrialState.COMPLETE else none for trial in trials]
        for i, objective in enumerate(self.objectives):
            columns[f"values_{objective.name}"] = pd.Series([trial_values[i] for trial_values in values], dtype=float)
        columns["epochs"] = pd.Series([max(t.intermediate_values, default=None) for t in trials], dtype="Int64")
        columns["seconds"] = pd.Series([trial.user_attrs.get("seconds") for trial in trials], dtype=float)
        ranges = {dimension.key for dimension in self.dimensions if dimension.choices is None}
        for key in dict.fromkeys(
            [*(dimension.key for dimension in self.dimensions), *(k for t in trials for k in t.params)]
        ):
            chosen = [str(t.params[key]) if t.params.get(key, "") is None else t.params.get(key) for t in trials]
            is_float = key in ranges and not any(isinstance(value, int) for value in chosen)
            columns[f"params_{key}"] = pd.Series(chosen, dtype=float if is_float else object)
        by = [chosen_by(trial.user_attrs.get(CHOSEN_BY)) for trial in trials]
        columns["chosen_by"] = pd.Series(
            ["not recorded" if recorded is None else recorded.text for recorded in by], dtype=object
        )
        for key in ("run", "reason"):
            columns[key] = pd.Series([str(trial.user_attrs.get(key, "")) for trial in trials], dtype=object)
        return pd.DataFrame(columns)

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row an epoch, where pruners go by it: ``number`` of the trial, ``epoch``, ``value`` of the objective."""
        import pandas as pd

        rows = [(t.number, epoch, value) for t in self.trials for epoch, value in sorted(t.intermediate_values.items())]
        return pd.DataFrame(rows, columns=["number", "epoch", "value"])

    @property
    def complete(self) -> pd.DataFrame:
        """The rows of `frame` that have values."""
        return self.frame[self.frame["state"] == "complete"]

    @property
    def finalists(self) -> list[Finalist]:
        """The trials that were repeated and tested, the best first."""
        return self.outcome.finalists if self.outcome is not None else []

    @property
    def tested_by(self) -> tuple[str, ...]:
        """Metrics of the runs that were tested: those of every study, then its objectives."""
        return tuple(dict.fromkeys([*TESTED, *(goal.name for goal in self.objectives if goal.is_metric)]))

    def scores(self, finalist: Finalist) -> dict[str, Spread]:
        """Test metrics of a finalist over its seeds, by name; of the runs that are still there."""
        runs = [self.tested[run.run] for run in finalist.runs if self.tested.get(run.run)]
        values = {name: [run[name] for run in runs if name in run] for name in self.tested_by}
        return {name: Spread(sum(of) / len(of), min(of), max(of)) for name, of in values.items() if of}

    def by_importance(self) -> list[Dimension]:
        """The dimensions that complete trials have, the most important for the first objective first."""
        shares = self.importances.get(self.objectives[0].name, {})
        there = {key for trial in self.trials if trial.state is TrialState.COMPLETE for key in trial.params}
        return sorted((d for d in self.dimensions if d.key in there), key=lambda d: -shares.get(d.key, 0.0))


def read_view(
    place: StudyDirectory, results: Path, storage: str | None = None, *, importances: bool = True
) -> StudyView:
    """Read a study.

    Args:
        place: where it lies.
        results: the directory of the runs.
        storage: the database that hosts share it through; None: its own.
        importances: compute them, which takes a while.

    Raises:
        UserError: its record is damaged, or its storage cannot be read or does not have it.
    """
    record, outcome = place.load(), place.outcome()
    quiet_optuna()
    if storage is None and record.storage is not None:
        raise UserError(
            f"study {place.id} is kept in {record.storage}", "say so with --storage, with the password if it needs one"
        )
    if storage is None and not os.path.lexists(place.database):
        raise UserError(f"study {place.id} has no trial yet", "begin it with 'ferbench tune'")
    with contextlib.closing(Storage(storage or sqlite_url(place.database))) as opened:
        try:
            study = optuna.load_study(study_name=place.id, storage=opened.optuna)
            trials = counted(study.get_trials(deepcopy=False))
        except KeyError:
            raise UserError(
                f"{opened.shown} has no study '{place.id}'",
                "give the storage that the study was begun with (--storage)",
            ) from None
        except AWAY as error:
            raise _unreadable(error, opened) from error
        _know(record.objectives, study.directions)
        shares = {name: _importances(study, i) for i, name in enumerate(record.objectives)} if importances else {}
    finalists = outcome.finalists if outcome is not None else []
    recipes = {finalist.trial: place.path / finalist.recipe for finalist in finalists if finalist.recipe}
    return StudyView(
        record=record,
        trials=trials,
        importances=shares,
        outcome=outcome,
        tested={run: _test_metrics(results, run) for run in (outcome.runs if outcome is not None else [])},
        recipes={trial: text for trial, path in recipes.items() if (text := _recipe(path)) is not None},
    )


def _know(objectives: Sequence[str], directions: Sequence[optuna.study.StudyDirection]) -> None:
    """Make known the metrics of plugins among the objectives: where a plugin is not here, which way is better."""
    if not all(is_objective(name) for name in objectives):  # none was asked for yet
        load_registry()
    for name, direction in zip(objectives, directions, strict=True):
        if not is_objective(name):
            remember(Measure(name, name, direction is optuna.study.StudyDirection.MAXIMIZE))


def _unreadable(error: BaseException, storage: Storage) -> UserError:
    remedy = "see that the database answers, and try again" if storage.shared else RESTORE
    return UserError(f"the storage '{storage.shown}' cannot be read: {cause_of(error)}", remedy)


def _recipe(path: Path) -> str | None:
    """The text of a recipe; None where it is gone or damaged."""
    try:
        return read_file(path).decode()
    except (OSError, ValueError):
        return None


def _importances(study: optuna.Study, i: int) -> dict[str, float]:
    target = None if len(study.directions) == 1 else lambda trial: trial.values[i]
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    try:
        with without_warnings():
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
    except (ValueError, RuntimeError):  # too few trials, or all of them alike
        return {}
    return {key: float(share) for key, share in shares.items() if share == share}


def _test_metrics(results: Path, run: str) -> dict[str, float]:
    """Scores of a run on its test set; empty when it has none or is gone."""
    try:
        record = RunDirectory(run_path(results, run)).load()
    except UserError:
        return {}
    own = [entry for entry in record.evaluations.values() if entry.data is None and entry.split == "test"]
    if not own:
        return {}
    by_class = {
        f"{name}:{cls}": getattr(one, name) for cls, one in own[0].per_class.items() for name in ("f1", "recall")
    }
    return {name: score for name, score in {**own[0].metrics, **by_class}.items() if score is not None}
