"""How trials are chosen, and how hopeless ones are ended early: Optuna's samplers and pruners by the names of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ferbench.errors import UserError
from ferbench.records.study import ChosenBy
from ferbench.tuning.database import without_warnings
from ferbench.tuning.objectives import Objective
from ferbench.tuning.tune_settings import Algorithm, PrunerName, TuneSettings

#: Trials that are drawn at random before an algorithm has something to go by.
STARTUP = 10

#: Trials that an algorithm learns from; before `STARTUP` of them it draws at random.
_LEARNS_FROM = {
    "tpe": (TrialState.COMPLETE, TrialState.PRUNED),
    "cma-es": (TrialState.COMPLETE,),
    "gp": (TrialState.COMPLETE,),
}


@dataclass(frozen=True)
class Strategy:
    """What chooses the trials of a study and ends them early.

    Attributes:
        algorithm: chooses.
        pruner: ends hopeless ones; never ``auto``.
        seed: of the algorithm's own draws.
    """

    algorithm: Algorithm = "tpe"
    pruner: PrunerName = "none"
    seed: int = 0

    @classmethod
    def of(cls, settings: TuneSettings, objectives: Sequence[Objective]) -> Strategy:
        """What settings ask for.

        Raises:
            UserError: the pruner cannot be used with these objectives.
        """
        return cls(settings.algorithm, choose_pruner(settings.pruner, objectives), settings.seed)

    def chosen_by(self, trials: Sequence[FrozenTrial], draws: int | None) -> ChosenBy:
        """What is recorded of a trial whose values are chosen now.

        Args:
            trials: those before it.
            draws: the seed that the sampler was made with.
        """
        states = _LEARNS_FROM.get(self.algorithm)
        start_up = states is not None and sum(trial.state in states for trial in trials) < STARTUP
        return ChosenBy(
            algorithm=self.algorithm,
            pruner=self.pruner,
            seed=self.seed,
            draws=draws,
            optuna=optuna.__version__,
            start_up=start_up,
        )


class _CmaEs(optuna.samplers.CmaEsSampler):
    """CMA-ES whose state is derived from the trials each time.

    Optuna's keeps it in the study's database as a pickle, and would run what anybody else has put there.
    """

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        self._completed = completed_trials

    def _init_optimizer(self, trans: Any, direction: StudyDirection) -> Any:
        optimizer = super()._init_optimizer(trans, direction)
        sign = 1 if direction == StudyDirection.MINIMIZE else -1
        while True:
            of_generation = self._get_solution_trials(self._completed, optimizer.generation)
            if len(of_generation) < optimizer.population_size:
                return optimizer
            told = of_generation[: optimizer.population_size]
            optimizer.tell([(trans.transform(one.params), sign * one.values[0]) for one in told])


@without_warnings()
def make_sampler(
    algorithm: Algorithm, objectives: Sequence[Objective], seed: int | None
) -> optuna.samplers.BaseSampler:
    """What chooses the values of a trial.

    Args:
        algorithm: its name; of ``grid`` the study has all points waiting, so that nothing is left to choose.
        objectives: of the study.
        seed: of its draws; None: another one each time.

    Raises:
        UserError: it cannot do with several objectives.
    """
    if len(objectives) > 1 and algorithm == "cma-es":
        raise UserError("cma-es knows one objective only", "choose --algorithm tpe, gp or nsga-ii")
    match algorithm:
        case "tpe":
            return optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=seed)
        case "cma-es":
            return _CmaEs(
                n_startup_trials=STARTUP,
                warn_independent_sampling=False,
                independent_sampler=optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=seed),
                seed=seed,
            )
        case "gp":
            return optuna.samplers.GPSampler(n_startup_trials=STARTUP, seed=seed, warn_independent_sampling=False)
        case "nsga-ii":
            return optuna.samplers.NSGAIISampler(population_size=20, seed=seed)
        case _:
            return optuna.samplers.RandomSampler(seed=seed)


def choose_pruner(name: PrunerName, objectives: Sequence[Objective]) -> PrunerName:
    """The pruner that ``auto`` stands for.

    Raises:
        UserError: a pruner was asked for, and there is nothing to feed it with.
    """
    fed = len(objectives) == 1 and objectives[0].by_epoch
    if name == "auto":
        return "median" if fed else "none"
    if name != "none" and not fed:
        why = "with several objectives none of them decides" if len(objectives) > 1 else "no epoch has this objective"
        raise UserError(f"the {name} pruner cannot be used: {why}", "choose --pruner none, or one other objective")
    return name


@without_warnings()
def make_pruner(name: PrunerName, epochs: int) -> optuna.pruners.BasePruner:
    """What ends hopeless trials by the objective after every epoch, the first of which is 1.

    Args:
        name: ``median``: worse than the median of the trials so far at the same epoch, after five trials;
            ``hyperband``: brackets of successive halving, keeping the best third at epochs 1, 3, 9 … (Li et al. 2018);
            ``asha``: one such bracket, asynchronous (Li et al. 2020); ``none``.
        epochs: the most that a trial trains.
    """
    match name:
        case "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5)
        case "hyperband":
            return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=max(epochs, 1), reduction_factor=3)
        case "asha":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
        case _:
            return optuna.pruners.NopPruner()
