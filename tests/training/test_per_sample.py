"""What a sampler hears of each training sample."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from test_loop import Log, Order, training
from torch import nn

from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.errors import UserError
from ferbench.training.loop import Saver, fit
from ferbench.training.mixing import Mixing
from ferbench.training.observer import Observer
from ferbench.training.precision import Precision
from ferbench.training.snapshot_check import misfit
from ferbench.training.snapshots import Snapshot
from ferbench.training.step import evaluate_loss


class Twice(Order):
    """Of 50 samples: the first 40, those below 10 twice."""

    def indices(self, epoch: int) -> np.ndarray:
        return np.random.default_rng(epoch).permutation(np.concatenate([np.arange(40), np.arange(10)]))


def own(outputs: Outputs, targets: Targets) -> LossValue:
    """Tells a loss that its total says nothing of."""
    assert targets.positions is None or targets.positions.shape == targets.labels.shape
    total = nn.functional.cross_entropy(outputs.logits, targets.labels)
    places = targets.labels if targets.positions is None else targets.positions
    return LossValue(total, per_sample=places.double() + targets.epoch)


def heard(**changed):
    job = training(**{"epochs": 1, "per_sample": True, "sampler": Twice(50), **changed})
    before = copy.deepcopy(job.model)
    fit(job, Observer())
    return job.sampler.heard[-1], before, job


def test_losses_and_right_predictions_are_those_of_a_model_that_does_not_change():
    scores, model, job = heard(rate=0.0)
    with torch.no_grad():
        everything = np.arange(50)
        logits = model(job.train.images(everything)).double().numpy()
    labels = job.train.truth.labels
    nats = np.log(np.exp(logits).sum(1)) - logits[np.arange(50), labels]
    np.testing.assert_allclose(scores.losses[:40], nats[:40], rtol=1e-5)
    assert scores.correct[:40].tolist() == (logits.argmax(1) == labels)[:40].astype(float).tolist()
    assert np.isnan(scores.losses[40:]).all()
    assert np.isnan(scores.correct[40:]).all()
    assert scores.losses.dtype == scores.correct.dtype == np.float32


def test_a_sample_that_is_drawn_twice_has_the_mean():
    """The model holds all for dark at first, and has learnt better before it sees them again."""
    job = training(epochs=1, rate=5.0, per_sample=True, batch_size=25, sampler=Order(25))
    with torch.no_grad():
        job.model[1].bias[0] += 10
    job.sampler.indices = lambda epoch: np.concatenate([np.arange(25), np.arange(25)])
    seen = []
    told = job.loss

    def loss(outputs, targets):
        if targets.positions is not None:
            log_p = outputs.logits.detach().log_softmax(1)
            seen.append((-log_p[torch.arange(25), targets.labels], outputs.logits.argmax(1) == targets.labels))
        return told(outputs, targets)

    job.loss = loss
    fit(job, Observer())
    (first, right), (second, right_then) = seen
    scores = job.sampler.heard[0]
    np.testing.assert_allclose(scores.losses[:25], ((first + second) / 2).numpy(), rtol=1e-6)
    shares = ((right.double() + right_then.double()) / 2).tolist()
    assert 0.5 in shares
    assert scores.correct[:25].tolist() == shares


def test_the_loss_plugin_says_what_the_loss_of_a_sample_is():
    scores, _, _ = heard(loss=own, batch_size=7, accumulate=2)
    assert scores.losses[:40].tolist() == (np.arange(40) + 1).tolist()


def test_micro_batches_tell_what_whole_batches_tell():
    whole, _, _ = heard()
    narrow = training(epochs=1, per_sample=True, sampler=Twice(50))
    narrow.at.outcome.micro_batch = 5
    fit(narrow, Observer())
    np.testing.assert_allclose(narrow.sampler.heard[0].losses, whole.losses, rtol=1e-5)
    assert np.array_equal(narrow.sampler.heard[0].correct, whole.correct, equal_nan=True)


def test_of_a_mixed_sample_it_is_that_of_the_larger_share():
    """Each sample stands beside its partner, of which it takes more than half: nobody hears of the others."""
    mix = Mixing(0.5, 0.0, 1.0, 2)
    seen = []
    job = training(epochs=1, per_sample=True, mix=mix, loss=own)
    inner = job.train.training

    def watched(*args, **kwargs):
        for images, targets in inner(*args, **kwargs):
            seen.append(targets.positions.numpy().copy())
            yield images, targets

    job.train.training = watched
    fit(job, Observer())
    drawn = np.unique(np.concatenate(seen))
    assert 0 < len(drawn) < 50
    losses = job.sampler.heard[0].losses
    assert np.flatnonzero(~np.isnan(losses)).tolist() == drawn.tolist()
    assert losses[drawn].tolist() == (drawn + 1).tolist()


def test_a_loss_that_writes_into_the_logits_changes_nothing_of_it():
    def spoiling(outputs, targets):
        total = nn.functional.cross_entropy(outputs.logits, targets.labels)
        with torch.no_grad():
            outputs.logits.zero_()
        return total

    plain, _, _ = heard(rate=0.0)
    spoilt, _, _ = heard(rate=0.0, loss=spoiling)
    assert np.array_equal(plain.losses, spoilt.losses, equal_nan=True)


def test_nobody_hears_of_samples_who_does_not_ask():
    job = training(epochs=1)
    fit(job, Observer())
    assert job.sampler.heard[0].losses is None
    assert job.sampler.heard[0].correct is None


def test_schedules_never_do():
    told = []
    fit(training(epochs=2, per_sample=True, schedule=lambda step, scores: told.append(scores) or (0.1,)), Observer())
    assert told[-1] is not None
    assert told[-1].losses is None


def test_what_a_sampler_hears_cannot_be_written_to():
    scores, _, _ = heard()
    for values in (scores.losses, scores.correct):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1.0


@pytest.mark.parametrize("given", [torch.zeros(2), torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64), [0.0] * 3])
def test_losses_that_are_not_one_for_each_sample_are_refused(given):
    outputs, targets = Outputs(torch.zeros(3, 2, requires_grad=True)), Targets(torch.zeros(3, dtype=torch.int64))
    with pytest.raises(UserError, match=r"as the losses of 3 samples, not float\[3\]"):
        evaluate_loss(lambda outputs, targets: LossValue(outputs.logits.sum(), per_sample=given), outputs, targets)


class Stopping(Saver):
    """Takes a snapshot in the middle of the second epoch, and ends the training there."""

    snapshot = None

    def batch_done(self, training) -> None:
        if (training.at.epoch, training.at.batches) == (2, 2):
            self.snapshot = Snapshot.from_state(copy.deepcopy(Snapshot.of(training, training.at).to_state()))
            raise InterruptedError


def test_it_is_the_same_to_the_bit_after_a_stop_in_the_middle_of_an_epoch():
    whole = training(epochs=2, per_sample=True, sampler=Twice(50))
    fit(whole, Log())
    stopped, saver = training(epochs=2, per_sample=True, sampler=Twice(50)), Stopping()
    with pytest.raises(InterruptedError):
        fit(stopped, Log(), saver)
    resumed = training(epochs=2, per_sample=True, sampler=Twice(50))
    saver.snapshot.restore(resumed)
    fit(resumed, Log())
    for name in ("losses", "correct"):
        expected, found = (getattr(job.sampler.heard[-1], name) for job in (whole, resumed))
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda sums: sums.positions[0].fill_(50), "of other samples"),
        (lambda sums: sums.positions[0].fill_(-1), "of other samples"),
        (lambda sums: (sums.losses.clear(), sums.positions.clear()), "no losses of single samples"),
    ],
)
def test_a_snapshot_without_them_or_of_other_samples_is_refused(spoil, said):
    job, saver = training(epochs=2, per_sample=True, sampler=Twice(50)), Stopping()
    with pytest.raises(InterruptedError):
        fit(job, Log(), saver)
    assert misfit(saver.snapshot, job) == ""
    spoil(saver.snapshot.position.sums)
    assert said in misfit(saver.snapshot, job)


def test_half_precision_tells_what_single_precision_tells_about():
    plain, _, _ = heard(rate=0.0)
    half, _, _ = heard(rate=0.0, precision=Precision("bf16", torch.device("cpu")))
    np.testing.assert_allclose(half.losses, plain.losses, rtol=0.02)
    assert half.losses.dtype == np.float32


class Perturbing(torch.optim.SGD):
    """Computes the loss again where it is another one, as SAM does."""

    def step(self, closure=None):
        closure()
        (weights, *_) = self.param_groups[0]["params"]
        with torch.no_grad():
            weights += 10.0
            torch.enable_grad()(closure)()
            weights -= 10.0
        return super().step()


def test_of_several_passes_of_an_update_the_first_is_told():
    plain, _, _ = heard(rate=0.0)
    job = training(epochs=1, per_sample=True, sampler=Twice(50), closure=True)
    job.optimizer = Perturbing(job.model.parameters(), lr=0.0)
    job.schedule = lambda step, scores: (0.0,)
    fit(job, Observer())
    np.testing.assert_allclose(job.sampler.heard[0].losses, plain.losses, rtol=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_refused_since_it_would_pass_for_a_sample_that_was_not_drawn(value):
    def one_is_none(outputs: Outputs, targets: Targets) -> LossValue:
        total = nn.functional.cross_entropy(outputs.logits, targets.labels)
        each = torch.zeros(len(targets))
        if targets.positions is not None:
            each[targets.positions == 7] = value
        return LossValue(total, per_sample=each)

    with pytest.raises(UserError, match=f"training sample 7 is {value}") as refused:
        heard(loss=one_is_none)
    assert "per_sample" in refused.value.remedy
