"""Records that somebody has changed."""

from __future__ import annotations

import json

import pytest
from made_runs import make_run

from ferbench import UserError


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
    assert run.read() == json.loads(run.record_path.read_text())


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("components/model", [1], "components.model is not a table"),
        ("components/model/options", None, "components.model.options is not a table"),
        ("data/class_names", ["a", 3], "data.class_names is not a list of which each is a text"),
        ("data/counts/train/happy", -1, "data.counts.train.happy is not a whole number"),
        ("training/seconds", 10**400, "training.seconds is not a number"),
        ("recipe/training/seed", True, "recipe.training.seed is not a whole number"),
        ("recipe/model", [], "recipe.model is not a table"),
    ],
)
def test_a_value_of_another_kind_is_named(run, place, value, said):
    change(run, place, value)
    with pytest.raises(UserError, match="damaged") as raised:
        run.read()
    assert said in raised.value.message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_has_not_are_refused(run, value):
    change(run, "training/seconds", value)
    with pytest.raises(UserError, match="is no JSON"):
        run.read()


def test_nesting_without_end_is_no_record(run):
    run.record_path.write_text("[" * 100_000)
    with pytest.raises(UserError, match="is no JSON"):
        run.read()


def test_a_missing_part_is_named_by_whoever_needs_it(run):
    record = json.loads(run.record_path.read_text())
    del record["data"]["counts"]
    run.record_path.write_text(json.dumps(record))
    data = run.read()["data"]
    assert data.get("counts") is None
    with pytest.raises(UserError, match=r"run.json is damaged: it lacks 'counts'"):
        data["counts"]
    with pytest.raises(KeyError):
        data["counts"]


def test_scores_that_were_changed_are_not_shown(run):
    path = next(run.path.glob("evaluations/*/metrics.json"))
    assert run.evaluation(path.parent.name) is not None
    path.write_text(path.read_text().replace('"n": 350', '"n": 351'))
    assert run.evaluation(path.parent.name) is None
