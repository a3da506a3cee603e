"""A browser for tests of pages, and a run with probabilities of all sizes."""

from __future__ import annotations

import numpy as np
import pytest
from browser import chromium, visit
from made_runs import make_run
from made_views import rewrite

__all__ = ["chromium", "visit"]


@pytest.fixture
def run(tmp_path):
    """A run with probabilities of all sizes, which validation says are too sure."""
    made = make_run(tmp_path / "results", name="one")
    for split in ("test", "validation"):
        rng = np.random.default_rng(7)
        logits = rng.normal(0, 1.0, (350, 7))
        truth = np.array([rng.choice(7, p=row) for row in np.exp(logits) / np.exp(logits).sum(1, keepdims=True)])
        sure = np.exp(3 * logits)
        probabilities = (sure / sure.sum(axis=1, keepdims=True)).astype(np.float32)
        rewrite(made, split, truth=truth, probabilities=probabilities)
    return made
