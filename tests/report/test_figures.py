"""Figures: valid for Plotly, and of the numbers that they claim."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import optuna
import plotly.graph_objects as go
import pytest
from made_runs import make_run
from optuna.distributions import CategoricalDistribution, FloatDistribution

from ferbench.records.study import Dimension, Samples, Study
from ferbench.report import comparison_figures, run_figures
from ferbench.report.charts import Figure, named_axis, plain
from ferbench.report.contents import read_runs
from ferbench.report.page import compose
from ferbench.report.theme import template
from ferbench.report.timeline_figures import timeline_figures
from ferbench.report.timeline_view import TimelineView
from ferbench.temporal.patterns import find_patterns
from ferbench.temporal.timeline import Timeline
from ferbench.tuning.study_figures import of_study
from ferbench.tuning.view import StudyView

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
    contents.runs[0].history[2].train.loss = None
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


#: What Plotly takes for numbers, dates, truth or nothing: some classes of RAF-DB first, in another order than theirs.
LOOK_LIKE_NUMBERS = ("2", "1", "10", "1e3", "2026-01-01", "True", "nan", "-1", "0x1", "1,000", "")


def figures_of_runs(tmp_path, classes) -> Iterator[Figure]:
    runs = [
        make_run(tmp_path, name=name, classes=classes, seed=seed, affect=True, model=f"net-{seed}")
        for seed, name in enumerate(("3", "1", "1"))
    ]
    for run in runs:
        lines = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
        weighed = [{**line, "sampler": {"weights": dict.fromkeys(classes, 1.0)}} for line in lines]
        (run.path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in weighed))
    yield from compose(read_runs(runs)).figures()
    yield from compose(read_runs(runs[:2])).figures()  # with differences of confusion


def figures_of_a_study() -> Iterator[Figure]:
    choices = LOOK_LIKE_NUMBERS[:-1]
    trials = []
    for i, one in enumerate(choices):
        trials.append(
            optuna.trial.create_trial(
                value=i / 10,
                params={"1": one, "2026": 0.5},
                distributions={"1": CategoricalDistribution(choices), "2026": FloatDistribution(0.0, 1.0)},
                intermediate_values={1: 0.1, 2: 0.2},
            )
        )
        trials[i].number = i
    record = Study(
        **{"id": "0" * 12, "label": "tiny", "objectives": ["macro_f1"], "algorithm": "tpe", "pruner": "none"},
        **{"dataset": "d", "protocol": "p", "samples": Samples(train=1, validation=1)},
        space=[Dimension(key="1", choices=list(choices)), Dimension(key="2026", low=0.0, high=1.0)],
    )
    yield from of_study(StudyView(record, trials, importances={"macro_f1": {"1": 0.7, "2026": 0.3}}))


def figures_of_a_timeline(classes) -> Iterator[Figure]:
    said = np.eye(len(classes))[np.arange(3 * len(classes)) % len(classes)]
    index = np.arange(len(said))
    timeline = Timeline(classes, tuple(map(str, index)), index, index / 25, said, None, 1)
    view = TimelineView(timeline, "v.mp4", "video", "0" * 12, "v.mp4", 1, (), None, True)
    yield from timeline_figures(view, find_patterns(timeline))


@pytest.mark.parametrize("classes", [LOOK_LIKE_NUMBERS, LOOK_LIKE_NUMBERS[:7]], ids=["cells", "lines"])
def test_no_name_is_left_to_plotly_to_place(classes, tmp_path):
    """What is a text in the place of a coordinate is a number or a date to Plotly, or what else it looks like."""
    figures = [*figures_of_runs(tmp_path, classes), *figures_of_a_study(), *figures_of_a_timeline(classes)]
    kinds = {figure.id.split("-")[0] for figure in figures}
    assert {"confusion", "curve", "focus", "comparison", "importance", "parallel", "slice", "timeline"} <= kinds
    assert any("difference" in figure.id for figure in figures)
    named = 0
    for figure in figures:
        for trace in figure.spec["data"]:
            for key in ("x", "y"):
                told = [one for one in trace.get(key, ()) if not isinstance(one, (int, float, type(None)))]
                assert told == [], (figure.id, key)
        for key, axis in figure.spec["layout"].items():
            if "axis" in key and "ticktext" in axis:
                named += 1
                assert axis["type"] == "linear", (figure.id, key)
                assert axis["tickvals"] == list(range(len(axis["ticktext"]))), (figure.id, key)
    assert named > 20


def test_rows_columns_and_hovering_have_the_names_of_their_ticks(tmp_path):
    classes = LOOK_LIKE_NUMBERS[:-1]
    confusion = next(one for one in figures_of_runs(tmp_path, classes) if one.id.startswith("confusion-plot"))
    (trace,), layout = confusion.spec["data"], confusion.spec["layout"]
    assert layout["xaxis"]["ticktext"] == layout["yaxis"]["ticktext"] == list(classes)
    for i, row in enumerate(trace["customdata"]):
        assert trace["y"][i] == layout["yaxis"]["tickvals"][i]
        for j, text in enumerate(row):
            assert text.startswith(f"true {classes[i]}<br>predicted {classes[j]}<br>")


def test_an_axis_of_names_has_a_place_for_each_even_where_two_are_alike():
    axis = named_axis(["1", "1", "<b>"], reverse=True)
    assert (axis["tickvals"], axis["ticktext"]) == ([0, 1, 2], ["1", "1", "&lt;b&gt;"])
    assert axis["range"] == [2.5, -0.5]
