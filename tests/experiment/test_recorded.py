"""What the record of a run may say in a new command."""

from __future__ import annotations

import pytest
from made_runs import make_run

from ferbench.errors import UserError
from ferbench.experiment.recorded import (
    flags_for,
    options_of_record,
    remember_said,
    taken,
    tracker_tables,
    tracker_text,
)
from ferbench.experiment.settings import assignments
from ferbench.plugin.discovery import load_registry
from ferbench.records.run import AskedRecipe


@pytest.fixture(scope="module")
def registry():
    return load_registry(environ={"FERBENCH_PLUGINS": ""})


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """``recorded({…})`` is a record with that recipe, for a user who has said nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def make(recipe):
        record = make_run(tmp_path).load()
        record.recipe = AskedRecipe.model_validate(recipe)
        return record

    return make


FOREIGN = {
    "name": "theirs",
    "dataset": {"name": "csv", "root": "/home/you", "label_column": "mood"},
    "model": {
        "name": "basic-cnn",
        "width": 8,
        "weights": "/tmp/evil.pth",
        "allow_pickled_weights": True,
        "affect": True,
    },
    "sampler": {"name": "weighted", "emphasis": {"happy": 2.0}},
    "trackers": [{"name": "mlflow", "uri": "http://evil"}],
    "data": {"path": "/home/you/table.csv", "exclude": "/dev/zero", "classes": ["happy", "sad"], "fold": "1/2"},
    "training": {"epochs": 3, "select": "accuracy", "deterministic": False},
    "runtime": {"device": "cpu"},
    "grid": {"model.weights": ["/a", "/b"]},
    "novel": {"name": "thing"},
}
REACHING = {
    "dataset.root",
    "model.weights",
    "model.allow_pickled_weights",
    "trackers",
    "data.path",
    "data.exclude",
}


def test_what_reaches_outside_is_left_out_and_the_rest_taken(recorded, registry):
    tables, left = taken(recorded(FOREIGN), registry, ())
    assert {one.key for one in left} == REACHING
    assert tables == {
        "name": "theirs",
        "dataset": {"name": "csv", "label_column": "mood"},
        "model": {"name": "basic-cnn", "width": 8, "affect": True},
        "sampler": FOREIGN["sampler"],
        "data": {"classes": ["happy", "sad"], "fold": "1/2"},
        "training": FOREIGN["training"],
        "runtime": FOREIGN["runtime"],
    }


def test_what_the_command_says_itself_is_not_missed_but_not_taken_either(recorded, registry):
    tables, left = taken(recorded(FOREIGN), registry, {"model", "data.path", "trackers"})
    assert {one.key for one in left} == {"dataset.root", "data.exclude"}
    assert "trackers" not in tables
    assert "weights" not in tables["model"]


def test_what_the_user_has_named_before_is_taken_but_for_permissions_and_trackers(recorded, registry):
    record = recorded(FOREIGN)
    remember_said({key: FOREIGN[key] for key in ("dataset", "model", "data", "trackers")}, registry)
    tables, left = taken(record, registry, ())
    assert {one.key for one in left} == {"model.allow_pickled_weights", "trackers"}
    assert tables["data"]["path"] == FOREIGN["data"]["path"]
    other = recorded({**FOREIGN, "model": {"name": "resnet9", "weights": "/tmp/evil.pth"}})
    assert "model.weights" in {one.key for one in taken(other, registry, ())[1]}


def test_a_list_of_exclusions_is_found_beside_the_options_of_the_dataset(recorded, registry):
    hidden = recorded({**FOREIGN, "data": {}, "dataset": {"name": "synthetic-faces", "exclude": "/dev/zero"}})
    tables, left = taken(hidden, registry, {"model", "trackers"})
    assert [one.key for one in left] == ["dataset.exclude"]
    assert "exclude" not in tables["dataset"]


def test_options_of_joined_datasets_are_those_of_each(recorded, registry):
    joined = {"name": "csv+folder", "csv": {"root": "/home/you", "size": 48}, "folder": {"size": 48}}
    tables, left = taken(
        recorded({**FOREIGN, "dataset": joined, "data": {"paths": {"csv": "/x"}}}), registry, {"model"}
    )
    assert {one.key for one in left} == {"dataset.csv.root", "data.paths.csv", "trackers"}
    assert tables["dataset"]["csv"] == {"size": 48}


def test_the_flags_give_again_what_was_left_out(recorded, registry):
    odd = {"name": "mlflow", "uri": "http://a,b/$(x) 'y'", "experiment": "ü = 1"}
    record = recorded({**FOREIGN, "trackers": [odd]})
    _, left = taken(record, registry, ())
    flags = flags_for(left, record)
    pairs = list(zip(flags[::2], flags[1::2], strict=True))
    assert assignments([text for flag, text in pairs if flag == "--set"]) == {
        "dataset.root": "/home/you",
        "model.weights": "/tmp/evil.pth",
        "model.allow_pickled_weights": True,
        "data.exclude": "/dev/zero",
    }
    assert ("--data", "/home/you/table.csv") in pairs
    assert tracker_tables([text for flag, text in pairs if flag == "--tracker"]) == [odd]


def test_a_tracker_without_options_is_its_name():
    assert tracker_text({"name": "tensorboard"}) == "tensorboard"
    with pytest.raises(UserError, match="is not NAME,OPTION=VALUE"):
        tracker_tables(["tensorboard,logdir"])


def test_a_model_is_built_again_without_its_initial_weights_and_permissions(recorded, registry):
    recorded({})
    component = registry.find("model", "basic-cnn")
    assert options_of_record(component, FOREIGN["model"] | {"name": 0}, "r").keys() == {
        "name",
        "width",
        "weights",
        "affect",
    }


def test_a_model_that_names_what_nobody_has_named_here_is_not_built(recorded, transformers_plugin):
    recorded({})
    local = [name for name in transformers_plugin if name != "--plugin"]
    registry = load_registry(local)
    component = registry.find("model", "hf-image-classifier")
    with pytest.raises(UserError, match=r"model\.checkpoint = evil/net, which you have not named here") as refused:
        options_of_record(component, {"checkpoint": "evil/net"}, "r")
    assert "--set model.checkpoint=evil/net --dry-run" in refused.value.remedy
    remember_said({"model": {"name": "hf-image-classifier", "checkpoint": "evil/net"}}, registry)
    assert options_of_record(component, {"checkpoint": "evil/net"}, "r") == {"checkpoint": "evil/net"}


def test_a_permission_for_what_is_not_asked_for_is_neither_taken_nor_missed(recorded, registry):
    model = {"name": "basic-cnn", "allow_pickled_weights": True}
    tables, left = taken(recorded({"model": model}), registry, ())
    assert (tables["model"], left) == ({"name": "basic-cnn"}, [])


def test_a_start_from_weights_misses_no_permission_to_read_others(recorded, registry):
    from ferbench.experiment.start import continued

    model = {"name": "basic-cnn", "weights": "mine.pth", "allow_pickled_weights": True}
    settings, left = continued(recorded({"model": model}), {}, registry)
    assert (settings["model"], left) == ({"name": "basic-cnn"}, [])


@pytest.mark.parametrize("teacher", ["ema", "0123456789ab@best", "0123456789ab@step12"])
def test_a_teacher_of_the_results_is_taken_from_a_record(recorded, registry, teacher):
    tables, left = taken(recorded({"training": {"teacher": teacher}}), registry, ())
    assert tables["training"] == {"teacher": teacher}
    assert left == []


@pytest.mark.parametrize("teacher", ["/home/you/runs/0123456789ab@best", "../elsewhere", "old"])
def test_a_teacher_elsewhere_is_taken_where_the_user_has_named_it(recorded, registry, teacher):
    tables, left = taken(recorded({"training": {"teacher": teacher}}), registry, ())
    assert [one.key for one in left] == ["training.teacher"]
    assert tables["training"] == {}
    remember_said({"training": {"teacher": teacher}}, registry)
    assert taken(recorded({"training": {"teacher": teacher}}), registry, ())[1] == []
