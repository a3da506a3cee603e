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
    assert simulate.null_leaderboards(metric, seeds, 120, models=6, world=world) <= 12


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
