"""What a run says of all folds of a configuration."""

from __future__ import annotations

from ferbench.api.conduct import Outcome
from ferbench.cli.fold_results import cross_validations
from ferbench.experiment.prepare import Combination
from ferbench.records.evaluation import EvaluationEntry


def asked(place, *, of=3, seed=0, accuracy=0.5, status="done", **settings):
    metrics = {"accuracy": accuracy, "macro_f1": accuracy / 2}
    entry = EvaluationEntry.model_construct(n=10 * place, metrics=metrics)
    several = {"data": {"fold": f"{place}/{of}"}, "training": {"seed": seed}, "name": f"x-{place}", **settings}

    class Ended(Outcome):
        evaluations = {"validation": entry} if status == "done" else {}

    return Ended(Combination(several), status)


def lines(*several):
    return [one.line.removeprefix("synthetic-faces × basic-cnn × cross-entropy × shuffled") for one in found(*several)]


def found(*several):
    return cross_validations(several)


def test_a_mean_over_seeds_is_one_of_means_over_folds():
    several = [asked(p, seed=s, accuracy=0.1 * p + 0.3 * s) for s in (0, 1) for p in (1, 2, 3)]
    assert lines(*several) == [
        ", 3 folds × 2 seeds: accuracy 0.3500 (0.1000–0.6000), macro-F1 0.1750 (0.0500–0.3000), n = 60"
    ]


def test_configurations_are_told_apart_by_what_varies():
    several = [asked(p, optimizer={"lr": lr}) for lr in (0.1, 0.2) for p in (1, 2, 3)]
    assert [one.partition(" folds")[0] for one in lines(*several)] == [", lr 0.1, 3", ", lr 0.2, 3"]


def test_what_is_missing_is_said_by_seed_and_reason():
    several = [asked(1), asked(2, status="failed"), asked(3, status="diverged"), asked(1, seed=1), asked(2, seed=1)]
    (one,) = found(*several)
    assert (
        "fold 2 of seed 0 failed, fold 3 of seed 0 diverged, fold 3 of seed 1 was not asked for; over the 3 of 6"
    ) in one.line
    assert one.to_json()["accuracy"] is None


def test_where_every_fold_failed_there_is_no_number():
    assert lines(*(asked(p, status="failed") for p in (1, 2, 3))) == [
        ": no result on any of 3 folds: folds 1, 2 and 3 failed"
    ]


def test_folds_of_unlike_partitions_are_two_cross_validations():
    several = [asked(p, of=of) for of in (2, 3) for p in range(1, of + 1)]
    assert [one.of for one in found(*several)] == [2, 3]
