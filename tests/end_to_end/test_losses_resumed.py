"""Runs with the built-in losses that remember, or change with time or with class counts: stopped at some step, they end
with the same bits."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from shared_runs import ended, history, only_run, record_of

from ferbench.runs.directory import RunDirectory
from ferbench.runs.verify import Verification
from ferbench.training.interruption import Interrupted
from ferbench.training.saving import RunSaver

SETTINGS = (
    *("dataset.size=16", "dataset.train=80", "dataset.test=30", "data.image_size=16"),
    *("training.batch_size=16", "training.epochs=3", "training.clip_norm=1.0", "runtime.checkpoint_every=1"),
    *("runtime.device=cpu", "optimizer.lr=0.01", "data.label_noise=0.3"),
)

#: By loss, its settings, and the epoch in which the run is stopped.
LOSSES = {
    "balanced-softmax": ((), 1),
    "class-balanced-focal": ((), 2),
    "ldam": (("model.head=cosine", "model.head_scale=30", "loss.defer=0.5"), 2),  # in its first epoch with weights
    "generalised-cross-entropy": ((), 3),
    "elr": ((), 3),
}


def asked(loss: str, *settings: str) -> list[str]:
    sets = [part for setting in (*SETTINGS, *settings) for part in ("--set", setting)]
    return ["run", "--model", "basic-cnn", "--loss", loss, *sets, "--no-report"]


def weights(run: Path) -> dict[str, np.ndarray]:
    files = sorted(run.glob("checkpoints/best*.safetensors"))
    return {f"{file.stem}/{name}": part for file in files for name, part in safetensors.numpy.load_file(file).items()}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_was_stopped_ends_with_the_same_bits(loss, tmp_path, cache, monkeypatch):
    settings, epoch = LOSSES[loss]
    batches = random.Random(loss).choice((1, 2, 3))
    whole = ended(asked(loss, *settings), tmp_path / "whole", cache)
    assert whole.exit_code == 0, whole.output
    one, real, stops = only_run(tmp_path / "whole"), RunSaver._save, []

    def stop(self, training):
        real(self, training)
        if (training.at.epoch, training.at.batches) == (epoch, batches) and not stops:
            stops.append(batches)
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "_save", stop)
    assert ended(asked(loss, *settings), tmp_path / "torn", cache).exit_code != 0
    done = ended(asked(loss, *settings), tmp_path / "torn", cache)
    assert done.exit_code == 0, done.output
    again = only_run(tmp_path / "torn")
    assert len(record_of(again)["resumed"]) == 1
    assert history(again) == history(one)
    expected, found = weights(one), weights(again)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], part) for name, part in expected.items())
    checked = Verification.of(RunDirectory(again))
    assert checked.verdict == "whole", checked.findings

    record = record_of(one)
    (validation,) = [each for each in record["evaluations"].values() if each["split"] == "validation"]
    best = history(one)[record["training"]["best_epoch"] - 1]
    assert validation["metrics"]["loss"] == pytest.approx(best["validation"]["loss"], rel=1e-6)
    learnt = [epoch["train"]["loss"] for epoch in history(one)]
    assert all(np.isfinite(learnt))
    if loss != "ldam":  # whose weights begin meanwhile
        assert learnt[-1] < learnt[0]
