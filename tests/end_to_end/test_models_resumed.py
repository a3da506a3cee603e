"""Runs of the models with attention: stopped at some step, they end with the same bits."""

from __future__ import annotations

import random

import numpy as np
import pytest
import safetensors.numpy
from shared_runs import ended, history, only_run, record_of

from ferbench.training.interruption import Interrupted
from ferbench.training.saving import RunSaver

SETTINGS = (
    *("dataset.size=16", "dataset.train=60", "dataset.test=14", "data.image_size=16", "data.channels=1"),
    *("training.batch_size=16", "training.epochs=2", "runtime.checkpoint_every=1", "runtime.device=cpu"),
)

MODELS = {
    "dan": ("--loss", "dan", "--set", "model.reduction=8", "--set", "model.attentions=2"),
    "poster-like": ("--set", "model.width=32", "--set", "model.depth=2", "--set", "model.drop_path=0.3"),
}


@pytest.mark.parametrize("model", MODELS)
def test_a_run_that_was_stopped_ends_with_the_same_bits(model, tmp_path, cache, monkeypatch):
    sets = [part for setting in SETTINGS for part in ("--set", setting)]
    command = ["run", "--model", model, *MODELS[model], *sets, "--no-report"]
    where = (random.Random(model).choice((1, 2)), random.Random(model).choice((1, 2)))
    assert ended(command, tmp_path / "whole", cache).exit_code == 0
    whole, real, stops = only_run(tmp_path / "whole"), RunSaver._save, []

    def stop(self, training):
        real(self, training)
        if (training.at.epoch, training.at.batches) == where and not stops:
            stops.append(where)
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "_save", stop)
    assert ended(command, tmp_path / "torn", cache).exit_code != 0
    assert ended(command, tmp_path / "torn", cache).exit_code == 0
    again = only_run(tmp_path / "torn")
    assert len(record_of(again)["resumed"]) == 1
    assert history(again) == history(whole)
    files = sorted(path.name for path in whole.glob("checkpoints/best*.safetensors"))
    assert len(files) == (2 if model == "dan" else 1)  # the loss's centres have a file of their own
    for name in files:
        one, other = (safetensors.numpy.load_file(run / "checkpoints" / name) for run in (whole, again))
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key]) for key in one)
