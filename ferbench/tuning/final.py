"""After the search: the best trials, each over several seeds, tested once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from ferbench.errors import UserError
from ferbench.experiment.toml import recipe_toml
from ferbench.records.study import Finalist, LostSeed, Outcome, SeedRun, Tally
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import only_writer
from ferbench.storage import replace_file
from ferbench.training.interruption import Interruption
from ferbench.tuning.conductor import FAREWELL, StudyObserver
from ferbench.tuning.messages import EpochEnded, Interrupted, Job, JobEnded
from ferbench.tuning.objectives import Objective, ranked
from ferbench.tuning.space import Chosen, Settings, Space
from ferbench.tuning.study import StudyDirectory
from ferbench.tuning.trials import MOST_ATTEMPTS, STATES
from ferbench.tuning.workers import Workers

#: So many trials of a Pareto front are repeated, unless ``best`` says otherwise.
_OF_A_FRONT = 5


@dataclass
class SeedJob:
    """A run of a finalist over one of the seeds.

    Attributes:
        seed: of the run.
        job: as a worker gets it.
        attempts: how often it was begun.
        epoch: how far it is, for people.
        ended: None until it has.
    """

    seed: int
    job: Job
    attempts: int = 0
    epoch: str = ""
    ended: JobEnded | None = None


@dataclass
class Candidate:
    """A trial that is worth a test.

    Attributes:
        rank: from 1.
        number: of the trial.
        values: of the objectives, on validation.
        chosen: the trial's values by key.
        settings: the trial's recipe.
        runs: that test it.
    """

    rank: int
    number: int
    values: tuple[float, ...]
    chosen: Chosen
    settings: Settings
    runs: list[SeedJob] = field(default_factory=list)


def candidates(
    trials: Sequence[FrozenTrial], objectives: Sequence[Objective], space: Space, best: int | None
) -> list[Candidate]:
    """The best trials, no two with the same values of every parameter.

    Args:
        trials: of the study.
        objectives: of the study.
        space: that the trials chose from.
        best: how many; None: one, or of a Pareto front up to five, from one end to the other.

    Raises:
        UserError: no trial is complete.
    """
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if not complete:
        reasons = [trial.user_attrs["reason"] for trial in trials if trial.user_attrs.get("reason")]
        raise UserError(
            f"none of the {len(trials)} trials is complete" + (f": {reasons[-1]}" if reasons else ""),
            "widen the search, or see with 'ferbench tune status' how the trials ended",
        )
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
        Candidate(rank, trial.number, tuple(trial.values), dict(trial.params), space.settings(trial.params))
        for rank, trial in enumerate(chosen, start=1)
    ]


def _spread(front: list[FrozenTrial], most: int) -> list[FrozenTrial]:
    """At most so many, at even distances along the front."""
    if len(front) <= most:
        return front
    if most == 1:
        return [front[0]]
    return [front[round(i * (len(front) - 1) / (most - 1))] for i in range(most)]


def seed_jobs(candidate: Candidate, seeds: Sequence[int], label: str) -> list[SeedJob]:
    """The runs that test a candidate."""
    jobs = []
    for seed in seeds:
        settings = copy.deepcopy(candidate.settings)
        settings.setdefault("training", {})["seed"] = seed
        settings["name"] = f"{label[:50]}-trial{candidate.number}-seed{seed}"
        jobs.append(SeedJob(seed, Job(None, settings, test=True)))
    return jobs


def run_jobs(workers: Workers, jobs: Sequence[SeedJob], interruption: Interruption, observer: StudyObserver) -> None:
    """Run jobs that are no trials, until each has ended.

    Raises:
        Interrupted: a signal came, and the workers have ended.
    """
    waiting = list(jobs)
    working: dict[int, SeedJob] = {}

    def ended_ones() -> int:
        return sum(one.ended is not None for one in jobs)

    def show() -> None:
        at_work = [f"{one.job.settings['name']} {one.epoch}".strip() for one in working.values()]
        observer.repeating(ended_ones(), len(jobs), at_work)

    try:
        with interruption.waiting():
            while ended_ones() < len(jobs) and interruption.pending is None:
                for worker in workers.idle()[: len(waiting)]:
                    run = waiting.pop(0)
                    run.attempts += 1
                    working[worker.index] = run
                    workers.give(worker, run.job)
                    show()
                for worker, message in workers.wait(0.5):
                    at_work = working.get(worker.index)
                    if at_work is None:
                        continue
                    match message:
                        case EpochEnded():
                            at_work.epoch = message.text
                        case JobEnded():
                            at_work.ended = message
                            observer.note(f"run {message.run} is {message.ending} ({ended_ones()} of {len(jobs)})")
                        case None if at_work.attempts >= MOST_ATTEMPTS:
                            at_work.ended = JobEnded("failed", reason=f"its worker died; see {worker.log}")
                        case None | Interrupted():
                            waiting.append(at_work)
                    if message is None or isinstance(message, (JobEnded, Interrupted)):
                        del working[worker.index]
                    show()
            if interruption.pending is not None:
                for _ in workers.stop(FAREWELL):
                    pass
    except BaseException:
        workers.kill()
        raise


def conclude(place: StudyDirectory, results: Path, tested: Sequence[Candidate], about: Outcome) -> Outcome:
    """Write down what the search led to: which runs were tested, their recipes, and in each run where it comes from.

    Args:
        place: of the study.
        results: the results directory.
        tested: the candidates, each with its runs.
        about: of the study, without finalists.

    Returns:
        The outcome as written.
    """
    outcome = about.model_copy(update={"finalists": [_finalist(place, results, one, about) for one in tested]})
    place.save_outcome(outcome)
    return outcome


def _finalist(place: StudyDirectory, results: Path, candidate: Candidate, about: Outcome) -> Finalist:
    runs: list[SeedRun] = []
    failed: list[LostSeed] = []
    recipe = None
    for one in candidate.runs:
        ended = one.ended
        assert ended is not None
        if ended.ending != "complete" or ended.run is None:
            failed.append(LostSeed(seed=one.seed, reason=ended.reason))
            continue
        runs.append(SeedRun(seed=one.seed, run=ended.run))
        directory = RunDirectory(run_path(results, ended.run))
        with only_writer(directory):
            record = directory.load()
            tuning = {**about.plain(), "trial": candidate.number, "values": list(candidate.values)}
            record.tuning = {key: value for key, value in tuning.items() if key != "finalists"}
            directory.save(record)
        if recipe is None or one.seed == candidate.settings.get("training", {}).get("seed", 0):
            recipe = record
    path = None
    if recipe is not None:
        number = "" if candidate.rank == 1 else f"-{candidate.rank}"
        path = place.path / f"best{number}.toml"
        recipe.recipe.name = f"{about.label[:50]}-best{number.removeprefix('-')}"
        replace_file(path, (_header(about, candidate, path.name) + recipe_toml(recipe)).encode())
    return Finalist(
        rank=candidate.rank,
        trial=candidate.number,
        values=list(candidate.values),
        chosen=candidate.chosen,
        runs=runs,
        failed=failed,
        recipe=None if path is None else path.name,
    )


def _header(about: Outcome, candidate: Candidate, file: str) -> str:
    values = ", ".join(f"{name} {value:.6g}" for name, value in zip(about.objectives, candidate.values, strict=True))
    tried = about.trials
    return (
        f"# Trial {candidate.number} of study {about.study}: {values} on validation, of {tried.all} trials tried\n"
        f"# ({tried.complete} complete, {tried.pruned} pruned, {tried.failed} failed).\n#\n"
        f"#     ferbench run {file} --data DIR\n\n"
    )


def tally(trials: Sequence[FrozenTrial]) -> Tally:
    """How many trials there are, and how they ended."""
    by_state = {name: sum(trial.state is state for trial in trials) for name, state in STATES.items()}
    return Tally(all=len(trials), **by_state)
