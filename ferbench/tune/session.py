"""One call of ``ferbench tune``: from a space and a recipe to the best recipe, tested."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.training.interruption import Interruption
from ferbench.tune import final
from ferbench.tune.algorithms import choice, make_pruner, make_sampler, searched_by
from ferbench.tune.conductor import Conductor, Watch
from ferbench.tune.crew import Crew
from ferbench.tune.ledger import Ledger
from ferbench.tune.objectives import Objective
from ferbench.tune.ranges import Range
from ferbench.tune.settings import TuneSettings
from ferbench.tune.space import Space
from ferbench.tune.spool import Spool
from ferbench.tune.storage import AWAY, Storage, first_line, quiet_optuna, sqlite_url
from ferbench.tune.study import StudyPlace

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
        base: the recipe's own plan.
        results: the results directory.
        cache: where packed datasets are.
        plugins: as ``--plugin`` names them.
        storage: a database's url; None: a file beside the study.
        grace: seconds of silence after which another host's trials are taken over.
        runner: what workers run jobs with.
    """

    place: StudyPlace
    label: str
    settings: TuneSettings
    space: Space
    objectives: tuple[Objective, ...]
    base: Plan
    results: Path
    cache: Path
    plugins: tuple[str, ...] = ()
    storage: str | None = None
    grace: float = 60.0
    runner: str = "ferbench.tune.trial:prepare"

    @property
    def epochs(self) -> int:
        """The most that a trial trains."""
        for dimension in self.space.dimensions:
            if dimension.key == "training.epochs":
                values = dimension.values
                return int(values.high) if isinstance(values, Range) else max(int(one) for one in values.items)
        return self.base.resolved.recipe.training.epochs

    def threads(self) -> int | None:
        """CPU threads of each worker; None: what the recipe or the environment says."""
        asked = self.base.resolved.recipe.runtime.threads is not None or "OMP_NUM_THREADS" in os.environ
        if self.settings.workers == 1 or asked:
            return None
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, cores // self.settings.workers)

    def devices(self) -> tuple[str, ...]:
        """A GPU for each worker in turn, where there are any and the recipe leaves the choice."""
        if self.base.resolved.recipe.runtime.device != "auto":
            return ()
        import torch

        return tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))

    def crew(self) -> Crew:
        return Crew(
            size=self.settings.workers,
            runner=self.runner,
            context={
                "results": str(self.results.absolute()),
                "cache": str(self.cache.absolute()),
                "plugins": list(self.plugins),
                "objectives": [objective.name for objective in self.objectives],
            },
            logs=self.place.path,
            threads=self.threads(),
            devices=self.devices(),
        )

    def conduct(
        self, watch_for: Callable[[list[FrozenTrial], int], Watch], *, finish: bool = True
    ) -> tuple[list[FrozenTrial], dict[str, Any] | None]:
        """Search, then repeat and test the best trials.

        Args:
            watch_for: gives a display for the trials so far and how many there shall be; it is a context manager.
            finish: repeat and test the best trials at the end.

        Returns:
            All trials; and the outcome, None without ``finish`` or when another host sees to it.

        Raises:
            UserError: the storage or the workers cannot be used, or no trial is complete.
            Interrupted: a signal came; everything can go on from here.
        """
        quiet_optuna()
        own = self.place.only_writer() if self.storage is None else contextlib.nullcontext()
        with own, Interruption().listening() as interruption:
            storage = Storage(sqlite_url(self.place.database) if self.storage is None else self.storage)
            try:
                ledger = self._ledger(storage)
                target = self._target(ledger)
                with watch_for(ledger.trials(), target) as watch:  # type: ignore[attr-defined]
                    crew = self.crew()
                    try:
                        self._search(ledger, crew, target, watch, interruption)
                        trials = ledger.trials()
                        outcome = self._finish(ledger, trials, crew, interruption, watch) if finish else None
                    finally:
                        crew.kill()
                return trials, outcome
            except AWAY as error:  # before or after the search, which waits for it
                raise UserError(
                    f"the storage '{storage.shown}' does not answer: {first_line(error.__cause__ or error)}",
                    "give the same command again when it does: the study goes on where it was",
                ) from error
            finally:
                storage.close()

    def _ledger(self, storage: Storage) -> Ledger:
        owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        ledger = Ledger(storage, self.place.id, self.objectives, owner=owner, grace=self.grace)
        seed = None  # hosts that share a study must not draw alike
        if not storage.shared:
            ledger.reclaim()
            seed = int(np.random.SeedSequence([self.settings.seed, len(ledger.trials())]).generate_state(1)[0])
        by = searched_by(self.settings, self.objectives)
        sampler = make_sampler(self.settings.algorithm, self.objectives, seed)
        ledger.use(sampler, make_pruner(by["pruner"], self.epochs), choice(by, seed))
        objectives = [objective.name for objective in self.objectives]
        ledger.describe({"label": self.label, "objectives": objectives, **by})
        return ledger

    def _target(self, ledger: Ledger) -> int:
        if self.settings.algorithm == "grid":
            return ledger.fill(self.space.grid(), self.settings.trials or 2**31)
        return self.settings.trials or DEFAULT_TRIALS

    def _search(self, ledger: Ledger, crew: Crew, target: int, watch: Watch, interruption: Interruption) -> None:
        spool = Spool(self.place.spool)
        if not spool.waiting() and len(ledger.trials()) >= target and ledger.unended() == 0:
            return
        crew.start()
        Conductor(ledger, self.space, crew, spool, target, watch, interruption, self.grace).run()

    def _finish(
        self, ledger: Ledger, trials: list[FrozenTrial], crew: Crew, interruption: Interruption, watch: Watch
    ) -> dict[str, Any] | None:
        found = final.finalists(trials, self.objectives, self.space, self.settings.best)
        final.refuse_without(found, trials)
        about = {
            "study": self.place.id,
            "label": self.label,
            "objectives": [objective.name for objective in self.objectives],
            "trials": final.counts(trials),
        }
        before = self.place.outcome()
        if before is not None and self._is_what(before, found, about):
            return before
        tested = {"trials": [finalist.number for finalist in found], "seeds": list(self.settings.seeds)}
        here = f"{socket.gethostname()}:{self.results.absolute()}"
        with ledger.storage.claimed(f"{self.place.id} final") as mine:
            if not mine:
                watch.said("another host repeats and tests the best trials")
                return None
            there = ledger.outcome()
            if there is not None and there["of"] == tested and there["at"] != here:
                watch.said(f"the best trials have been repeated and tested: see {there['at']}")
                return None
            jobs = final.final_jobs(found, self.settings.seeds, self.label)
            watch.said(f"repeating the best of {len(trials)} trials: {len(jobs)} runs, each tested once")
            crew.start()
            results = final.run_jobs(crew, [job for _, _, job in jobs], interruption, watch)
            runs = [(finalist, seed, result) for (finalist, seed, _), result in zip(jobs, results, strict=True)]
            outcome = final.conclude(self.place, self.results, found, runs, about)
            if all(result["ending"] == "complete" for result in results):
                with contextlib.suppress(*AWAY):  # the outcome is in the results; only other hosts do not know
                    ledger.note_outcome({"of": tested, "at": here})
            return outcome

    def _is_what(self, outcome: dict[str, Any], found: list[final.Finalist], about: dict[str, Any]) -> bool:
        """Whether an earlier outcome is of these finalists and seeds, and its runs are still there."""
        if {key: outcome.get(key) for key in about} != about:
            return False
        wanted = [(finalist.number, list(self.settings.seeds)) for finalist in found]
        have = [(one["trial"], [run["seed"] for run in one["runs"]]) for one in outcome["finalists"]]
        runs = [run["run"] for one in outcome["finalists"] for run in one["runs"]]
        return wanted == have and all(RunDirectory(run_path(self.results, run)).exists() for run in runs)
