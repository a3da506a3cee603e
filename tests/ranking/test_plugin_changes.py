"""The paired bootstrap of metrics of plugins, against formulas for means."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from ferbench import MetricSpec
from ferbench.metrics.predicted import Predictions, drawn_again
from ferbench.plugin.component import Component, PluginRecord
from ferbench.ranking.plugin_changes import _drawn, _tested
from ferbench.statistics.bootstrap import Change
from ferbench.statistics.sampling import Design

N = 200
LABELS = np.arange(N) % 2
RNG = np.random.default_rng(3)


def given(skill: float) -> Predictions:
    truth = RNG.beta(2 + skill, 2, N)
    probabilities = np.where((np.arange(2) == LABELS[:, None]), truth[:, None], 1 - truth[:, None])
    people = np.array([f"p{k // 10}" for k in range(N)])
    return Predictions(np.array([f"s{k}" for k in range(N)]), LABELS, probabilities, ("a", "b"), subjects=people)


A, B = given(1.0), given(0.0)


def hit(predictions: Predictions) -> float:
    return float(predictions.probabilities[np.arange(len(predictions)), predictions.labels].mean())


@pytest.fixture
def component(monkeypatch) -> Component:
    monkeypatch.setattr(Component, "builder", lambda self: hit)
    return Component("metric", MetricSpec("hit", build="x:hit"), PluginRecord("x", "x", "1", "x"))


def each(predictions: Predictions) -> np.ndarray:
    return predictions.probabilities[np.arange(N), LABELS]


def change(component: Component, design: Design, draws: int = 2000) -> Change:
    plain = Change("hit", hit(A), hit(B), math.nan, math.nan, math.nan)
    values = [np.array([hit(A)]), np.array([hit(B)])]
    return _tested(plain, _drawn(component, [[A], [B]], design, draws), values, design)


def test_over_samples_the_interval_is_that_of_a_stratified_mean(component):
    gaps = each(A) - each(B)
    variance = sum(gaps[k == LABELS].var(ddof=1) * 100 for k in (0, 1)) / N**2
    half = t.ppf(0.975, N - 2) * math.sqrt(variance)
    found = change(component, Design(LABELS, 2))
    assert found.difference == pytest.approx(gaps.mean())
    assert found.high - found.low == pytest.approx(2 * half, rel=0.08)
    assert (found.high + found.low) / 2 == pytest.approx(gaps.mean(), abs=0.1 * half)


def test_over_people_the_interval_is_that_of_a_mean_of_clusters(component):
    gaps = (each(A) - each(B)).reshape(20, 10).mean(axis=1)
    half = t.ppf(0.975, 19) * gaps.std(ddof=1) / math.sqrt(20)
    found = change(component, Design(LABELS, 2, clusters=np.arange(N) // 10))
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)


def test_models_that_say_the_same_are_told_apart_by_nothing(component):
    design = Design(LABELS, 2)
    drawn = _drawn(component, [[A], [A]], design, 50)
    found = _tested(Change("hit", hit(A), hit(A), *(math.nan,) * 3), drawn, [np.array([hit(A)])] * 2, design)
    assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)


def test_seeds_make_the_interval_wider(component):
    design, drawn = Design(LABELS, 2), np.random.default_rng(0).normal(0.1, 0.01, 2000)
    plain = Change("hit", 0.6, 0.5, math.nan, math.nan, math.nan)
    one = _tested(plain, drawn, [np.array([0.6]), np.array([0.5])], design)
    several = _tested(plain, drawn, [np.array([0.55, 0.6, 0.65]), np.array([0.45, 0.5, 0.55])], design)
    assert several.high - several.low > 3 * (one.high - one.low)


def test_what_is_seldom_defined_is_not_tested(component):
    drawn = np.where(np.arange(100) < 10, np.nan, 0.1)
    found = _tested(
        Change("hit", 0.6, 0.5, *(math.nan,) * 3), drawn, [np.array([0.6]), np.array([0.5])], Design(LABELS, 2)
    )
    assert "not defined for many" in found.lacks


def test_a_person_who_is_drawn_twice_counts_as_two():
    rows = np.array([0, 1, 0, 1, 15])
    again = drawn_again(
        replace(A, subjects=np.where(np.arange(N) == 15, "", A.subjects)), rows, np.array([0, 0, 1, 1, 2])
    )
    assert again.subjects.tolist() == ["p0#0", "p0#0", "p0#1", "p0#1", ""]
