"""After the search: the best trials, each over several seeds, tested once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from ferbench.errors import UserError
from ferbench.experiment.toml import recipe_toml
from ferbench.processes.workers import Workers
from ferbench.records.run import Run
from ferbench.records.study import Finalist, LostSeed, Outcome, SeedRun, Tally
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.lock import only_writer
from ferbench.storage import replace_file
from ferbench.training.interruption import Interruption
from ferbench.tuning.conductor import FAREWELL, ended_as, failed, refused_by_host
from ferbench.tuning.messages import Job, JobEnded
from ferbench.tuning.objectives import Objective, ranked
from ferbench.tuning.observer import StudyObserver
from ferbench.tuning.space import Space
from ferbench.tuning.study import StudyDirectory
from ferbench.tuning.trials import MOST_ATTEMPTS, STATES

#: So many trials of a Pareto front are repeated, unless ``best`` says otherwise.
_OF_A_FRONT = 5


@dataclass
class SeedJob:
    """A run of a finalist over one of the seeds.

    Attributes:
        finalist: whose.
        seed: of the run.
        job: as a worker gets it.
        attempts: how often it was begun.
        epoch: how far it is, for people.
        ended: None until it has.
    """

    finalist: Finalist
    seed: int
    job: Job
    attempts: int = 0
    epoch: str = ""
    ended: JobEnded | None = None


def best_trials(trials: Sequence[FrozenTrial], objectives: Sequence[Objective], best: int | None) -> list[Finalist]:
    """The trials that are worth a test, no two with the same values of every parameter; none has a run yet.

    Args:
        trials: of the study.
        objectives: of the study.
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
    unlike: dict[str, FrozenTrial] = {}
    for i in ranked(objectives, [trial.values for trial in complete]):
        unlike.setdefault(repr(sorted(complete[i].params.items())), complete[i])
    chosen = list(unlike.values())
    chosen = _spread(chosen, best or _OF_A_FRONT) if len(objectives) > 1 else chosen[: best or 1]
    return [
        Finalist(
            rank=rank, trial=trial.number, values=trial.values, chosen=trial.params, runs=[], failed=[], recipe=None
        )
        for rank, trial in enumerate(chosen, start=1)
    ]


def _spread(front: list[FrozenTrial], most: int) -> list[FrozenTrial]:
    """At most so many, at even distances along the front."""
    if len(front) <= most or most == 1:
        return front[:most]
    return [front[round(i * (len(front) - 1) / (most - 1))] for i in range(most)]


def seed_jobs(finalist: Finalist, space: Space, seeds: Sequence[int], label: str) -> list[SeedJob]:
    """The runs that test a finalist of a study of that name."""
    jobs = []
    for seed in seeds:
        settings = space.settings(finalist.chosen)
        settings.setdefault("training", {})["seed"] = seed
        settings["name"] = f"{label[:50]}-trial{finalist.trial}-seed{seed}"
        jobs.append(SeedJob(finalist, seed, Job(trial=None, settings=settings, test=True)))
    return jobs


def run_jobs(workers: Workers, jobs: Sequence[SeedJob], interruption: Interruption, observer: StudyObserver) -> None:
    """Run jobs that are no trials, until each has ended.

    Raises:
        Interrupted: a signal came, and the workers have ended.
    """
    waiting = list(jobs)
    working: dict[int, SeedJob] = {}

    def ended_ones() -> int:
        return sum(job.ended is not None for job in jobs)

    def show() -> None:
        at_work = [f"{run.job['settings']['name']} {run.epoch}".strip() for run in working.values()]
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
                for event in workers.wait(0.5):
                    at_work = working.get(event.worker.index)
                    if at_work is None:
                        continue
                    if event.kind == "said":
                        at_work.epoch = event.value["text"]
                    else:
                        del working[event.worker.index]
                        if event.host_remedy is not None:
                            for _ in workers.stop(FAREWELL):
                                pass
                            raise refused_by_host(event)
                        if event.kind in ("done", "failed"):
                            at_work.ended = ended_as(event)
                        elif event.kind == "died" and at_work.attempts >= MOST_ATTEMPTS:
                            at_work.ended = failed(f"its worker died ({event.reason}); see {event.worker.log}")
                        else:
                            waiting.append(at_work)
                        if (ended := at_work.ended) is not None:
                            name = ended["run"] or at_work.job["settings"]["name"]
                            observer.note(f"run {name} is {ended['ending']} ({ended_ones()} of {len(jobs)})")
                    show()
            if interruption.pending is not None:
                for _ in workers.stop(FAREWELL):
                    pass
    except BaseException:
        workers.kill()
        raise


def conclude(place: StudyDirectory, results: Path, jobs: Sequence[SeedJob], outcome: Outcome, seed: int) -> None:
    """Write down what the search led to: which runs were tested, their recipes, and in each run where it comes from.

    Args:
        place: of the study.
        results: the results directory.
        jobs: of all finalists.
        outcome: of the study; its finalists get their runs.
        seed: of the study's recipe: the run over it gives a finalist's recipe; without that, the first that there is.
    """
    about = {key: value for key, value in outcome.plain().items() if key != "finalists"}
    recipes: dict[int, Run] = {}
    for job in jobs:
        finalist, ended = job.finalist, job.ended
        assert ended is not None
        name = ended["run"]
        if ended["ending"] != "complete" or name is None:
            finalist.failed.append(LostSeed(seed=job.seed, reason=ended["reason"]))
            continue
        finalist.runs.append(SeedRun(seed=job.seed, run=name))
        directory = RunDirectory(run_path(results, name))
        with only_writer(directory):
            run = directory.load()
            run.tuning = {**about, "trial": finalist.trial, "values": finalist.values}
            directory.save(run)
        if finalist.trial not in recipes or job.seed == seed:
            recipes[finalist.trial] = run
    for finalist in outcome.finalists:
        if finalist.trial in recipes:
            number = "" if finalist.rank == 1 else f"-{finalist.rank}"
            finalist.recipe = f"best{number}.toml"
            run = recipes[finalist.trial]
            run.recipe.name = f"{outcome.label[:50]}-best{number.removeprefix('-')}"
            replace_file(place.path / finalist.recipe, (_header(outcome, finalist) + recipe_toml(run)).encode())
    place.save_outcome(outcome)


def _header(outcome: Outcome, finalist: Finalist) -> str:
    values = ", ".join(f"{name} {value:.6g}" for name, value in zip(outcome.objectives, finalist.values, strict=True))
    tried = outcome.trials
    return (
        f"# Trial {finalist.trial} of study {outcome.study}: {values} on validation, of {tried.all} trials tried\n"
        f"# ({tried.complete} complete, {tried.pruned} pruned, {tried.failed} failed).\n#\n"
        f"#     ferbench run {finalist.recipe} --data DIR\n\n"
    )


def tally(trials: Sequence[FrozenTrial]) -> Tally:
    """How many trials there are, and how they ended."""
    by_state = {name: sum(trial.state is state for trial in trials) for name, state in STATES.items()}
    return Tally(all=len(trials), **by_state)
