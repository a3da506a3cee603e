"""Arguments of Python users that nobody can have meant."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import make_run

import ferbench as fb
from ferbench.api.classify import as_sources
from ferbench.api.given import arguments_named, checked
from ferbench.api.results import Results
from ferbench.runs.imported import import_predictions

TRAINED = {"dataset": "synthetic-faces", "model": "linear"}


def mistake(call, *args, **kwargs):
    with pytest.raises(fb.UserError) as caught:
        call(*args, **kwargs)
    assert len(str(caught.value).splitlines()) == 2
    assert all(str(caught.value).splitlines())
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": []}, "model is empty"),
        ({"model": {"linear"}}, "model is a set"),
        ({"model": 3}, "an int is no name"),
        ({"seed": []}, "seed is empty"),
        ({"seed": {0}}, "seed is a set"),
        ({"seed": (each for each in [0])}, "generator"),
        ({"recipe": 3}, "recipe is of type int"),
        ({"results": 3}, "results is of type int"),
        ({"cache": 3}, "cache is of type int"),
        ({"data": 3}, "data is of type int"),
        ({"folds": 0}, "folds is 0"),
        ({"folds": "3"}, "folds is '3'"),
        ({"folds": True}, "folds is True"),
        ({"settings": ["training.epochs=3"]}, "settings is of type list, not a dict"),
        ({"settings": "training.epochs=3"}, "settings is of type str, not a dict"),
        ({"settings": {3: 3}}, "settings: the key 3 is of type int"),
        ({"settings": {"training": {"epochs": 1}}}, "settings: 'training' holds a dict"),
        ({"settings": {"data.classes": {"happy", "sad"}}}, "a setting is of type set"),
        ({"settings": {"training.epochs": object()}}, "a setting is of type object"),
        ({"grid": ["optimizer.lr"]}, "grid is of type list"),
        ({"grid": {"optimizer.lr": []}}, "grid of optimizer.lr is empty"),
        ({"plugins": "nope.py"}, "nope.py: the file does not exist"),
        ({"trackers": "nope"}, "unknown tracker 'nope'"),
    ],
)
def test_what_cannot_be_run_is_a_mistake(tmp_path, monkeypatch, given, words):
    monkeypatch.chdir(tmp_path)
    assert words in mistake(fb.run, **{**TRAINED, "cache": tmp_path, **given})
    assert not Path("results").exists()


def test_numbers_of_numpy_and_pandas_are_python_s():
    def run(seed=None, folds=None, model=None):
        return seed, folds, model

    call = checked(run)
    for seeds in (np.arange(2), pd.Series([0, 1]), [0, 1]):
        assert call(seed=seeds) == ([0, 1], None, None)
    assert call(np.int64(3), np.int64(5)) == (3, 5, None)
    assert type(call(np.int64(3))[0]) is int
    assert call(model=None) == (None, None, None)


def test_a_checked_function_looks_as_it_is():
    assert "draws" in inspect.signature(fb.compare).parameters
    assert fb.compare.__doc__.startswith("Say whether")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fb.load_results(None), "results is None"),
        (lambda: fb.load_run(None), "run is None, not a run"),
        (lambda: fb.leaderboard([1]), "results is of type list"),
        (lambda: fb.leaderboard(where=3), "where is of type int"),
        (lambda: fb.compare(None, "b"), "first is None, not a run"),
        (lambda: fb.compare("a", "b", draws=0), "draws is 0"),
        (lambda: fb.import_predictions([1], like="a", name="b"), "predictions is of type list"),
        (lambda: fb.import_predictions(None, like="a", name="b"), "predictions is None"),
        (lambda: fb.audit_table(None), "table is None"),
        (lambda: fb.tune(**TRAINED, seeds=3), "seeds is of type int"),
        (lambda: fb.tune(**TRAINED, seeds=[]), "seeds is empty"),
        (lambda: fb.tune(**TRAINED, space=["optimizer.lr"]), "space is of type list"),
        (lambda: fb.tune(**TRAINED, loss=[]), "loss is empty"),
        (lambda: as_sources(3), "images is of type int"),
        (lambda: Results([])[None], "no run of these 0 is called 'None'"),
    ],
)
def test_every_function_says_what_it_cannot_take(tmp_path, monkeypatch, call, words):
    monkeypatch.chdir(tmp_path)
    assert words in mistake(call)


@pytest.mark.parametrize("seed", [-1, 2**32, "a", True])
def test_a_seed_of_predictions_is_one_that_training_takes(tmp_path, seed):
    assert "is none" in mistake(import_predictions, tmp_path, None, None, name="a", model="b", seed=seed)


@pytest.mark.parametrize(
    ("call", "words", "remedy"),
    [
        (
            lambda path: fb.leaderboard(path, where={"modle": "x"}),
            "where=…: no run has a 'modle'",
            "did you mean 'model'",
        ),
        (
            lambda path: fb.leaderboard(path, where={"model": "x"}),
            "where=model=x: no run has that",
            "runs have: linear",
        ),
        (lambda path: fb.leaderboard(path, where=["model"]), "where='model' is no KEY=VALUE", "write model=linear"),
        (lambda path: fb.leaderboard(path, sort="nothing"), "sort=", ""),
        (lambda path: fb.load_results(path).where(modle="x"), "where=…: no run has a 'modle'", "did you mean 'model'"),
        (lambda path: fb.load_run("nobody", path), "there is no run 'nobody'", "'ferbench runs list', or give"),
    ],
)
def test_mistakes_name_arguments_and_no_flags(tmp_path, call, words, remedy):
    make_run(tmp_path, name="one", model="linear")
    said = mistake(call, tmp_path)
    assert words in said
    assert remedy in said
    assert "--" not in said


def test_a_command_that_is_quoted_keeps_its_flags():
    with pytest.raises(fb.UserError) as caught, arguments_named(["where", "results"]):
        raise fb.UserError("--where: none", "see 'ferbench runs list --results DIR', or leave --where out")
    assert str(caught.value) == "where=…: none\nsee 'ferbench runs list --results DIR', or leave where= out"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fb.run(**TRAINED, seed=range(10**12)), "a grid of 1,000,000,000,000 values of seed"),
        (lambda: fb.run(**TRAINED, folds=10**6), "folds is 1000000"),
        (lambda: fb.run(**TRAINED, grid={"optimizer.lr": [0.1] * 10**6}), "1,000,000 values of grid of optimizer.lr"),
        (lambda: fb.run(**TRAINED, settings={"training.epochs": 10**5000}), "training.epochs: a whole number of"),
        (lambda: fb.run(**TRAINED, settings={"training.folds": 10**5000}), "training.folds: a whole number of"),
        (lambda: fb.run(**TRAINED, settings={"model.any": [1, {"a": 2**63}]}), "model.any: a whole number of 64 bits"),
        (lambda: fb.run(**TRAINED, seed=10**5000), "training.seed: a whole number of"),
        (lambda: fb.compare("a", "b", draws=10**5000), "draws is of 16610 bits"),
        (lambda: fb.compare("a", "b", draws=10**9), "draws is 1000000000"),
    ],
)
def test_numbers_that_nobody_can_mean_are_refused_at_once(tmp_path, monkeypatch, call, words):
    monkeypatch.chdir(tmp_path)
    assert words in mistake(call)
