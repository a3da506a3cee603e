"""Nearest vectors, against a comparison of every pair."""

from __future__ import annotations

import numpy as np
import pytest

from ferbench.audit import neighbours
from ferbench.audit.neighbours import nearest


def directions(generator, count, size=16):
    vectors = generator.normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def every_pair(vectors, queries, count, least):
    cosines = queries @ vectors.T
    np.fill_diagonal(cosines, -2)
    best = np.argsort(-cosines, axis=1)[:, :count]
    return {(i, j) for i, row in enumerate(best.tolist()) for j in row if cosines[i, j] >= least}


def pairs(found):
    return set(zip(found.query.tolist(), found.vector.tolist(), strict=True))


@pytest.mark.parametrize("count", [0, 1, 2, 5, 300])
def test_few_vectors_are_all_compared(count):
    generator = np.random.default_rng(count)
    vectors, queries = directions(generator, count), directions(generator, count)
    assert pairs(nearest(vectors, queries, 7, 0.2)) == every_pair(vectors, queries, 7, 0.2)


def test_cosines_are_those_of_the_pairs():
    generator = np.random.default_rng(0)
    vectors = directions(generator, 50)
    found = nearest(vectors, vectors, 3, -1)
    assert len(found.query) == 150
    assert found.cosine == pytest.approx((vectors[found.query] * vectors[found.vector]).sum(axis=1), abs=1e-5)


def test_in_cells_the_close_ones_are_found(monkeypatch):
    monkeypatch.setattr(neighbours, "_EVERY", 500)
    generator = np.random.default_rng(1)
    vectors = directions(generator, 3000)
    queries = vectors + 0.15 * directions(generator, 3000)
    moved = np.roll(queries / np.linalg.norm(queries, axis=1, keepdims=True), 1, axis=0)
    found = pairs(nearest(vectors, moved, 5, 0.9))
    assert sum(((i + 1) % 3000, i) in found for i in range(3000)) == 3000
