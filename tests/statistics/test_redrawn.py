"""Metrics over samples that are drawn anew, against formulas for means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from ferbench.statistics.estimates import difference, interval
from ferbench.statistics.redrawn import DRAWS, SELDOM, Redrawn, by_draws, draws
from ferbench.statistics.sampling import Design, Measured

N = 240
LABELS = np.arange(N) % 3
RNG = np.random.default_rng(5)
A, B = (RNG.normal(LABELS + shift, 1.0) for shift in (0.0, 0.2))
ALONE = Design(LABELS, 3)
PEOPLE = Design(LABELS, 3, clusters=np.arange(N) // 12)


def mean_of(each):
    return lambda rows, copies: float(each[rows].mean())


def redrawn(*several, design=ALONE):
    return by_draws([mean_of(each) for each in several], [float(each.mean()) for each in several], design)


def test_the_variance_is_that_of_a_stratified_mean():
    expected = sum(A[k == LABELS].var(ddof=1) / 80 / 9 for k in range(3))
    assert redrawn(A).sampling == pytest.approx(expected, rel=0.2)  # of 200 draws


def test_of_people_it_is_that_of_a_mean_of_clusters():
    means = A.reshape(20, 12).mean(axis=1)
    assert redrawn(A, design=PEOPLE).sampling == pytest.approx(means.var(ddof=1) / 20, rel=0.2)
    found = interval(redrawn(A, design=PEOPLE), Redrawn.of(PEOPLE, DRAWS), scale="plain")
    half = t.ppf(0.975, 19) * means.std(ddof=1) / math.sqrt(20)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)


def test_differences_are_paired_on_the_draws():
    gap = difference(redrawn(B), redrawn(B - 0.1), Redrawn.of(ALONE, DRAWS))
    assert (gap.value, gap.low, gap.high) == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))
    alike, apart = redrawn(A), redrawn(B)
    exact = [Measured.of(np.array([each.mean()]), each[None] / N, ALONE) for each in (A, B)]
    assert difference(alike, apart, Redrawn.of(ALONE, DRAWS)).p == pytest.approx(difference(*exact, ALONE).p, abs=0.03)


def test_seeds_are_another_source_of_variance_than_what_they_make_of_single_samples():
    seeds = [A + RNG.normal(shift, 0.5, N) for shift in (0.0, 0.5, 1.0)]
    exact = Measured.of(np.array([each.mean() for each in seeds]), np.stack(seeds) / N, ALONE)
    found = redrawn(*seeds)
    assert found.sampling == pytest.approx(exact.sampling, rel=0.2)
    assert found.interaction == pytest.approx(exact.interaction, rel=0.25)
    assert found.seeding == pytest.approx(exact.seeding, rel=0.02)


def test_the_draws_hang_on_no_order_of_the_samples():
    mixed = RNG.permutation(N)
    ids = np.array([f"s{k:03}" for k in range(N)])
    for design in (ALONE, PEOPLE):
        clusters = None if design.clusters is None else design.clusters[mixed]
        other = Design(LABELS[mixed], 3, clusters=clusters)
        first = [ids[rows].tolist() for rows, _ in draws(design, 3, np.argsort(ids))]
        assert first == [ids[mixed][rows].tolist() for rows, _ in draws(other, 3, np.argsort(ids[mixed]))]


def test_what_is_seldom_defined_has_no_interval():
    calls = iter(range(10_000))
    found = by_draws([lambda rows, copies: math.nan if next(calls) % 10 == 0 else 0.5], [0.5], ALONE)
    assert found.lacks == SELDOM
    assert interval(found, Redrawn.of(ALONE, DRAWS)) is None


def test_a_few_draws_without_a_value_are_left_out():
    calls = iter(range(10_000))
    found = by_draws(
        [lambda rows, copies: math.nan if next(calls) % 50 == 0 else mean_of(A)(rows, copies)], [0.0], ALONE
    )
    assert found.lacks == ""
    assert found.sampling == pytest.approx(redrawn(A).sampling, rel=0.1)
