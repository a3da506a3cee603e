"""Short forms of settings that everybody types."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def small(ferbench_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(command, *args):
        sizes = ("dataset.train=60", "dataset.test=20", "dataset.size=24")
        return ferbench_cli(command, *(part for size in sizes for part in ("--set", size)), *args)

    return call


def test_they_are_the_settings_and_several_make_a_grid(small):
    done = small("run", "--epochs", 1, "--lr", "1e-2", "--lr", "0.1", "--batch-size", 16, "--dry-run", "--json")
    cells = json.loads(done.stdout)
    assert [(cell["settings"]["training"], cell["settings"]["optimizer"]["lr"]) for cell in cells] == [
        ({"epochs": 1, "batch_size": 16}, 0.01),
        ({"epochs": 1, "batch_size": 16}, 0.1),
    ]
    long = small("run", "--set", "training.epochs=1", "--set", "training.batch_size=16", "--set", "optimizer.lr=0.01")
    assert json.loads(done.stdout)[0]["training_id"].removeprefix("v1:")[:12] in long.stdout


@pytest.mark.parametrize("flag", ["--set", "--grid"])
def test_two_words_on_one_setting_are_refused(small, flag):
    done = small("run", "--epochs", 3, flag, "training.epochs=4", "--dry-run")
    assert done.exit_code == 2
    assert "--epochs 3 and" in done.stderr
    assert "leave one of them out" in done.stderr


def test_a_search_takes_one_value_and_names_the_search_for_several(small):
    done = small("tune", "--model", "linear", "--epochs", 2, "--lr", "0.1", "--lr", "0.2", "--dry-run")
    assert done.exit_code == 2
    assert "--search optimizer.lr=0.1,0.2" in done.stderr
    done = small("tune", "--model", "linear", "--lr", "0.1", "--search", "optimizer.lr=0.1..0.2", "--dry-run")
    assert "about one setting" in done.stderr
    shown = small("tune", "--model", "linear", "--lr", "0.1", "--epochs", 2, "--dry-run", "--json")
    assert {"key": "optimizer.lr", "value": 0.1} in json.loads(shown.stdout)["space"]
