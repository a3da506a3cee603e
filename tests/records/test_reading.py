"""Records that somebody has changed."""

from __future__ import annotations

import json

import pytest
from made_runs import make_run

from ferbench import UserError
from ferbench.records.reading import read_evaluation
from ferbench.runs.index import summaries


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, name="mine")


def change(run, place, value):
    record = json.loads(run.record_path.read_text())
    holder = record
    *way, last = place.split("/")
    for key in way:
        holder = holder[key]
    holder[last] = value
    run.record_path.write_text(json.dumps(record))


def test_a_record_is_read_as_it_was_written(run):
    assert run.load().plain() == json.loads(run.record_path.read_text())


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("components/model", [1], "components.model is not a table"),
        ("components/model/options", None, "components.model.options is not a table"),
        ("data/class_names", ["a", 3], "data.class_names.1 is not a text"),
        ("data/counts/train/happy", -1, "data.counts.train.happy is not a whole number"),
        ("training/seconds", 10**400, "training.seconds is not a number"),
        ("recipe/training/seed", True, "recipe.training.seed is not a whole number"),
        ("recipe/training/epochs", "many", "recipe.training.epochs is not a whole number"),
        ("recipe/model", [], "recipe.model is not a table"),
        ("data", None, "data is not a table"),
        ("data/fold", "second", "data.fold is not of the form 2/5"),
        ("components", [], "components is not a table"),
        ("training", {}, "training lacks 'epochs'"),
        ("training", None, "it lacks 'training'"),
        ("evaluations", {"e": {}}, "evaluations.e lacks 'split'"),
        ("identity", "x", "identity is not a table"),
        ("identity/covers", 3, "identity.covers is not a table"),
        ("identity/covers/training", [], "identity.covers.training is not a table"),
        ("status", "well", "status is not 'running', 'done', 'failed', 'diverged', 'interrupted' or 'pruned'"),
    ],
)
def test_a_value_of_another_kind_is_named(run, place, value, said):
    change(run, place, value)
    with pytest.raises(UserError, match="damaged") as raised:
        run.load()
    assert said in raised.value.message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_has_not_are_refused(run, value):
    change(run, "training/seconds", value)
    with pytest.raises(UserError, match="is no JSON"):
        run.load()


def test_nesting_without_end_is_no_record(run):
    run.record_path.write_text("[" * 100_000)
    with pytest.raises(UserError, match="is no JSON"):
        run.load()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("data/counts", "data lacks 'counts'"),
        ("identity/training_id", "identity lacks 'training_id'"),
        ("components/model", "components lacks 'model'"),
        ("recipe", "it lacks 'recipe'"),
    ],
)
def test_a_missing_part_is_named(run, place, said):
    record = json.loads(run.record_path.read_text())
    *way, last = place.split("/")
    holder = record
    for key in way:
        holder = holder[key]
    del holder[last]
    run.record_path.write_text(json.dumps(record))
    with pytest.raises(UserError, match=f"run.json is damaged: {said}"):
        run.load()
    (summary,) = summaries(run.path.parent.parent)
    assert (summary.status, summary.run) == ("damaged", run.path.name)
    assert summary.reason.endswith(said)


@pytest.mark.parametrize("value", ["high", True, [1]])
def test_a_metric_that_is_no_number_is_damage(run, value):
    name = next(iter(run.load().evaluations))
    change(run, f"evaluations/{name}/metrics/macro_f1", value)
    with pytest.raises(UserError, match=f"evaluations.{name}.metrics.macro_f1 is not a number"):
        run.load()


def test_scores_that_were_changed_are_not_shown(run):
    path = next(run.path.glob("evaluations/*/metrics.json"))
    assert run.load_evaluation(path.parent.name) is not None
    path.write_text(path.read_text().replace('"n": 350', '"n": 351'))
    assert run.load_evaluation(path.parent.name) is None


@pytest.mark.parametrize(
    "matrix", [[], [[1]], [[1, 0], [0]], [[1, 0, 2], [0, 1, 2]], lambda rows: [*rows[:-1], rows[-1][:-1]]]
)
def test_a_confusion_matrix_of_another_shape_is_damage(run, matrix):
    about = json.loads(next(run.path.glob("evaluations/*/metrics.json")).read_text())
    about.pop("own")
    changed = matrix(about["confusion"]) if callable(matrix) else matrix
    read_evaluation(json.dumps(about).encode())
    with pytest.raises(ValueError, match=r"^confusion is not a matrix of 7 rows and columns"):
        read_evaluation(json.dumps(about | {"confusion": changed}).encode())
