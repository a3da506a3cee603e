"""Can these numbers stand together? The exact search where it is possible, linear programming where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ferbench.audit import relaxation
from ferbench.audit.problem import Problem, Solution, TooLargeError
from ferbench.audit.search import BRIEF, WHOLE, find, possible_pairs

Answer = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Solved:
    """The answer about a problem.

    Attributes:
        answer: ``yes`` comes with a solution, ``no`` is proven.
        solution: one of perhaps many.
        right: of each class, the lowest and highest t that any solution may have; None where not listed.
        predicted: the same of p.
    """

    answer: Answer
    solution: Solution | None = None
    right: tuple[tuple[int, int], ...] | None = None
    predicted: tuple[tuple[int, int], ...] | None = None


def solve(problem: Problem | None, *, prove_only: bool = False) -> Solved:
    """Solve a problem.

    Args:
        problem: None has no solution.
        prove_only: give up early, and do not look for a solution where that is not part of the proof that there is
            none: one of many questions, whose answer explains another one.
    """
    if problem is None:
        return Solved("no")
    try:
        return _solve(problem, prove_only)
    except TooLargeError:
        return Solved("unknown")


def _solve(problem: Problem, prove_only: bool) -> Solved:
    if not all(map(len, problem.choices)):
        return Solved("no")
    pairs: list[np.ndarray] | None = []
    try:
        pairs = possible_pairs(problem)
        if pairs is None:
            return Solved("no")
        ranges = [[(int(own[:, k].min()), int(own[:, k].max())) for own in pairs] for k in (0, 1)]
        solution = find(problem, pairs, BRIEF if prove_only else WHOLE)
        return Solved("no" if solution is None else "yes", solution, tuple(ranges[0]), tuple(ranges[1]))
    except TooLargeError:
        pass
    relaxed = relaxation.relax(problem)
    if relaxed.refuted:
        return Solved("no")
    if prove_only:
        return Solved("unknown")
    solution = relaxation.near(problem, relaxed.middle)
    return Solved("unknown" if solution is None else "yes", solution)
