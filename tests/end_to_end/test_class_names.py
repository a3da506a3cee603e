"""Classes that are called as columns, averages, missing values or numbers are: from a run to every table and back."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import make_run
from record_files import read_record

from ferbench.api.classify import Classified
from ferbench.cli import cli
from ferbench.cli.predict import _show
from ferbench.cli.results import per_class_table
from ferbench.metrics.measures import KNOWN, measure
from ferbench.records.evaluation import EvaluationEntry
from ferbench.report.contents import read_runs
from ferbench.report.run_tables import confusion, epochs, per_class, samples
from ferbench.tables.formats import to_csv, to_json_value

NAMES = (
    *("true", "label", "id", "predicted", "prediction", "image", "path", "split", "prob_id", "p_id", "sample"),
    *("macro", "macro average", "macro_f1", "macro-F1", "weighted", "weighted avg", "weighted average", "worst"),
    *("total", "accuracy", "Accuracy", "support", "loss", "class", "f1", "run", "name", "epoch", "seconds", "mean"),
    *(
        "none",
        "None",
        "nan",
        "NaN",
        "null",
        "NA",
        "1",
        "01",
        "1.0",
        "0",
        "-1",
        "a,b",
        "a;b",
        "x:y",
        "x.y",
        "true class",
    ),
)

class_names = st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True).map(tuple)


def said(*arguments: str | Path) -> str:
    result = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def rows_of(text: str) -> list[dict[str, str]]:
    header, *rows = csv.reader(io.StringIO(text))
    assert len(set(header)) == len(header)
    return [dict(zip(header, row, strict=True)) for row in rows]


def plain(cell: str) -> str:
    """Without the apostrophe that keeps spreadsheets from taking ``-1`` for a formula."""
    return cell.removeprefix("'")


@settings(max_examples=25)
@given(class_names)
def test_every_class_keeps_its_own_scores_in_every_table(classes):
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), name="ours", classes=classes, n=60, epochs=2)
        (scored,) = [one["per_class"] for one in read_record(run)["evaluations"].values() if one["split"] == "test"]
        f1 = {name: repr(scored[name]["f1"]) for name in classes}

        (row,) = rows_of(said("leaderboard", "--per-class", "--runs", "--format", "csv", "--results", folder))
        assert {name: row[f"f1:{name}"] for name in classes} == f1

        view = read_runs([run]).runs[0]
        table = per_class(view, view.result)
        rows = rows_of(to_csv(table))
        assert len({row["class"] for row in rows}) == len(rows) == len(classes) + 2
        assert {plain(row["class"]): row["f1"] for row in rows[:-2]} == f1
        assert {row["class"]: repr(row["f1"]) for row in to_json_value(table)["rows"]} == f1
        for one in (confusion(view, view.result), epochs(view)):
            assert len(rows_of(to_csv(one))) == len(one.rows)
        labels = [column.label for column in confusion(view, view.result).columns]
        assert len(set(labels)) == len(labels)
        assert len({row["class"] for row in rows_of(to_csv(samples(view)))}) == len(classes) + 1


@settings(max_examples=25)
@given(class_names)
def test_predictions_of_other_software_are_scored_by_every_class(classes):
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), name="ours", classes=classes, n=60, epochs=1)
        (key,) = [key for key, one in read_record(run)["evaluations"].items() if one["split"] == "test"]
        test = run.predictions(key)
        one_hot = np.eye(len(classes))[test.truth]
        ids, labels = test.ids.tolist(), [classes[label] for label in test.truth]
        files = {
            "classes": [("id", "predicted", "true"), *zip(ids, labels, labels, strict=True)],
            "both": [
                ("id", "predicted", *(f"probability_{name}" for name in classes)),
                *((one, label, *row) for one, label, row in zip(ids, labels, one_hot, strict=True)),
            ],
        }
        for name, rows in files.items():
            path = Path(folder, f"{name}.csv")
            with path.open("w", newline="") as file:
                csv.writer(file).writerows(rows)
            document = json.loads(said("import", path, "--like", "ours", "--json", "--results", folder))
            assert document["metrics"]["accuracy"] == 1
            assert {one["f1"] for one in document["per_class"].values() if one["support"]} == {1.0}


@given(class_names, st.booleans())
def test_predictions_have_a_column_for_every_class(classes, affect):
    probabilities = [(k + 1) / 64 for k in range(len(classes))]
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        _show([Classified(Path("a.png"), probabilities, [0.5, -0.5] if affect else None)], classes, "csv")
    (row,) = rows_of(text.getvalue())
    assert row["image"] == "a.png"
    assert plain(row["predicted"]) == classes[-1]
    assert list(row.values())[2 : 2 + len(classes)] == [f"{one:.6f}" for one in probabilities]


def test_a_class_of_a_column_s_name_has_a_prefix_in_predictions(capsys):
    _show([Classified(Path("a.png"), [0.25, 0.75], None)], ("predicted", "sad"), "csv")
    assert capsys.readouterr().out.splitlines()[0] == "image,predicted,prob_predicted,sad"


def test_averages_are_told_from_classes_of_their_name():
    scores = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 4}
    metrics = {f"macro_{key}": 0.25 for key in ("precision", "recall", "f1")}
    metrics |= {"weighted_precision": 0.25, "accuracy": 0.25, "weighted_f1": 0.25}
    made = per_class_table(
        EvaluationEntry.model_validate(
            {
                "split": "test",
                "rows_digest": "",
                "n": 8,
                "metrics": metrics,
                "per_class": {"accuracy": scores, "Macro average": scores},
            }
        )
    )
    names = [str(cell) for cell in made.columns[0].cells]
    assert names == ["accuracy", "Macro average", "macro average (no class)", "weighted average", "accuracy (no class)"]


@pytest.mark.parametrize("name", ["macro", "weighted", "worst", "Weighted"])
def test_the_score_of_a_class_is_not_called_as_an_average(name):
    labels = {one.label.casefold().replace("-", " ") for one in KNOWN.values()}
    for key in ("precision", "recall", "f1"):
        assert measure(f"{key}:{name}").label.casefold() not in labels
    assert measure("f1:happy").label == "happy F1"
