"""Arguments of Python users that nobody can have meant."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ferbench as fb
from ferbench.api.classify import as_sources
from ferbench.api.given import checked
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
