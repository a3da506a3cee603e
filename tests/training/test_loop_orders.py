"""Epochs of whole batches, and of several lengths."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from test_loop import Log, Order, training

from ferbench.data.order import Lengths
from ferbench.errors import UserError
from ferbench.training.loop import Saver, fit
from ferbench.training.mixing import Mixing
from ferbench.training.observer import Observer
from ferbench.training.snapshot_check import misfit
from ferbench.training.snapshots import Snapshot


class Whole:
    """Batches of 6, 4 and 2 of 50 samples, others in each epoch."""

    def __init__(self, sizes=(6, 4, 2)) -> None:
        self.sizes = sizes

    def batches(self, epoch: int):
        order = np.random.default_rng(epoch).permutation(50)
        return np.split(order, np.cumsum(self.sizes))[:-1]

    def update(self, scores) -> None: ...
    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state) -> None: ...


class Growing(Order):
    """16, 32 and 48 samples."""

    told = (16, 32, 48)

    def indices(self, epoch: int) -> np.ndarray:
        return super().indices(epoch)[: 16 * epoch]

    def lengths(self, epochs: int) -> list[int]:
        return list(self.told[:epochs])


def watched(**changed):
    """A job, and the positions of every batch that it has learnt from."""
    seen: list[list[int]] = []
    job = training(**changed)
    told = job.loss

    def loss(outputs, targets):
        if targets.positions is not None:
            seen.append(targets.positions.tolist())
        return told(outputs, targets)

    job.loss = loss
    return job, seen


def test_batches_are_those_that_the_sampler_gives():
    sampler = Whole()
    job, seen = watched(epochs=2, sampler=sampler)
    log = Log()
    outcome = fit(job, log)
    assert seen == [batch.tolist() for epoch in (1, 2) for batch in sampler.batches(epoch)]
    assert outcome.images == 24
    assert job.at.step == 6
    assert log.images == [(epoch, images, 12) for epoch in (1, 2) for images in (6, 10, 12)]


def test_an_array_of_batches_does_too():
    class Array(Whole):
        def batches(self, epoch):
            return np.arange(12).reshape(3, 4)

    job, seen = watched(epochs=1, sampler=Array())
    fit(job, Observer())
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_whole_batches_are_accumulated_mixed_and_averaged_over():
    job, seen = watched(
        epochs=2, sampler=Whole(), accumulate=2, mix=Mixing(0.2, 0.0, 1.0, 2), norm_batches=1, per_sample=True
    )
    fit(job, Observer())
    assert [len(batch) for batch in seen] == [6, 4, 2] * 2
    assert job.at.step == 4


def test_a_sampler_that_has_indices_too_draws_those():
    class Both(Order):
        def batches(self, epoch):
            raise AssertionError

    job, seen = watched(epochs=1, sampler=Both(50))
    fit(job, Observer())
    assert [len(batch) for batch in seen] == [16, 16, 16, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "gives no batch for epoch 1"),
        (3, "gives no batch for epoch 1"),
        ([np.arange(3), np.arange(0)], "gives no position for epoch 1"),
        ([np.arange(3), np.array([50])], "gives position 50 for epoch 1, but the 50 training samples are 0 to 49"),
        ([np.arange(3.0)], r"gives float64\[3\] for epoch 1"),
        ([np.arange(17)], "gives a batch of 17 samples for epoch 1, but training.batch_size is 16"),
    ],
)
def test_batches_that_are_none_are_refused(given, message):
    sampler = Whole()
    sampler.batches = lambda epoch: given
    with pytest.raises(UserError, match=message):
        fit(training(sampler=sampler), Observer())


class Untold(Order):
    def indices(self, epoch: int) -> np.ndarray:
        return np.arange(16 * epoch)


@pytest.mark.parametrize(
    ("sampler", "lengths", "said"),
    [
        (Untold(50), None, "gives 32 positions for epoch 2, but 16 for epoch 1: .* planned for epochs of one length"),
        (Whole(), Lengths((12,), (4,), whole=True), "gives 3 batches for epoch 1, but 4 for epoch 1"),
        (Growing(50), Lengths.cut([16, 33], 16), "gives 32 positions for epoch 2, and told 33"),
    ],
)
def test_epochs_of_another_length_than_planned_are_refused(sampler, lengths, said):
    with pytest.raises(UserError, match=said):
        fit(training(sampler=sampler, lengths=lengths), Observer())


def test_a_schedule_hears_of_every_epoch_as_if_it_were_the_longest():
    asked: list[int] = []
    job = training(
        sampler=Growing(50),
        lengths=Lengths.cut([16, 32, 48], 16),
        schedule=lambda step, _: asked.append(step) or (0.1,),
    )
    fit(job, Observer())
    assert asked == [0, 3, 4, 6, 7, 8]
    assert job.at.step == 6


def test_displays_hear_of_the_lengths_beforehand():
    class Display(Observer):
        told = None

        def planned(self, images):
            self.told = tuple(images)

    display, plain = Display(), Display()
    fit(training(sampler=Growing(50), lengths=Lengths.cut([16, 32, 48], 16)), display)
    fit(training(lengths=Lengths.cut([50], 16)), plain)
    assert display.told == (16, 32, 48)
    assert plain.told is None


class Stopping(Saver):
    snapshot = None

    def __init__(self, epoch: int, batches: int) -> None:
        self.place = (epoch, batches)

    def batch_done(self, training) -> None:
        if (training.at.epoch, training.at.batches) == self.place:
            self.snapshot = Snapshot.from_state(copy.deepcopy(Snapshot.of(training, training.at).to_state()))
            raise InterruptedError


@pytest.mark.parametrize(
    ("sampler", "lengths", "place"),
    [
        (lambda: Whole(), Lengths((12,), (3,), whole=True), (2, 2)),
        (lambda: Growing(50), Lengths.cut([16, 32, 48], 16), (3, 2)),
    ],
)
def test_training_goes_on_in_the_middle_of_an_epoch_to_the_same_bits(sampler, lengths, place):
    def job():
        return training(sampler=sampler(), lengths=lengths, schedule=lambda step, _: (0.1 / (1 + step),))

    whole, stopped, saver, resumed = job(), job(), Stopping(*place), job()
    fit(whole, Observer())
    with pytest.raises(InterruptedError):
        fit(stopped, Observer(), saver)
    assert misfit(saver.snapshot, resumed) == ""
    saver.snapshot.restore(resumed)
    fit(resumed, Observer())
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)
    assert resumed.at.step == whole.at.step


@pytest.mark.parametrize(("batches", "step", "said"), [(4, 7, "4 batches of an epoch of 3"), (2, 6, "says 6 updates")])
def test_a_snapshot_that_counts_otherwise_is_refused(batches, step, said):
    saver = Stopping(3, 2)
    job = training(sampler=Growing(50), lengths=Lengths.cut([16, 32, 48], 16))
    with pytest.raises(InterruptedError):
        fit(job, Observer(), saver)
    saver.snapshot.position.batches, saver.snapshot.position.step = batches, step
    assert said in misfit(saver.snapshot, job)
