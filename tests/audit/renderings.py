"""One table of scores in the ways in which people publish it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Rows = list[list[str]]


def rows_of(matrix: np.ndarray, names: Sequence[str], digits: int, percent: bool, averages: bool = True) -> Rows:
    """A header and rows of precision, recall, F1 and support, the accuracy below F1, as scikit-learn computes them."""
    right, predicted, supports = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    columns = [
        right / np.maximum(predicted, 1),
        right / np.maximum(supports, 1),
        2 * right / np.maximum(predicted + supports, 1),
    ]

    def shown(value: float) -> str:
        return f"{100 * value:.{digits}f}" if percent else f"{value:.{digits}f}"

    rows = [["class", "precision", "recall", "f1-score", "support"]]
    rows += [[name, *(shown(column[k]) for column in columns), str(supports[k])] for k, name in enumerate(names)]
    if averages:
        total = str(supports.sum())
        rows.append(["accuracy", "", "", shown(right.sum() / supports.sum()), total])
        rows.append(["macro avg", *(shown(column.mean()) for column in columns), total])
        rows.append(["weighted avg", *(shown(np.average(column, weights=supports)) for column in columns), total])
    return rows


def report(rows: Rows) -> str:
    """scikit-learn's text since 0.20."""
    width = max(len(row[0]) for row in rows)
    lines = [" " * width + "".join(f" {cell:>9}" for cell in rows[0][1:]), ""]
    for row in rows[1:]:
        if row[0] == "accuracy":
            lines.append("")
        lines.append(f"{row[0]:>{width}} " + "".join(f" {cell:>9}" for cell in row[1:]))
    return "\n".join(lines) + "\n"


def old_report(rows: Rows) -> str:
    """scikit-learn's text until 0.19: one average, weighted."""
    kept = [row for row in rows if row[0] not in ("accuracy", "macro avg", "weighted avg")]
    return f"{report(kept)}\n{report([rows[0], ['avg / total', *rows[-1][1:]]]).splitlines()[-1]}\n"


def markdown(rows: Rows) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + "\n"


def bold_markdown(rows: Rows) -> str:
    return markdown(
        [rows[0], *([f"**{row[0].title()}**", *(cell and f"*{cell}*" for cell in row[1:])] for row in rows[1:])]
    )


def boxed(rows: Rows) -> str:
    """As tabulate and psql draw it."""
    width = max(len(cell) for row in rows for cell in row)
    rule = "+" + ("-" * (width + 2) + "+") * len(rows[0])
    lines = ["| " + " | ".join(f"{cell:<{width}}" for cell in row) + " |" for row in rows]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule]) + "\n"


def separated(between: str) -> Callable[[Rows], str]:
    return lambda rows: "\n".join(between.join(row) for row in rows) + "\n"


def decimal_commas(rows: Rows) -> str:
    return separated(";")([[cell.replace(".", ",") for cell in row] for row in rows])


def turned(rows: Rows) -> str:
    return separated(",")([list(column) for column in zip(*rows, strict=True)])


def latex(rows: Rows) -> str:
    body = " \\\\\n".join(" & ".join(row) for row in rows)
    head = "\\begin{table}\n\\caption{Scores by class}\n\\begin{tabular}{lrrrr}\n\\toprule\n"
    return f"{head}{body} \\\\\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n".replace(
        "\\\\\n", "\\\\\n\\midrule\n", 1
    )


def bold_latex(rows: Rows) -> str:
    return latex(
        [rows[0], *([f"\\textbf{{{row[0]}}}", *(cell and f"${cell}$" for cell in row[1:])] for row in rows[1:])]
    )


def html(rows: Rows) -> str:
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows[1:]]
    heads = "".join(f"<th>{cell}</th>" for cell in rows[0])
    return (
        f"<table border='1'><thead><tr>{heads}</tr></thead>"
        + "".join(f"<tr>{line}</tr>\n" for line in lines)
        + "</table>"
    )


def _values(rows: Rows) -> Mapping[str, object]:
    values: dict[str, object] = {}
    for name, *cells in rows[1:]:
        if name == "accuracy":
            values[name] = float(cells[2])
        else:
            values[name] = {
                column: int(cell) if column == "support" else float(cell)
                for column, cell in zip(rows[0][1:], cells, strict=True)
            }
    return values


def as_json(rows: Rows) -> str:
    return json.dumps(_values(rows), indent=2)


def as_python(rows: Rows) -> str:
    return f"report = {_values(rows)}"


RENDERINGS: dict[str, Callable[[Rows], str]] = {
    "report": report,
    "old report": old_report,
    "markdown": markdown,
    "bold markdown": bold_markdown,
    "boxed": boxed,
    "commas": separated(","),
    "tabs": separated("\t"),
    "semicolons": separated(";"),
    "decimal commas": decimal_commas,
    "transposed": turned,
    "latex": latex,
    "bold latex": bold_latex,
    "html": html,
    "json": as_json,
    "python": as_python,
}
#: Those that lose trailing zeros, as numbers do.
AS_NUMBERS = ("json", "python")

AROUND: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "a heading": lambda text: f"Classification Report\n=====================\n\n{text}",
    "a code fence": lambda text: f"## Results\n\nOn the test set:\n\n```\n{text}```\n\nSee above, and cite us.\n",
    "a log": lambda text: (
        f"Epoch 9/10\n100%|██████████| 225/225 [00:12<00:00, 18.2it/s]\nloss: 0.8123 - accuracy: 0.7011\n\n{text}\n"
        "Saved model to best.h5\n"
    ),
}
