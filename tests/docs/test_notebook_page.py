"""The page on notebooks: its cells are run by a real Jupyter kernel."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "notebook.md"
CELLS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> dict[str, str]:
    """What each cell shows, all its forms together, by the cell's text."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    os.environ["FERBENCH_CACHE"] = str(folder / "cache")
    try:
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    finally:
        del os.environ["FERBENCH_CACHE"]
    shown = {}
    for cell in notebook.cells:
        parts = []
        for output in cell.outputs:
            parts += [output.get("text", ""), *map(str, output.get("data", {}).values())]
        shown[cell.source] = "\n".join(parts)
    return shown


def of(outputs: dict[str, str], start: str) -> str:
    """What the cell shows that has a line that begins so."""
    (found,) = [text for cell, text in outputs.items() if re.search(f"^{re.escape(start)}", cell, re.MULTILINE)]
    return found


def test_no_output_has_control_characters_of_terminals(outputs):
    assert [cell for cell, text in outputs.items() if "\x1b" in text or "\r" in text] == []


def test_training_shows_a_bar_and_then_the_runs(outputs):
    shown = of(outputs, "runs = fb.run")
    assert "<progress" in shown
    assert "epoch 2/2: validation accuracy" in shown
    assert "<table" in shown
    assert "4 runs: 4 done" in shown


def test_frames_show_numbers(outputs):
    for start in ("runs.frame()", "r.per_class", "r.history", "wrong = ", "r.confusion", "board", "r.predict("):
        assert "<table" in of(outputs, start), start
    assert "fear" in of(outputs, "r.per_class")


def test_the_figure_is_plotlys(outputs):
    assert "application/vnd.plotly" in of(outputs, "r.figure") or "heatmap" in of(outputs, "r.figure")


def test_a_search_is_shown_and_found_again(outputs):
    assert "<table" in of(outputs, "study = fb.tune")
    assert "optimizer.lr" in of(outputs, "study.best.settings")
    assert "<table" in of(outputs, "study.best.runs")
    assert "application/vnd.plotly" in of(outputs, "study.figure") or "scatter" in of(outputs, "study.figure")
    assert "macro_f1" in of(outputs, "fb.load_study")


def test_a_class_of_a_cell_is_trained_and_used(outputs):
    assert "1 run: 1 done" in of(outputs, "class TinyNet")
    assert int(of(outputs, "sum(parameter")) == 4 * 9 + 4 + 8 + 8 * 4 * 9 + 8 + 8 * 7 + 7


def test_verdicts_and_remedies_are_told(outputs):
    assert "inconsistent" in of(outputs, "table = ")
    assert "macro-F1" in of(outputs, "fb.compare")
    assert "did you mean" in of(outputs, "try:")
