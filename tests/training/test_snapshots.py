"""Snapshots on disk: whole, or not there."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from test_loop import CLASSES, Order, split, training
from torch import nn

from ferbench import Outputs, Targets, Task, UserError
from ferbench.training.ema import averaged
from ferbench.training.loop import Saver, Training, fit
from ferbench.training.observer import Observer
from ferbench.training.position import Position
from ferbench.training.snapshots import Snapshots, restore_random
from ferbench.training.stopping import EarlyStopping
from ferbench_builtin.samplers.adaptive import Adaptive
from ferbench_builtin.schedules.plateau import Plateau


class Every(Saver):
    """Saves after every update and epoch."""

    def __init__(self, snapshots):
        self.snapshots = snapshots

    def batch_done(self, job):
        self.snapshots.save(job, job.at)

    def epoch_done(self, job, improved):
        self.snapshots.save(job, job.at)


def saved(tmp_path, keep="all", epochs=2, **parts):
    snapshots = Snapshots(tmp_path, "v1:me", keep)
    job = training(epochs=epochs, **parts)
    fit(job, Observer(), Every(snapshots))
    return snapshots, job


def test_every_snapshot_gives_the_training_it_was_made_of(tmp_path):
    snapshots, job = saved(tmp_path)
    state = snapshots.newest(pytest.fail)
    again = training(epochs=2)
    state.restore(again)
    assert again.at == job.at
    for name, value in job.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value)


@pytest.mark.parametrize("samples", [50, 49], ids=["a smaller last batch", "a last sample that joined one"])
def test_a_training_resumed_after_any_update_ends_with_the_same_bits(tmp_path, samples):
    parts = {"train": split(samples, seed=1), "sampler": Order(samples)}
    snapshots, whole = saved(tmp_path, **parts)
    names = snapshots.names()
    assert len(names) > 4
    for name in names:
        again = training(epochs=2, **parts)
        state = snapshots.read(name)
        state.restore(again)
        restore_random(state.random, torch.device("cpu"))
        fit(again, Observer())
        for key, value in whole.model.state_dict().items():
            assert torch.equal(again.model.state_dict()[key], value), name
        timeless = {"seconds": 0, "images_per_second": 0}
        assert {**again.at.record.plain(), **timeless} == {**whole.at.record.plain(), **timeless}


class Growing(nn.Module):
    """Cross-entropy that counts more the more samples have gone by."""

    seen: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, outputs: Outputs, targets: Targets) -> torch.Tensor:
        if torch.is_grad_enabled():
            self.seen += len(targets)
        return nn.functional.cross_entropy(outputs.logits, targets.labels) * (1 + self.seen / 100)


def remembering() -> Training:
    """A training of six epochs that stops after four, in which every part acts by what it has heard before."""
    job = training(epochs=6, loss=Growing(), stopping=EarlyStopping("macro_f1", patience=3, min_gain=1.0))
    job.optimizer = torch.optim.SGD(job.model.parameters(), lr=0.1, momentum=0.9)
    job.average = averaged(job.model, 0.9)
    labels = job.train.truth.labels
    task = Task(CLASSES, channels=1, height=4, width=4, train_counts=(25, 25))
    job.sampler = Adaptive(labels, task, seed=0, focus=1, boost=2.0, mode="accumulate")
    job.schedule = Plateau((0.1,), 6, 4, metric="macro_f1", factor=0.5, patience=0, threshold=1.0)
    return job


def test_every_part_with_a_memory_goes_on_with_it(tmp_path):
    snapshots = Snapshots(tmp_path, "v1:me", "all")
    whole = remembering()
    outcome = fit(whole, Observer(), Every(snapshots))
    assert (outcome.epochs, outcome.stopped) == (4, "patience")
    assert whole.best.epoch < 4
    for name in snapshots.names():
        again = remembering()
        snapshots.read(name).restore(again)
        resumed = fit(again, Observer())
        assert (resumed.epochs, resumed.stopped) == (4, "patience"), name
        assert again.best == whole.best, name
        assert again.stopping == whole.stopping, name
        assert again.sampler.state_dict() == whole.sampler.state_dict(), name
        assert again.schedule.state_dict() == whole.schedule.state_dict(), name
        assert torch.equal(again.loss.seen, whole.loss.seen), name
        for one, other in ((again.model, whole.model), (again.validated, whole.validated)):
            for key, value in other.state_dict().items():
                assert torch.equal(one.state_dict()[key], value), name


def test_random_numbers_go_on_where_they_were(tmp_path):
    snapshots = Snapshots(tmp_path, "v1:me")
    job = training(epochs=1)
    snapshots.save(job, Position())
    expected = torch.rand(3).tolist(), np.random.rand(), random.random()
    restore_random(snapshots.newest(pytest.fail).random, torch.device("cpu"))
    assert (torch.rand(3).tolist(), np.random.rand(), random.random()) == expected


@pytest.mark.parametrize(("keep", "ends", "all_of_them"), [("last2+best", 1, 2), ("epochs", 3, 4)])
def test_older_ones_go_unless_they_are_to_be_kept(keep, ends, all_of_them, tmp_path):
    snapshots, _ = saved(tmp_path, keep, epochs=3)
    names = snapshots.names()
    assert sum(name.endswith("-end") for name in names) == ends
    assert len(names) == all_of_them
    assert len(list(tmp_path.iterdir())) == 2 * all_of_them


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_every_damage_is_seen_and_the_one_before_is_used(suffix, tmp_path):
    snapshots, _ = saved(tmp_path, "last2+best")
    older, newest = snapshots.names()
    path = tmp_path / f"{newest}{suffix}"
    content = path.read_bytes()
    draw = random.Random(1)
    for _ in range(50):
        place = draw.randrange(len(content))
        flipped = bytearray(content)
        flipped[place] ^= 1 << draw.randrange(8)
        for damaged in (bytes(flipped), content[:place]):
            path.write_bytes(damaged)
            heard = []
            state = snapshots.newest(heard.append)
            assert len(heard) == 1
            assert newest in heard[0]
            assert state.position.step == snapshots.read(older).position.step


def test_snapshots_of_another_training_are_not_taken(tmp_path):
    saved(tmp_path)
    heard = []
    assert Snapshots(tmp_path, "v1:other").newest(heard.append) is None
    assert heard


def test_a_state_that_cannot_be_stored_names_its_plugin(tmp_path):
    class Odd(Order):
        def state_dict(self):
            return {"generator": np.random.default_rng()}

    job = training(epochs=1, sampler=Odd(50))
    with pytest.raises(UserError, match="state of the sampler cannot be stored"):
        Snapshots(tmp_path, "v1:me").save(job, Position())
    assert list(tmp_path.iterdir()) == []


def test_no_pickle_is_on_disk(tmp_path):
    snapshots, _ = saved(tmp_path)
    for name in snapshots.names():
        json.loads((tmp_path / f"{name}.json").read_text())
        assert (tmp_path / f"{name}.safetensors").read_bytes()[8:9] == b"{"


def test_a_score_that_is_no_number_is_read_from_a_snapshot_of_any_release():
    scores = {"loss": 1.0, "centre": float("nan"), "f1": {}}
    record = {"epoch": 1, "train": scores, "validation": scores, "learning_rates": [0.1], "best": True}
    state = Position(epoch=2).to_state() | {"record": record}
    at = Position.from_state(state)
    assert at.record.train.metrics == {"loss": 1.0, "centre": None}
