"""One call of ``ferbench tune``: from a space and a recipe to the best recipe, tested."""

from __future__ import annotations

import contextlib
import datetime
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ferbench.errors import UserError
from ferbench.experiment.differences import unlike
from ferbench.experiment.plan import Plan
from ferbench.processes.workers import Workers, threads_each, visible_gpus
from ferbench.records.study import SCHEMA_VERSION, Dimension, Outcome, RepeatedAt, RepeatedTrials, Samples, Study
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.training.interruption import Interruption
from ferbench.tuning import final
from ferbench.tuning.algorithms import Strategy, make_pruner, make_sampler
from ferbench.tuning.conductor import Conductor
from ferbench.tuning.database import AWAY, Storage, cause_of, quiet_optuna, refuse_lasting, shown_url, sqlite_url
from ferbench.tuning.objectives import Objective
from ferbench.tuning.observer import StudyObserver
from ferbench.tuning.ranges import Range
from ferbench.tuning.space import Space
from ferbench.tuning.study import StudyDirectory, covers, earlier
from ferbench.tuning.trials import Trials, is_open
from ferbench.tuning.tune_settings import TuneSettings

#: Trials of a study when nobody says how many.
DEFAULT_TRIALS = 50


@dataclass(frozen=True)
class Session:
    """Everything that a call knows before it starts.

    Attributes:
        place: of the study.
        label: the recipe's name.
        settings: ``[tune]`` with flags laid over it.
        space: what is searched.
        objectives: what is made better.
        by: what chooses the trials and ends them.
        base: the recipe's own plan.
        results: the results directory.
        cache: where packed datasets are.
        plugins: as ``--plugin`` names them.
        storage: a database's url; None: a file beside the study.
        grace: seconds of silence after which another host's trials are taken over.
        left_out: keys of the default space that the weights which trials start from rule out.
        task: what workers do jobs with.
    """

    place: StudyDirectory
    label: str
    settings: TuneSettings
    space: Space
    objectives: tuple[Objective, ...]
    by: Strategy
    base: Plan
    results: Path
    cache: Path
    plugins: tuple[str, ...] = ()
    storage: str | None = None
    grace: float = 60.0
    left_out: tuple[str, ...] = ()
    task: str = "ferbench.tuning.trial_run:prepare"

    @property
    def epochs(self) -> int:
        """The most that a trial trains."""
        for dimension in self.space.dimensions:
            if dimension.key == "training.epochs":
                values = dimension.values
                return int(values.high) if isinstance(values, Range) else max(int(value) for value in values.items)
        return self.base.resolved.recipe.training.epochs

    def workers(self) -> Workers:
        """A GPU for each in turn, where there are any and the recipe leaves the choice; the CPU threads divided."""
        return Workers(
            size=self.settings.workers,
            task=self.task,
            context={
                "results": str(self.results.absolute()),
                "cache": str(self.cache.absolute()),
                "plugins": list(self.plugins),
                "objectives": self.goals,
            },
            logs=self.place.path,
            threads=threads_each(self.settings.workers),
            gpus=visible_gpus() if self.base.resolved.recipe.runtime.device == "auto" else (),
        )

    @property
    def goals(self) -> list[str]:
        """Names of the objectives."""
        return [objective.name for objective in self.objectives]

    @property
    def target(self) -> int:
        """Trials that the study shall have in all."""
        if self.settings.algorithm == "grid":
            return min(sum(1 for _ in self.space.grid()), self.settings.trials or 2**31)
        return self.settings.trials or DEFAULT_TRIALS

    def conduct(self, observer: StudyObserver, *, finish: bool = True) -> Outcome | None:
        """Search, then repeat and test the best trials.

        Args:
            observer: follows how it goes.
            finish: repeat and test the best trials at the end.

        Returns:
            What came of it; None without ``finish``, or when another host sees to the end.

        Raises:
            UserError: the storage or the workers cannot be used, or no trial is complete.
            Interrupted: a signal came; everything can go on from here.
        """
        quiet_optuna()
        own = self.place.only_writer() if self.storage is None else contextlib.nullcontext()
        with own, Interruption().listening() as interruption:
            storage = Storage(self.storage or sqlite_url(self.place.database), self.grace)
            workers = self.workers()
            try:
                target = self.target
                trials = self._trials(storage, target)
                self._begin(observer)
                observer.search_begins(trials.all(), target)
                self._search(trials, target, workers, observer, interruption)
                return self._finish(trials, workers, interruption, observer) if finish else None
            except AWAY as error:  # before or after the search, which waits for it
                refuse_lasting(error, storage.shown)
                raise UserError(
                    f"the storage '{storage.shown}' does not answer: {cause_of(error)}",
                    "give the same command again when it does: the study goes on where it was",
                ) from error
            finally:
                workers.kill()
                observer.search_ended()
                storage.close()

    def _trials(self, storage: Storage, target: int) -> Trials:
        trials = Trials(storage, self.place.id, self.objectives)
        seed = None  # hosts that share a study must not draw alike
        if not storage.shared:
            trials.recover(())  # an earlier process left them; on other hosts there may be some at work
            seed = int(np.random.SeedSequence([self.settings.seed, len(trials.all())]).generate_state(1)[0])
        sampler = make_sampler(self.settings.algorithm, self.objectives, seed)
        trials.use(sampler, make_pruner(self.by.pruner, self.epochs), lambda before: self.by.chosen_by(before, seed))
        trials.describe({"label": self.label, "objectives": self.goals, **asdict(self.by)})
        if self.settings.algorithm == "grid":
            trials.fill(self.space.grid(), target)
        return trials

    def _begin(self, observer: StudyObserver) -> None:
        """Write ``study.json``, and say which study this is, and why it is a new one where another of that name is."""
        known = self.place.load_or_none()
        before = None if self.place.record_path.is_file() else earlier(self.results, self.label, self.place)
        number = len(self.space.dimensions)
        observer.note(
            f"{'study' if known is None else 'going on with study'} {self.place.id} ({self.label}): {number} "
            f"dimension{'' if number == 1 else 's'}"
        )
        covered = covers(self.space, self.objectives, self.base, self.by)
        if before is not None:
            by_default: dict[str, object] = {"search": {}}  # what searches is not said where it is the default
            keys = unlike(by_default | before.load().covers, by_default | covered)
            more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
            observer.note(f"a new study: it differs from study {before.id} in {', '.join(keys[:5])}{more}")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        split = self.base.split
        self.place.save(
            Study(
                schema=SCHEMA_VERSION,
                id=self.place.id,
                label=self.label,
                created=now if known is None else known.created,
                storage=None if self.storage is None else shown_url(self.storage),
                objectives=self.goals,
                **asdict(self.by),
                trials=self.settings.trials,
                dataset=self.base.pack.dataset,
                protocol=split.protocol,
                synthetic=self.base.dataset_spec.synthetic,
                samples=Samples(train=len(split.train), validation=len(split.validation)),
                space=[Dimension(**dimension) for dimension in self.space.describe()],
                covers=covered,
            )
        )

    def _search(
        self, trials: Trials, target: int, workers: Workers, observer: StudyObserver, interruption: Interruption
    ) -> None:
        tried = trials.all()
        if len(tried) < target or any(is_open(trial) for trial in tried):
            workers.start()
            Conductor(trials, self.space, workers, target, observer, interruption).run()

    def _finish(
        self, trials: Trials, workers: Workers, interruption: Interruption, observer: StudyObserver
    ) -> Outcome | None:
        tried, seeds = trials.all(), list(self.settings.seeds)
        best = final.best_trials(tried, self.objectives, self.settings.best)
        outcome = Outcome(
            study=self.place.id, label=self.label, objectives=self.goals, trials=final.tally(tried), finalists=best
        )
        before = self.place.outcome()
        if before is not None and self._is_there(before, outcome):
            return before
        tested = RepeatedTrials(trials=[finalist.trial for finalist in best], seeds=seeds)
        here = f"{socket.gethostname()}:{self.results.absolute()}"
        with trials.storage.claimed(f"{self.place.id} final") as mine:
            if not mine:
                observer.note("another host repeats and tests the best trials")
                return None
            there = trials.tested()
            if there is not None and there.of == tested and there.at != here:
                observer.note(f"the best trials have been repeated and tested: see {there.at}")
                return None
            jobs = [job for finalist in best for job in final.seed_jobs(finalist, self.space, seeds, self.label)]
            observer.note(f"repeating the best of {len(tried)} trials: {len(jobs)} runs, each tested once")
            workers.start()
            final.run_jobs(workers, jobs, interruption, observer)
            final.conclude(self.place, self.results, jobs, outcome, self.base.resolved.recipe.training.seed)
            if not any(finalist.failed for finalist in outcome.finalists):
                with contextlib.suppress(*AWAY):  # the outcome is in the results; only other hosts do not know
                    trials.note_tested(RepeatedAt(of=tested, at=here))
            return outcome

    def _is_there(self, before: Outcome, asked: Outcome) -> bool:
        """Whether an earlier outcome is of these trials and seeds, and its runs are still there."""
        if before.model_copy(update={"finalists": asked.finalists}) != asked:
            return False
        have = [(finalist.trial, [run.seed for run in finalist.runs]) for finalist in before.finalists]
        return have == [(finalist.trial, list(self.settings.seeds)) for finalist in asked.finalists] and all(
            RunDirectory(run_path(self.results, run)).exists() for run in before.runs
        )
