"""What trials are judged by."""

from __future__ import annotations

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferbench.errors import UserError
from ferbench.records.epoch import Epoch, EpochScores
from ferbench.records.evaluation import ClassScores, EvaluationEntry
from ferbench.records.run import ModelSize, Run, Training
from ferbench.tuning.algorithms import choose_pruner, make_pruner, make_sampler
from ferbench.tuning.objectives import Objective, pareto_front, ranked, read_objectives

optuna.logging.set_verbosity(optuna.logging.ERROR)


def entry(split: str, macro_f1: float, **per_class: ClassScores) -> EvaluationEntry:
    return EvaluationEntry(split=split, rows_digest="", n=1, metrics={"macro_f1": macro_f1}, per_class=per_class)


RUN = Run.model_construct(
    training=Training(epochs=1, best_epoch=1, seconds=12.5),
    model=ModelSize(parameters=1000, flops=None),
    evaluations={
        "t": entry("test", 0.9),
        "v": entry("validation", 0.5, sad=ClassScores(f1=0.3, recall=0.4)),
    },
)


@pytest.mark.parametrize(
    ("name", "value"),
    [("macro_f1", 0.5), ("f1:sad", 0.3), ("recall:sad", 0.4), ("seconds", 12.5), ("parameters", 1000), ("flops", None)],
)
def test_an_objective_is_read_from_validation_or_from_what_the_run_cost(name, value):
    assert Objective(name).of_run(RUN) == value


def test_an_epoch_has_the_metrics_of_validation_and_the_f1_of_classes():
    validation = {"loss": 0.7, "accuracy": float("nan"), "f1": {"sad": 0.2}}
    epoch = Epoch(epoch=1, train=EpochScores(), validation=EpochScores(**validation))
    names = ("loss", "f1:sad", "accuracy")
    assert [Objective(name).of_epoch(epoch) for name in names] == [0.7, 0.2, None]


@pytest.mark.parametrize(
    ("name", "direction"), [("macro_f1", "maximize"), ("loss", "minimize"), ("seconds", "minimize")]
)
def test_costs_and_losses_are_made_smaller(name, direction):
    assert Objective(name).direction == direction


@pytest.mark.parametrize("names", [["macro-f1"], ["precision:sad"], ["f1:"], ["accuracy", "accuracy"]])
def test_an_objective_that_there_is_not_is_refused(names):
    with pytest.raises(UserError):
        read_objectives(names)


BOTH = read_objectives(["macro_f1", "seconds"])


def test_the_front_has_what_nothing_beats_in_everything():
    values = [(0.5, 10.0), (0.6, 20.0), (0.5, 12.0), (0.4, 5.0), (0.6, 20.0)]
    assert pareto_front(BOTH, values) == [1, 0, 3]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 9)), min_size=1, max_size=12))
def test_the_front_is_the_one_that_optuna_finds(values):
    study = optuna.create_study(directions=[one.direction for one in BOTH])
    for one in values:
        study.add_trial(optuna.create_trial(values=list(one)))
    assert {values[i] for i in pareto_front(BOTH, values)} == {tuple(trial.values) for trial in study.best_trials}


def test_one_objective_ranks_all_trials():
    assert ranked(read_objectives(["loss"]), [(0.3,), (0.1,), (0.2,)]) == [1, 2, 0]


def test_a_pruner_is_median_where_epochs_can_feed_it():
    one = read_objectives(["macro_f1"])
    assert choose_pruner("auto", one) == "median"
    assert choose_pruner("auto", BOTH) == choose_pruner("auto", read_objectives(["seconds"])) == "none"
    with pytest.raises(UserError, match="none of them decides"):
        choose_pruner("asha", BOTH)


def test_cma_es_refuses_several_objectives():
    with pytest.raises(UserError, match="one objective only"):
        make_sampler("cma-es", BOTH, 0)


@pytest.mark.parametrize("algorithm", ["tpe", "cma-es", "gp", "random", "nsga-ii"])
def test_every_algorithm_draws_within_the_range(algorithm):
    one = read_objectives(["accuracy"])
    study = optuna.create_study(sampler=make_sampler(algorithm, one, 0), direction="maximize")
    for _ in range(13):
        trial = study.ask()
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 1, 2)
        assert 0 <= x <= 1 <= y <= 2
        study.tell(trial, -((x - 0.3) ** 2))
    assert len({trial.params["x"] for trial in study.trials}) == 13


@pytest.mark.parametrize("name", ["median", "hyperband", "asha"])
def test_every_pruner_ends_a_trial_that_is_worse_than_all_others(name):
    study = optuna.create_study(direction="maximize", pruner=make_pruner(name, 9))
    for _ in range(12):
        trial = study.ask()
        for epoch in range(1, 10):
            trial.report(0.5, epoch)
            trial.should_prune()
        study.tell(trial, 0.5)
    pruned = []
    for _ in range(12):  # brackets of hyperband differ in when they look first
        trial = study.ask()
        for epoch in range(1, 10):
            trial.report(0.1, epoch)
            if trial.should_prune():
                pruned.append(trial.number)
                break
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert pruned
