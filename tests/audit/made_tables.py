"""Tables of scores made from confusion matrices."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ferbench.audit.printed import PublishedTable
from ferbench.audit.score_table import parse_table

MEASURES = ("precision", "recall", "f1")


def scikit_learn_scores(matrix: np.ndarray, zero_division: float = 0.0) -> dict[tuple[str, str], float]:
    """Every score of scikit-learn's report, as fractions, by (row, measure)."""
    from sklearn.metrics import classification_report

    true = np.repeat(np.arange(len(matrix)), matrix.sum(axis=1))
    predicted = np.concatenate([np.repeat(np.arange(len(matrix)), row) for row in matrix])
    names = [f"c{k}" for k in range(len(matrix))]
    report = classification_report(
        true, predicted, labels=range(len(matrix)), target_names=names, output_dict=True, zero_division=zero_division
    )
    found = {
        (row, measure): report[row]["f1-score" if measure == "f1" else measure]
        for row in (*names, "macro avg", "weighted avg")
        for measure in MEASURES
    }
    found["accuracy", "f1"] = matrix.trace() / matrix.sum()
    return found


def table_text(printed: dict[tuple[str, str], str], supports) -> str:
    """CSV with these cells."""
    classes = [f"c{k}" for k in range(len(supports))]
    lines = ["class,precision_percent,recall_percent,f1_percent,support"]
    for k, row in enumerate([*classes, "macro avg", "weighted avg", "accuracy"]):
        support = supports[k] if k < len(supports) else sum(supports)
        lines.append(",".join([row, *(printed.get((row, measure), "") for measure in MEASURES), str(support)]))
    return "\n".join(lines)


def printed_scores(matrix: np.ndarray, decimals: int = 2) -> dict[tuple[str, str], str]:
    return {cell: f"{100 * value:.{decimals}f}" for cell, value in scikit_learn_scores(matrix).items()}


def table_of(matrix, decimals: int = 2, **changes: str) -> PublishedTable:
    """The table of a confusion matrix; ``changes`` are ``row__measure="88.00"`` (empty: not published)."""
    matrix = np.asarray(matrix)
    printed = printed_scores(matrix, decimals)
    for name, text in changes.items():
        row, _, measure = name.partition("__")
        printed[row.replace("_", " "), measure] = text
    return parse_table(table_text(printed, matrix.sum(axis=1).tolist()), "made.csv")


@st.composite
def matrices(draw, most: int = 120) -> np.ndarray:
    """Confusion matrices of 2 to 6 classes, each with an image."""
    size = draw(st.integers(2, 6))
    entry = st.one_of(st.just(0), st.integers(0, 5), st.integers(0, most))
    rows = draw(st.lists(st.lists(entry, min_size=size, max_size=size), min_size=size, max_size=size))
    matrix = np.array(rows)
    matrix[matrix.sum(axis=1) == 0, 0] = 1
    return matrix
