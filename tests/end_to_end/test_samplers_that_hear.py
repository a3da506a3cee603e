"""Runs with samplers that depend on what they hear: stopped at any moment they end with the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from shared_runs import ended, history, only_run, record_of

from ferbench.training.interruption import Interrupted
from ferbench.training.saving import RunSaver

SETTINGS = (
    "dataset.size=16",
    "dataset.train=100",
    "dataset.test=20",
    "data.image_size=16",
    "training.batch_size=16",
    "training.epochs=3",
    "training.accumulate=2",
    "training.mixup=0.2",
    "runtime.checkpoint_every=1",
    "runtime.device=cpu",
    "model.name=linear",
    "loss.name=focal",
    "optimizer.name=sgd",
    "optimizer.lr=0.1",
    "optimizer.momentum=0.9",
    "schedule.name=cosine",
)
SAMPLERS = {
    "hard-examples": (),
    "self-paced": ("sampler.start=0.6",),
    "class-batches": ("sampler.classes=3", "sampler.samples=4"),
}


def asked(sampler: str) -> list[str]:
    settings = (*SETTINGS, f"sampler.name={sampler}", *SAMPLERS[sampler])
    return ["run", *(part for setting in settings for part in ("--set", setting)), "--no-report"]


@pytest.fixture(scope="module", params=SAMPLERS)
def whole(request, tmp_path_factory, cache) -> tuple[str, Path]:
    results = tmp_path_factory.mktemp(request.param)
    done = ended(asked(request.param), results, cache)
    assert done.exit_code == 0, done.output
    return request.param, only_run(results)


def weights(run: Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(run / "checkpoints" / "best.safetensors")


@pytest.mark.parametrize(("epoch", "batches"), [(1, 2), (2, 0), (2, 2)])
def test_a_run_that_was_stopped_ends_with_the_same_bits(whole, tmp_path, cache, monkeypatch, epoch, batches):
    sampler, run = whole
    real = RunSaver._save

    def stop(self, training):
        real(self, training)
        if (training.at.epoch, training.at.batches) == (epoch, batches):
            raise Interrupted(15)

    monkeypatch.setattr(RunSaver, "_save", stop)
    assert ended(asked(sampler), tmp_path, cache).exit_code != 0
    monkeypatch.setattr(RunSaver, "_save", real)
    done = ended(asked(sampler), tmp_path, cache)
    assert done.exit_code == 0, done.output
    again = only_run(tmp_path)
    assert len(record_of(again)["resumed"]) == 1
    assert history(again) == history(run)
    expected, found = weights(run), weights(again)
    assert all(np.array_equal(found[key], value) for key, value in expected.items())


def test_two_devices_draw_and_learn_what_one_does(whole, tmp_path, cache):
    sampler, run = whole
    done = ended([*asked(sampler), "--devices", "2"], tmp_path, cache)
    assert done.exit_code == 0, done.output
    for one, other in zip(history(run), history(only_run(tmp_path)), strict=True):
        assert other["train"]["loss"] == pytest.approx(one["train"]["loss"], rel=1e-5)
        assert said(other) == pytest.approx(said(one), rel=1e-4)


def said(epoch: dict) -> dict:
    """The numbers of how the sampler describes the epoch, by name."""
    flat: dict = {}
    for name, value in epoch.get("sampler", {}).items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def test_the_history_says_how_each_epoch_was_drawn(whole):
    _, run = whole
    assert all("sampler" in epoch for epoch in history(run))
    assert said(history(run)[-1])
