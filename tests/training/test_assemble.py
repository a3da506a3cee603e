"""What a recipe asks for reaches the parts of the training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from made_packs import make_pack
from torch import nn

from ferbench.data.draws import Draws
from ferbench.data.pack import Pack
from ferbench.experiment.plan import Plan, plan
from ferbench.experiment.resolve import resolve
from ferbench.plugin.discovery import load_registry
from ferbench.records.epoch import Epoch
from ferbench.training.assemble import assemble, build_loss, check_loss
from ferbench.training.building import build_model, split_batches
from ferbench.training.loop import Training, fit
from ferbench.training.observer import Observer

CPU = torch.device("cpu")
CLASSES = ("angry", "happy", "sad")
COUNTS = {
    "train": {"angry": 20, "happy": 30, "sad": 20},
    "validation": dict.fromkeys(CLASSES, 5),
    "test": dict.fromkeys(CLASSES, 5),
}


def planned(pack: Pack, schedule: dict[str, Any] | None = None, **settings: Any) -> Plan:
    """The plan of a recipe with these settings."""
    settings = {
        "dataset": {"name": "folder"},
        "model": {"name": "linear"},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "schedule": schedule or {"name": "constant"},
        "data": {"image_size": 8},
        "training": {"batch_size": 16, **settings},
    }
    return plan(resolve(settings, load_registry()), pack)


def assembled(schedule: dict[str, Any] | None = None, **settings: Any) -> Training:
    """The training of 70 samples, in five batches of 16, that a recipe with these settings asks for."""
    asked = planned(make_pack(COUNTS, classes=CLASSES), schedule, **settings)
    train, validation = (split_batches(asked, rows, CPU) for rows in (asked.split.train, asked.split.validation))
    return assemble(asked, build_model(asked), build_loss(asked, CPU), train, validation, CPU)


def draws(n: int) -> Draws:
    return Draws(seed=3, epoch=1, samples=np.arange(n), positions=np.arange(n))


def test_each_setting_reaches_what_it_is_for():
    job = assembled(
        select="loss", patience=3, min_gain=0.25, clip_norm=0.5, accumulate=2, norm_batches=4, ema=0.75, epochs=7
    )
    assert job.stopping is not None
    assert (job.stopping.metric, job.stopping.patience, job.stopping.min_gain) == ("loss", 3, 0.25)
    assert job.best.metric == "loss"
    assert job.average is not None
    assert job.average.decay == 0.75
    assert (job.clip_norm, job.accumulate, job.norm_batches) == (0.5, 2, 4)
    assert (job.epochs, job.batch_size) == (7, 16)


def test_a_splits_votes_and_affect_are_those_of_its_rows_and_without_votes_the_label_counts():
    rng = np.random.default_rng(0)
    pack = make_pack(COUNTS, classes=CLASSES, votes=rng.integers(1, 9, (100, 3)).astype(np.float32))
    affect = rng.uniform(-1, 1, (100, 2)).astype(np.float32)
    assert pack.votes is not None
    pack.votes[::3] = 0
    pack = replace(pack, affect=affect)
    asked = planned(pack)
    for rows in (asked.split.train, asked.split.validation, asked.split.test):
        truth = split_batches(asked, rows, CPU).truth
        assert truth.labels.tolist() == [CLASSES.index(name.split("-")[1]) for name in pack.ids[rows]]
        np.testing.assert_array_equal(truth.affect, affect[rows])
        for place, row in enumerate(rows):
            wanted = np.eye(3)[truth.labels[place]] if row % 3 == 0 else pack.votes[row] / pack.votes[row].sum()
            np.testing.assert_allclose(truth.soft[place], wanted, rtol=1e-6)


def test_by_default_there_is_nothing_beside_the_plain_loop():
    job = assembled()
    assert (job.stopping, job.average, job.mix, job.clip_norm, job.sizes) == (None,) * 5
    assert (job.accumulate, job.norm_batches) == (1, 0)


@pytest.mark.parametrize("settings", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}])
def test_samples_are_mixed_as_often_and_in_the_way_that_is_asked_for(settings):
    mix = assembled(**settings, mix_probability=0.4).mix
    assert mix is not None
    share, boxes = mix.parameters((64, 64), draws(4000))
    cut = boxes[:, 1] > boxes[:, 0]
    ways = len(settings)
    assert cut.float().mean().item() == pytest.approx(0.4 / ways if "cutmix" in settings else 0, abs=0.03)
    assert ((share < 1) & ~cut).float().mean().item() == pytest.approx(
        0.4 / ways if "mixup" in settings else 0, abs=0.03
    )


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "updates"), [(16, 1, 5), (16, 2, 3), (16, 4, 2), (23, 1, 3), (23, 3, 1)]
)
def test_the_schedule_is_planned_for_the_updates_that_are_made(batch_size, accumulate, updates):
    """A line down to 0 is one step above it at the last update, and an epoch's worth above at the end of the first.

    The last of 70 samples joins the third batch of 23.
    """
    job = assembled({"name": "linear"}, epochs=2, batch_size=batch_size, accumulate=accumulate)
    rates = []

    class Noting(Observer):
        def epoch_ended(self, epoch: Epoch) -> None:
            rates.extend(epoch.learning_rates)

    fit(job, Noting())
    total = 2 * updates
    assert job.at.step == total
    assert rates == pytest.approx([0.1 * (updates + 1) / total, 0.1 / total])


def test_a_loss_is_tried_in_evaluation_mode_and_has_its_own_mode_again_then():
    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.modes: list[bool] = []

        def forward(self, outputs, targets):
            self.modes.append(self.training)
            return nn.functional.cross_entropy(outputs.logits, targets.labels)

    asked, watched = planned(make_pack(COUNTS, classes=CLASSES)), Watched()
    check_loss(asked, build_model(asked), watched)
    assert watched.modes == [False]
    assert watched.training
