"""After the search: the best trials, each over several seeds, tested once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ferbench.errors import UserError
from ferbench.experiment.toml import recipe_toml
from ferbench.records.run import Run
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import only_writer
from ferbench.storage import replace_file
from ferbench.training.interruption import Interruption
from ferbench.tune.conductor import Watch
from ferbench.tune.crew import Crew
from ferbench.tune.ledger import MOST_ATTEMPTS
from ferbench.tune.objectives import Objective, ranked
from ferbench.tune.space import Settings, Space
from ferbench.tune.study import StudyPlace
from ferbench.tune.worker import Job

#: So many trials of a Pareto front are repeated, unless ``best`` says otherwise.
_OF_A_FRONT = 5


@dataclass(frozen=True)
class Finalist:
    """A trial that is worth a test.

    Attributes:
        rank: from 1.
        number: of the trial.
        values: of the objectives, on validation.
        chosen: the trial's values by key.
        settings: the trial's recipe.
    """

    rank: int
    number: int
    values: tuple[float, ...]
    chosen: dict[str, Any]
    settings: Settings


def finalists(
    trials: Sequence[FrozenTrial], objectives: Sequence[Objective], space: Space, best: int | None
) -> list[Finalist]:
    """The best trials, no two with the same values of every parameter.

    Args:
        trials: of the study.
        objectives: of the study.
        space: that the trials chose from.
        best: how many; None: one, or of a Pareto front up to five, from one end to the other.
    """
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if not complete:
        return []
    order = ranked(objectives, [trial.values for trial in complete])
    unlike: dict[str, FrozenTrial] = {}
    for i in order:
        unlike.setdefault(repr(sorted(complete[i].params.items())), complete[i])
    chosen = list(unlike.values())
    if len(objectives) > 1:
        chosen = _spread(chosen, _OF_A_FRONT if best is None else best)
    else:
        chosen = chosen[: best or 1]
    return [
        Finalist(rank, trial.number, tuple(trial.values), dict(trial.params), space.settings(trial.params))
        for rank, trial in enumerate(chosen, start=1)
    ]


def _spread(front: list[FrozenTrial], most: int) -> list[FrozenTrial]:
    """At most so many, at even distances along the front."""
    if len(front) <= most:
        return front
    if most == 1:
        return [front[0]]
    return [front[round(i * (len(front) - 1) / (most - 1))] for i in range(most)]


def final_jobs(found: Sequence[Finalist], seeds: Sequence[int], label: str) -> list[tuple[Finalist, int, Job]]:
    """(finalist, seed, job) of every run that is tested."""
    jobs = []
    for finalist in found:
        for seed in seeds:
            settings = copy.deepcopy(finalist.settings)
            settings.setdefault("training", {})["seed"] = seed
            settings["name"] = f"{label[:50]}-trial{finalist.number}-seed{seed}"
            jobs.append((finalist, seed, Job(None, settings, test=True)))
    return jobs


def run_jobs(crew: Crew, jobs: Sequence[Job], interruption: Interruption, watch: Watch) -> list[dict[str, Any]]:
    """Run jobs that are no trials; gives each one's result, in their order.

    Raises:
        Interrupted: a signal came, and the workers have ended.
    """
    waiting = list(range(len(jobs)))
    attempts = [0] * len(jobs)
    working: dict[int, int] = {}
    results: dict[int, dict[str, Any]] = {}
    epochs: dict[int, str] = {}

    def show() -> None:
        at_work = [f"{jobs[number].settings['name']} {epochs.get(number, '')}".strip() for number in working.values()]
        watch.repeating(len(results), len(jobs), at_work)

    try:
        with interruption.waiting():
            while len(results) < len(jobs) and interruption.pending is None:
                for worker in crew.idle()[: len(waiting)]:
                    number = waiting.pop(0)
                    attempts[number] += 1
                    working[worker.index] = number
                    crew.give(worker, jobs[number])
                    show()
                for worker, message in crew.wait(0.5):
                    if message is None and worker.index in working:
                        number = working.pop(worker.index)
                        if attempts[number] < MOST_ATTEMPTS:
                            waiting.append(number)
                        else:
                            results[number] = {"ending": "failed", "reason": f"its worker died; see {worker.log}"}
                    elif message is not None and message["type"] == "epoch":
                        epochs[working[worker.index]] = message["text"]
                    elif message is not None and message["type"] == "interrupted":
                        waiting.append(working.pop(worker.index))
                    elif message is not None and message["type"] == "result":
                        number = working.pop(worker.index)
                        results[number] = message
                        watch.said(f"run {message.get('run')} is {message['ending']} ({len(results)} of {len(jobs)})")
                    show()
            if interruption.pending is not None:
                for _ in crew.stop(60.0):
                    pass
    except BaseException:
        crew.kill()
        raise
    return [results[i] for i in range(len(jobs))]


def conclude(
    place: StudyPlace,
    results: Path,
    found: Sequence[Finalist],
    runs: Sequence[tuple[Finalist, int, dict[str, Any]]],
    about: dict[str, Any],
) -> dict[str, Any]:
    """Write down what the search led to: which runs were tested, their recipes, and in each run where it comes from.

    Args:
        place: of the study.
        results: the results directory.
        found: the finalists.
        runs: (finalist, seed, result) of every run.
        about: of the study, for the record of each run: study, objectives, trials by how they ended.

    Returns:
        The outcome as written.
    """
    entries = []
    for finalist in found:
        mine = [(seed, result) for one, seed, result in runs if one.rank == finalist.rank]
        done = [(seed, result["run"]) for seed, result in mine if result["ending"] == "complete"]
        recipe = None
        for seed, run in done:
            directory = RunDirectory(run_path(results, run))
            with only_writer(directory):
                record = directory.read()
                record["tuning"] = {**about, "trial": finalist.number, "values": list(finalist.values)}
                directory.write(record)
            if recipe is None or seed == finalist.settings.get("training", {}).get("seed", 0):
                name = f"{about['label'][:50]}-best{'' if finalist.rank == 1 else finalist.rank}"
                recipe = {**record, "recipe": {**record["recipe"], "name": name}}
        path = None
        if recipe is not None:
            path = place.best if finalist.rank == 1 else place.path / f"best-{finalist.rank}.toml"
            head = _header(about, finalist, recipe)
            replace_file(path, (head + recipe_toml(Run.model_validate(recipe))).encode())
        entries.append(
            {
                "rank": finalist.rank,
                "trial": finalist.number,
                "values": list(finalist.values),
                "chosen": finalist.chosen,
                "runs": [{"seed": seed, "run": run} for seed, run in done],
                "failed": [{"seed": s, "reason": r.get("reason", "")} for s, r in mine if r["ending"] != "complete"],
                "recipe": None if path is None else path.name,
            }
        )
    outcome = {**about, "finalists": entries}
    place.write_outcome(outcome)
    return outcome


def _header(about: dict[str, Any], finalist: Finalist, record: dict[str, Any]) -> str:
    values = ", ".join(f"{name} {value:.6g}" for name, value in zip(about["objectives"], finalist.values, strict=True))
    tried = about["trials"]
    return (
        f"# Trial {finalist.number} of study {about['study']}: {values} on validation, of {tried['all']} trials tried\n"
        f"# ({tried['complete']} complete, {tried['pruned']} pruned, {tried['failed']} failed).\n#\n"
        "#     ferbench run best.toml --data DIR\n\n"
    ).replace("best.toml", "best.toml" if finalist.rank == 1 else f"best-{finalist.rank}.toml")


def refuse_without(found: Sequence[Finalist], trials: Sequence[FrozenTrial]) -> None:
    """Refuse to end a study of which nothing came.

    Raises:
        UserError: no trial is complete.
    """
    if not found:
        reasons = [trial.user_attrs.get("reason") for trial in trials if trial.user_attrs.get("reason")]
        raise UserError(
            f"none of the {len(trials)} trials is complete" + (f": {reasons[-1]}" if reasons else ""),
            "widen the search, or see with 'ferbench tune status' how the trials ended",
        )


def counts(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    """How many trials there are, and how they ended."""
    by = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    by |= {"running": TrialState.RUNNING, "waiting": TrialState.WAITING}
    return {"all": len(trials), **{name: sum(t.state is state for t in trials) for name, state in by.items()}}
