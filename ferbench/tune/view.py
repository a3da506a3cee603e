"""A study read for a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ferbench.errors import UserError
from ferbench.report import study_view as shown
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.tune.algorithms import CHOSEN_BY, choice_words
from ferbench.tune.objectives import COSTS, ranked, read_objectives
from ferbench.tune.storage import without_warnings
from ferbench.tune.study import StudyPlace

STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def read_study(place: StudyPlace, study: optuna.Study, results: Path) -> shown.StudyView:
    """Everything that a report shows of a study.

    Args:
        place: where it lies.
        study: its trials.
        results: the directory of the runs.
    """
    about = place.read()
    trials = study.get_trials(deepcopy=False)
    objectives = read_objectives(about["objectives"])
    return shown.StudyView(
        about=about,
        objectives=tuple(shown.Objective(one.name, one.higher_is_better, one.name not in COSTS) for one in objectives),
        dimensions=tuple(_dimension(one) for one in about["space"] if "value" not in one),
        trials=tuple(_trial(trial) for trial in trials),
        front=frozenset(best_numbers(trials, about["objectives"])),
        importances={one.name: _importances(study, i) for i, one in enumerate(objectives)},
        finalists=tuple(_finalists(place, results)),
    )


def best_numbers(trials: list[FrozenTrial], names: list[str]) -> list[int]:
    """Numbers of the best trial, or of all on the Pareto front."""
    objectives = read_objectives(names)
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    order = ranked(objectives, [trial.values for trial in complete])
    return [complete[i].number for i in (order if len(names) > 1 else order[:1])]


def _dimension(one: dict[str, Any]) -> shown.Dimension:
    if "choices" in one:
        choices = tuple(map(str, one["choices"]))
        return shown.Dimension(one["key"], choices[0], choices[-1], choices=choices)
    return shown.Dimension(one["key"], float(one["low"]), float(one["high"]), one["log"])


def _trial(trial: FrozenTrial) -> shown.TrialView:
    return shown.TrialView(
        number=trial.number,
        state=STATES[trial.state],
        values=tuple(trial.values) if trial.state is TrialState.COMPLETE else (),
        params=dict(trial.params),
        epochs=dict(trial.intermediate_values),
        run=str(trial.user_attrs.get("run", "")),
        seconds=trial.user_attrs.get("seconds"),
        reason=str(trial.user_attrs.get("reason", "")),
        chosen_by=choice_words(trial.user_attrs.get(CHOSEN_BY)),
    )


def _importances(study: optuna.Study, i: int) -> dict[str, float]:
    target = None if len(study.directions) == 1 else lambda trial: trial.values[i]
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    try:
        with without_warnings():
            found = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
    except (ValueError, RuntimeError):  # too few trials, or all of them alike
        return {}
    return {key: float(share) for key, share in found.items() if share == share}


def _finalists(place: StudyPlace, results: Path) -> list[shown.FinalistView]:
    outcome = place.outcome()
    found = []
    for one in outcome["finalists"] if outcome is not None else ():
        path = place.path / one["recipe"] if one["recipe"] else None
        recipe = path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
        runs = tuple(shown.TestedRun(run["seed"], run["run"], test_metrics(results, run["run"])) for run in one["runs"])
        failed = tuple((run["seed"], str(run["reason"])) for run in one["failed"])
        found.append(
            shown.FinalistView(
                one["rank"], one["trial"], tuple(one["values"]), runs, recipe, str(one["recipe"]), failed
            )
        )
    return found


def test_metrics(results: Path, run: str) -> dict[str, float]:
    """Scores of a run on its test set; empty when it has none or is gone."""
    try:
        record = RunDirectory(run_path(results, run)).read()
    except UserError:
        return {}
    own = [one for one in record["evaluations"].values() if "data" not in one and one["split"] == "test"]
    return {key: float(value) for key, value in own[0]["metrics"].items() if value is not None} if own else {}
