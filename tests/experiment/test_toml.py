"""Recorded runs written out as recipes."""

from __future__ import annotations

import tomllib

from made_runs import make_run

from ferbench.experiment.toml import recipe_toml


def test_nothing_of_the_machine_is_in_it(tmp_path):
    document = tomllib.loads(recipe_toml(make_run(tmp_path).load()))
    assert "runtime" not in document
    assert "trackers" not in document
    assert "path" not in document["data"]


def test_every_option_is_spelled_out_and_nothing_unset(tmp_path):
    document = tomllib.loads(recipe_toml(make_run(tmp_path, options={"width": 3, "depth": None}).load()))
    assert document["model"] == {"name": "some-net", "width": 3}
    assert document["optimizer"] == {"name": "adam", "lr": 0.001}
    assert document["training"]["batch_size"] == 128
    assert "parameter_budget" not in document["training"]


def test_what_is_done_at_test_time_is_kept(tmp_path):
    record = make_run(tmp_path).load()
    record.recipe.evaluation = {"tta": "flip"}
    assert tomllib.loads(recipe_toml(record))["evaluation"] == {"tta": "flip"}


def test_a_name_with_quotes_comes_back(tmp_path):
    document = tomllib.loads(recipe_toml(make_run(tmp_path, name='"a"\\b').load()))
    assert document["name"] == '"a"\\b'


def test_what_nobody_sees_is_written_as_an_escape(tmp_path):
    name = "safe\u202eexe\u2066\x9b\u2028\U000e0041é"
    text = recipe_toml(make_run(tmp_path, options={"note": name}).load())
    assert tomllib.loads(text)["model"]["note"] == name
    assert "\\u202Eexe\\u2066\\u009B\\u2028\\U000E0041é" in text
    assert text.isprintable() or {character for character in text if not character.isprintable()} == {"\n"}
