"""Samplers and pruners by the names of ours, on spaces without a run behind them."""

from __future__ import annotations

import ast
import inspect
import pickle
from pathlib import Path

import optuna
import pytest
from optuna._transform import _SearchSpaceTransform
from optuna.trial import TrialState

from ferbench.errors import UserError
from ferbench.records.study import chosen_by
from ferbench.tuning.algorithms import STARTUP, Strategy, choose_pruner, make_pruner, make_sampler
from ferbench.tuning.database import quiet_optuna
from ferbench.tuning.objectives import read_objectives
from ferbench.tuning.ranges import Choices, Range
from ferbench.tuning.space import Dimension, Space

quiet_optuna()

ONE = read_objectives(["macro_f1"])
TWO = read_objectives(["macro_f1", "parameters"])
SPACE = Space(
    {},
    (
        Dimension("loss", "name", Choices(("cross-entropy", "focal"))),
        Dimension("loss", "gamma", Range(0.5, 5.0), component="focal"),
        Dimension("optimizer", "lr", Range(1e-4, 1e-2, log=True)),
        Dimension("model", "width", Range(8, 32, whole=True)),
    ),
)


def searched(algorithm, objectives, trials) -> optuna.Study:
    study = optuna.create_study(
        directions=[one.direction for one in objectives], sampler=make_sampler(algorithm, objectives, 0)
    )

    def tried(trial):
        chosen = SPACE.suggest(trial)
        assert ("loss.focal.gamma" in chosen) == (chosen["loss"] == "focal")
        values = [1 - abs(chosen["model.width"] - 20) / 20, chosen["model.width"]]
        return values[: len(objectives)]

    study.optimize(tried, n_trials=trials)
    return study


@pytest.mark.parametrize("algorithm", ["tpe", "cma-es", "gp", "random"])
def test_an_algorithm_goes_on_past_its_random_start_in_a_conditional_space(algorithm):
    study = searched(algorithm, ONE, STARTUP + 4)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * (STARTUP + 4)
    assert all(isinstance(trial.params["model.width"], int) for trial in study.trials)


@pytest.mark.parametrize("algorithm", ["tpe", "cma-es", "gp"])
def test_a_trial_is_recorded_as_drawn_at_random_exactly_while_the_sampler_draws_so(algorithm):
    """With the same seed a random sampler chooses the same, as long as the algorithm does nothing else."""
    by = Strategy(algorithm)

    def chosen(sampler) -> list[tuple[bool, float]]:
        study = optuna.create_study(direction="maximize", sampler=sampler)
        values = []
        for number in range(STARTUP + 3):
            start_up = by.chosen_by(study.get_trials(deepcopy=False), 5).start_up
            trial = study.ask()
            values.append((start_up, trial.suggest_float("x", 0, 1)))
            study.tell(trial, values[-1][1] if number else None, state=None if number else TrialState.FAIL)
        return values

    mine = chosen(make_sampler(algorithm, ONE, 5))
    at_random = chosen(optuna.samplers.RandomSampler(seed=5))
    alike = [a == b for (_, a), (_, b) in zip(mine, at_random, strict=True)]
    assert [start_up for start_up, _ in mine] == alike
    assert alike[: STARTUP + 1] == [True] * (STARTUP + 1)  # the trial that failed tells nothing
    assert not any(alike[STARTUP + 1 :])


class Program:
    """A pickle that leaves a trace when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_cma_es_learns_from_trials_alone_and_neither_keeps_nor_reads_a_pickle(tmp_path):
    def search(sampler) -> optuna.Study:
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(
            lambda trial: -((trial.suggest_float("x", 0, 1) - 0.3) ** 2) - trial.suggest_float("y", 0, 1), 30
        )
        return study

    theirs = optuna.samplers.CmaEsSampler(n_startup_trials=STARTUP, seed=5)
    kept = search(theirs).trials
    last = max(trial.number for trial in kept if "cma:optimizer:0" in trial.system_attrs)
    state = theirs._restore_optimizer(kept)
    ours = make_sampler("cma-es", ONE, 5)
    ours._restore_optimizer(kept[:last])
    space = _SearchSpaceTransform(kept[0].distributions, transform_step=True, transform_0_1=True)
    derived = ours._init_optimizer(space, optuna.study.StudyDirection.MAXIMIZE)
    assert derived.generation == state.generation >= 2
    assert (derived._mean == state._mean).all()
    assert pytest.approx(state._C) == derived._C
    assert derived._sigma == state._sigma

    mine = search(make_sampler("cma-es", ONE, 5))
    attributes = {key: value for trial in mine.trials for key, value in trial.system_attrs.items()}
    assert attributes["cma:generation"] >= 2
    assert not [key for key in attributes if "optimizer" in key]
    mine.add_trial(
        optuna.trial.create_trial(
            value=0.0,
            params=mine.trials[0].params,
            distributions=mine.trials[0].distributions,
            system_attrs={"cma:optimizer:0": pickle.dumps(Program(tmp_path / "trace")).hex()},
        )
    )
    mine.ask(mine.trials[0].distributions)
    assert not (tmp_path / "trace").exists()


def test_what_chose_a_trial_in_words():
    assert Strategy("tpe").chosen_by([], 1).text == "tpe (start-up)"
    assert Strategy("random").chosen_by([], 1).text == "random"
    assert chosen_by(None) is None
    assert chosen_by({"pruner": "none"}) is None


@pytest.mark.parametrize(
    ("algorithm", "trials"), [("tpe", STARTUP + 3), ("gp", STARTUP + 3), ("nsga-ii", 24), ("random", STARTUP)]
)
def test_an_algorithm_takes_two_objectives(algorithm, trials):
    study = searched(algorithm, TWO, trials)  # nsga-ii: past its first generation of 20
    assert [len(trial.values) for trial in study.trials] == [2] * trials


def test_a_seed_gives_the_same_trials_again():
    first, second = (searched("tpe", ONE, 4) for _ in range(2))
    assert [one.params for one in first.trials] == [one.params for one in second.trials]


def test_auto_prunes_where_epochs_have_the_objective():
    assert choose_pruner("auto", ONE) == "median"
    assert choose_pruner("auto", TWO) == "none"
    assert choose_pruner("auto", read_objectives(["seconds"])) == "none"


@pytest.mark.parametrize("name", ["median", "hyperband", "asha"])
def test_a_pruner_without_values_by_epoch_is_refused(name):
    with pytest.raises(UserError, match=f"the {name} pruner cannot be used"):
        choose_pruner(name, TWO)


@pytest.mark.parametrize(("name", "prunes"), [("median", True), ("hyperband", True), ("asha", True), ("none", False)])
def test_a_pruner_ends_what_is_worse_than_all_before(name, prunes):
    study = optuna.create_study(
        direction="maximize", sampler=make_sampler("random", ONE, 0), pruner=make_pruner(name, 9)
    )

    def tried(trial):
        for epoch in range(1, 10):
            trial.report(epoch / 10 - trial.number, epoch)  # each trial is worse than the one before
            if trial.should_prune():
                raise optuna.TrialPruned
        return 0.9 - trial.number

    study.optimize(tried, n_trials=20)
    assert any(trial.state is TrialState.PRUNED for trial in study.trials) == prunes


def test_nothing_private_of_optuna_is_used_but_where_cma_es_keeps_its_state():
    package = Path(inspect.getfile(Strategy)).parent
    found = []
    for path in sorted(package.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("optuna"):
                found += [name for name in (node.module, *(one.name for one in node.names)) if "._" in f".{name}"]
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
                found += [] if own else [f"{path.name}: {ast.unparse(node)}"]
    assert found == ["algorithms.py: super()._init_optimizer"]
