"""Figures: valid for Plotly, and of the numbers that they claim."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import pytest
from made_runs import make_run

from ferbench.report import comparison_figures, run_figures
from ferbench.report.charts import plain
from ferbench.report.contents import read_runs
from ferbench.report.theme import template

MANY = tuple(f"class {i}" for i in range(26))


def of(*runs):
    contents = read_runs(runs)
    found = [figure for run in contents.runs for figure in run_figures.of_run(run)]
    for group in contents.comparisons:
        found += comparison_figures.of_comparison(group, "c")
    return contents, found


@pytest.mark.parametrize("classes", [("a", "b"), MANY])
def test_plotly_accepts_every_figure_in_every_view(classes, tmp_path):
    _, found = of(
        make_run(tmp_path, classes=classes, affect=True), make_run(tmp_path, classes=classes, seed=1, affect=True)
    )
    assert len(found) == 2 * (1 + 3 + 2 + 1) + 2
    for figure in found:
        for mode in ("light", "dark"):
            go.Figure({**figure.spec, "layout": {**figure.spec["layout"], "template": template(mode)}})
        for view in figure.views.values():
            go.Figure([{**figure.spec["data"][0], **view}])


def test_ids_of_figures_differ_and_name_their_tables(tmp_path):
    from ferbench.report.page import compose

    report = compose(read_runs([make_run(tmp_path, seed=seed) for seed in range(3)]))
    ids = [figure.id for figure in report.figures()] + [table.id for table in report.tables()]
    assert len(set(ids)) == len(ids)
    assert {figure.table for figure in report.figures()} <= {table.id for table in report.tables()}


def test_the_confusion_matrix_shows_counts_and_both_shares(tmp_path):
    contents, found = of(make_run(tmp_path, classes=("a", "b"), n=50))
    matrix = contents.runs[0].result.confusion
    views = found[0].views
    assert views["Counts"]["z"] == matrix.tolist()
    assert [sum(row) for row in views["Row %"]["z"]] == pytest.approx([1, 1])
    assert [sum(column) for column in zip(*views["Column %"]["z"], strict=True)] == pytest.approx([1, 1])


def test_a_class_that_is_never_predicted_has_no_share(tmp_path):
    run = make_run(tmp_path, classes=("a", "b"))
    contents = read_runs([run])
    contents.runs[0].result.confusion[:, 1] = 0
    figure = run_figures.of_run(contents.runs[0])[0]
    assert [row[1] for row in figure.views["Column %"]["z"]] == [0.0, 0.0]


def test_no_line_is_told_from_another_by_colour_alone(tmp_path):
    _, found = of(make_run(tmp_path, classes=tuple("abcdefghij")))
    for figure in found[1:]:
        looks = [(line["line"]["dash"], line["marker"]["symbol"]) for line in figure.spec["data"]]
        assert len(set(looks)) == len(looks)


def test_more_classes_than_lines_can_tell_apart_become_cells(tmp_path):
    _, found = of(make_run(tmp_path, classes=MANY))
    assert found[-1].spec["data"][0]["type"] == "heatmap"


def test_the_kept_epoch_is_marked(tmp_path):
    _, found = of(make_run(tmp_path, epochs=5))
    assert [shape["x0"] for shape in found[1].spec["layout"]["shapes"]] == [4]


def test_a_loss_that_is_no_number_leaves_a_gap(tmp_path):
    contents = read_runs([make_run(tmp_path)])
    contents.runs[0].history[2]["train"]["loss"] = None
    figure = run_figures.curves(contents.runs[0])[0]
    assert figure.spec["data"][0]["y"][2] is None


@pytest.mark.parametrize("text", ["<b>x</b>", "a & b", "$x$", "tab\tand \x1b[31mescape"])
def test_names_are_plain_text_to_plotly(text):
    import html

    said = plain(text)
    assert "<" not in said
    assert "$" not in said
    assert "\x1b" not in html.unescape(said)


@pytest.mark.parametrize("epochs", [1, 5, 50])
def test_the_axis_of_epochs_shows_no_epoch_that_there_is_not(epochs, tmp_path):
    _, found = of(make_run(tmp_path, epochs=epochs))
    (low, high) = found[1].spec["layout"]["xaxis"]["range"]
    assert -1.5 < low < 1  # ticks stand at 0 and its multiples, and -2 would be the next one below
    assert epochs < high < 1.05 * epochs + 1


@pytest.mark.parametrize(("kept", "anchor"), [(1, "left"), (5, "center"), (10, "right")])
def test_words_at_the_kept_epoch_stay_within_the_figure(kept, anchor, tmp_path):
    run = make_run(tmp_path, epochs=10)
    lines = (run.path / "history.jsonl").read_text().splitlines()
    history = [{**json.loads(line), "best": number == kept} for number, line in enumerate(lines, 1)]
    (run.path / "history.jsonl").write_text("".join(json.dumps(one) + "\n" for one in history))
    _, found = of(run)
    (words,) = found[1].spec["layout"]["annotations"]
    assert (words["x"], words["xanchor"]) == (kept, anchor)
