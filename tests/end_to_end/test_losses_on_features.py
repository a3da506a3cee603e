"""Runs with the built-in losses that need more of a model than its logits."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from shared_runs import ended, history, only_run, record_of

from ferbench.training.interruption import Interrupted
from ferbench.training.saving import RunSaver

SETTINGS = (
    "dataset.size=16",
    "dataset.train=64",
    "dataset.test=14",
    "data.image_size=16",
    "training.batch_size=16",
    "training.epochs=2",
    "training.accumulate=2",
    "runtime.checkpoint_every=1",
    "runtime.device=cpu",
    "model.widths=[4,4,4,8]",
    "model.pool=mean",
    "model.units=0",
    "model.dropout=0",  # of which every device draws its own
    "model.head_dropout=0",
    "optimizer.name=sgd",
    "optimizer.lr=0.02",
)
#: Settings that each loss runs with, such that all of it is at work.
LOSSES = {
    "centre": (),
    "island": (),
    "arcface": ("model.head=cosine",),
    "cosface": ("model.head=cosine",),
    "supervised-contrastive": (),
    "scn": ("loss.relabel_from=1", "loss.relabel_margin=0"),
    "rul": (),
    "eac": ("augmentation.name=standard", "augmentation.erase=0.5"),
}
#: Where what all devices have computed meets in the loss.
SHARED = ("island", "rul")


def asked(loss: str, *settings: str) -> list[str]:
    sets = [part for setting in (*SETTINGS, *LOSSES[loss], *settings) for part in ("--set", setting)]
    return ["run", "--model", "cnn4", "--loss", loss, *sets, "--no-report"]


def tensors(run: Path) -> dict[str, np.ndarray]:
    return {
        f"{file.stem} {name}": value
        for file in sorted((run / "checkpoints").glob("best*.safetensors"))
        for name, value in safetensors.numpy.load_file(file).items()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache):
    """A run with a loss that was not stopped."""
    kept: dict[str, Path] = {}

    def run(loss: str) -> Path:
        if loss not in kept:
            results = tmp_path_factory.mktemp(loss)
            done = ended(asked(loss), results, cache)
            assert done.exit_code == 0, done.output
            kept[loss] = only_run(results)
        return kept[loss]

    return run


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_was_stopped_ends_with_the_same_bits(loss, whole, tmp_path, cache, monkeypatch):
    one, real = whole(loss), RunSaver._save
    assert all(math.isfinite(epoch[part]["loss"]) for epoch in history(one) for part in ("train", "validation"))

    def stop(self, training):
        real(self, training)
        if (training.at.epoch, training.at.batches) == (2, 2):
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "_save", stop)
    assert ended(asked(loss), tmp_path, cache).exit_code != 0
    monkeypatch.setattr(RunSaver, "_save", real)
    done = ended(asked(loss), tmp_path, cache)
    assert done.exit_code == 0, done.output
    again = only_run(tmp_path)
    assert len(record_of(again)["resumed"]) == 1
    assert history(again) == history(one)
    expected, found = tensors(one), tensors(again)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], value) for key, value in expected.items())
    if (one / "corrections.csv").exists():
        assert (again / "corrections.csv").read_bytes() == (one / "corrections.csv").read_bytes()


@pytest.mark.parametrize("loss", SHARED)
def test_two_devices_learn_what_one_does(loss, whole, tmp_path, cache):
    done = ended([*asked(loss), "--devices", "2"], tmp_path, cache)
    assert done.exit_code == 0, done.output
    expected, found = tensors(whole(loss)), tensors(only_run(tmp_path))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=2e-3, atol=1e-4, err_msg=key)
