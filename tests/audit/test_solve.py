"""The search for whole numbers, against trying everything."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import matrices, printed_scores, table_text

from ferbench.audit import relaxation
from ferbench.audit.printed import Cell
from ferbench.audit.problem import Conventions, pose
from ferbench.audit.score_table import parse_table
from ferbench.audit.solve import solve


def tried(problem):
    """Whether any choice of a pair for each class is a solution."""
    pairs = [[tuple(map(int, pair)) for pair in one.pairs()] for one in problem.choices]
    return any(problem.holds(*zip(*chosen, strict=True)) for chosen in itertools.product(*pairs))


MEASURED = [(row, measure) for row in ("macro avg", "weighted avg") for measure in ("precision", "recall", "f1")]


@dataclass(frozen=True)
class Case:
    """Cells of a table of few images: which are kept, and which are wrong."""

    matrix: np.ndarray
    decimals: int
    kept: set[tuple[str, str]]
    wrong: dict[tuple[str, str], int]

    def table(self):
        printed = printed_scores(self.matrix, self.decimals) | {cell: str(value) for cell, value in self.wrong.items()}
        kept = {cell: printed[cell] for cell in self.kept}
        return parse_table(table_text(kept, self.matrix.sum(axis=1).tolist()), "small.csv")


@st.composite
def cases(draw):
    """Tables of two or three classes."""
    size = draw(st.integers(2, 3))
    rows = draw(st.lists(st.lists(st.integers(0, 2), min_size=size, max_size=size), min_size=size, max_size=size))
    matrix = np.array(rows)
    matrix[matrix.sum(axis=1) == 0, 0] = 1
    cells = [(f"c{k}", measure) for k in range(size) for measure in ("precision", "recall", "f1")]
    cell = st.sampled_from([*cells, *MEASURED, ("accuracy", "f1")])
    wrong = draw(st.dictionaries(cell, st.integers(0, 100), max_size=2))
    return Case(matrix, draw(st.integers(0, 1)), draw(st.sets(cell, min_size=3)), wrong)


@settings(max_examples=40)
@given(cases(), st.sampled_from(["mean", "harmonic"]))
def test_the_search_finds_a_solution_exactly_when_there_is_one(case, macro_f1):
    table = case.table()
    problem = pose(table, list(table.scores), Conventions(macro_f1=macro_f1))
    answer = solve(problem)
    if problem is None:
        assert answer.answer == "no"
        return
    assert answer.answer == ("yes" if tried(problem) else "no")
    if answer.solution is not None:
        assert problem.holds(answer.solution.right, answer.solution.predicted)


@settings(max_examples=20)
@given(cases())
def test_the_linear_program_refutes_nothing_that_has_a_solution(case):
    table = case.table()
    problem = pose(table, list(table.scores), Conventions())
    if problem is not None and all(map(len, problem.choices)) and tried(problem):
        assert not relaxation.relax(problem).refuted


@settings(max_examples=15)
@given(matrices(), st.sampled_from(["precision", "recall", "f1"]))
def test_bounds_of_an_average_contain_its_true_value(matrix, measure):
    printed = printed_scores(matrix, 1)
    known = [("accuracy", "f1"), ("macro avg", measure), ("c0", "f1")]
    table = parse_table(table_text({cell: printed[cell] for cell in known}, matrix.sum(axis=1).tolist()), "some.csv")
    problem = pose(table, list(table.scores), Conventions())
    bounds = relaxation.reach(problem, 0)
    value = float(table.scores[Cell("macro avg", measure)].value)
    assert float(bounds.low) - 0.0005 <= value <= float(bounds.high) + 0.0005


def test_the_least_macro_recall_fills_the_largest_classes():
    text = "class,recall,f1,support\na,,,10\nb,,,20\nc,,,70\nmacro avg,50,,100\naccuracy,,80.00,100"
    table = parse_table(text, "three.csv")
    bounds = relaxation.reach(pose(table, list(table.scores), Conventions()), 0)
    assert abs(float(bounds.low) - (1 + 10 / 20) / 3) < 1e-6
    assert abs(float(bounds.high) - (2 + 50 / 70) / 3) < 1e-6


def test_a_few_averages_of_a_large_test_set_are_decided():
    text = "class,recall,f1,support\n" + "\n".join(f"c{k},,,{700 + 97 * k}" for k in range(7))
    table = parse_table(f"{text}\nmacro avg,61.20,\naccuracy,,60.03", "averages.csv")
    problem = pose(table, list(table.scores), Conventions())
    answer = solve(problem)
    assert answer.answer == "yes"
    assert problem.holds(answer.solution.right, answer.solution.predicted)
