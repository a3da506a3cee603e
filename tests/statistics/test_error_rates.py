"""Small versions of benchmarks/statistics: error rates and coverage with fixed seeds.

A share of 5 % among 120 is at most 12 with 99 % probability, and one of 95 % among 400 lies between 367 and 391.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "statistics" / "simulate.py"


@pytest.fixture(scope="module")
def simulate():
    spec = importlib.util.spec_from_file_location("simulate_statistics", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_models_are_rarely_told_apart(simulate, metric, seeds):
    world = simulate.World(n=500, seed_spread=0.05 if seeds > 1 else 0)
    assert simulate.leaderboards(metric, seeds, 120, models=6, world=world)[0] <= 12


def test_one_row_whose_seeds_move_it_far_more_is_rarely_told_apart(simulate):
    world = simulate.World(n=500, seed_spread=0.2, first_spread=4.0)
    assert simulate.leaderboards("macro_f1", 3, 120, models=5, world=world)[0] <= 13


def test_the_best_and_the_worst_of_five_are_told_apart(simulate):
    """6.2 points of accuracy apart, where a seed moves a model by 1.3: 3 of 4 times and more on a larger test set."""
    world = simulate.World(n=1000, seed_spread=0.1, apart=6.2 / 13)
    assert simulate.leaderboards("macro_f1", 3, 60, models=5, world=world)[1] >= 30


def test_an_unlike_model_is_told_apart(simulate):
    design, rng = simulate.World(n=500).design(), simulate.np.random.default_rng(0)
    better, worse = (simulate.World(n=500, skill=skill).answers(design, 1, 3, rng)[0] for skill in (1.6, 0.2))
    measured = [simulate.measure("macro_f1", design, one) for one in (better, worse)]
    assert simulate.all_pairs(measured, design)[0, 1] < 0.01


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "balanced_accuracy"])
@pytest.mark.parametrize(("seeds", "spread"), [(1, 0.0), (3, 0.1)])
def test_intervals_hold_the_true_value_as_often_as_they_say(simulate, metric, seeds, spread):
    held, _ = simulate.coverage(metric, seeds, 400, simulate.World(n=500, seed_spread=spread))
    assert 367 / 400 <= held <= 391 / 400


def test_bootstrap_intervals_hold_the_true_difference(simulate):
    held = simulate.bootstrap_coverage(("accuracy", "macro_f1"), 1, 120, simulate.World(n=400), draws=400)
    assert all(0.89 <= share <= 0.992 for share in held.values())


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_equal_models_are_rarely_told_apart_on_few_samples(simulate, metric):
    """5 % of 1,600 is at most 100 with 99.5 % probability; of 100 it is at most 14 with 99.9 %."""
    sizes = [(2, 1), (3, 2), (2, 5), (4, 3), (4, 5), (7, 1), (7, 3), (7, 5)]
    wrong = [
        simulate.told_apart(metric, [each] * classes, (skill, skill), 100, seed=each)[0]
        for classes, each in sizes
        for skill in (0.5, 0.8)
    ]
    assert sum(wrong) <= 1.0
    assert max(wrong) <= 0.14


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
@pytest.mark.parametrize("setting", [{"rare": 0.5}, {"people": 10}])
def test_equal_models_are_rarely_told_apart_by_a_rare_class_or_few_people(simulate, metric, setting):
    """5 % of 200 is at most 18 with 99 % probability."""
    wrong = simulate.told_apart(metric, [5, 20, 20, 20], (0.7, 0.7), 200, draws=200, **setting)
    assert max(wrong) <= 0.09


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_models_that_are_far_apart_are_told_apart_on_few_samples(simulate, metric):
    assert min(simulate.told_apart(metric, [5] * 7, (0.95, 0.2), 60, draws=200)) > 0.9
