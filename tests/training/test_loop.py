"""The training loop on a tiny task."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ferbench.data.augment import resample
from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.data.targets import Outputs, Targets
from ferbench.training.loop import Diverged, Observer, Training, fit
from ferbench.training.scores import Scores
from ferbench.training.selection import BestEpoch

CPU = torch.device("cpu")
CLASSES = ("dark", "light")


def split(n: int, seed: int) -> Batches:
    generator = np.random.default_rng(seed)
    labels = (np.arange(n) % 2).astype(np.int64)
    images = (
        generator.integers(0, 100, (n, 1, 4, 4)).astype(np.uint8) + (labels * 120).astype(np.uint8)[:, None, None, None]
    )
    shape = InputShape(1, (4, 4), (0.5,), (0.5,))
    return Batches(images, np.arange(n, dtype=np.int64), Truth(labels), shape, CPU)


class Order:
    """In turn; notes what it hears."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.heard: list[Scores] = []

    def indices(self, epoch: int) -> np.ndarray:
        return np.random.default_rng(epoch).permutation(self.n)

    def update(self, scores: Scores) -> None:
        self.heard.append(scores)

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        pass


class Log(Observer):
    def __init__(self) -> None:
        self.epochs: list[dict] = []
        self.images: list[tuple[int, int, int]] = []

    def batch_done(self, epoch, images, total, loss):
        self.images.append((epoch, images, total))

    def epoch_ended(self, record):
        self.epochs.append(record)


def training(epochs: int = 3, rate: float = 0.1, **changed) -> Training:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    train = split(50, seed=1)
    parts = {
        "model": model,
        "loss": lambda outputs, targets: nn.functional.cross_entropy(outputs.logits, targets.labels),
        "optimizer": torch.optim.SGD(model.parameters(), lr=rate),
        "schedule": lambda step, scores: (rate,),
        "sampler": Order(50),
        "augment": lambda images, size, draws: resample(images, size),
        "train": train,
        "validation": split(20, seed=2),
        "class_names": CLASSES,
        "epochs": epochs,
        "batch_size": 16,
        "seed": 0,
        "best": BestEpoch("macro_f1"),
    }
    return Training(**{**parts, **changed})


def test_it_learns_and_reports_every_epoch():
    log, job = Log(), training(epochs=8)
    outcome = fit(job, log, keep=lambda epoch: None)
    assert [record["epoch"] for record in log.epochs] == list(range(1, 9))
    assert log.epochs[-1]["validation"]["accuracy"] > 0.9
    assert log.epochs[-1]["train"]["loss"] < log.epochs[0]["train"]["loss"]
    assert set(log.epochs[0]["train"]["f1"]) == set(CLASSES)
    assert log.images[3] == (1, 50, 50)
    assert outcome.images == 400
    assert outcome.micro_batch is None


def test_history_agrees_with_scikit_learn():
    from sklearn.metrics import f1_score, log_loss

    log, job = Log(), training(epochs=1)
    fit(job, log, keep=lambda epoch: None)
    job.model.eval()
    (images, targets), *rest = job.validation.evaluation(64)
    assert not rest
    with torch.no_grad():
        probabilities = torch.softmax(job.model(images), dim=1).numpy()
    validation = log.epochs[0]["validation"]
    expected = f1_score(targets.labels, probabilities.argmax(1), average="macro", zero_division=0)
    assert validation["macro_f1"] == pytest.approx(expected)
    assert validation["loss"] == pytest.approx(log_loss(targets.labels, probabilities), rel=1e-5)


def test_the_same_job_gives_the_same_bits():
    one, other = training(), training()
    for job in (one, other):
        fit(job, Observer(), keep=lambda epoch: None)
    torch.testing.assert_close(one.model.state_dict(), other.model.state_dict(), rtol=0, atol=0)


def test_weights_are_kept_when_validation_improves_and_only_then():
    kept, log = [], Log()
    job = training(epochs=6, best=BestEpoch("loss"))
    fit(job, log, keep=kept.append)
    best, expected = np.inf, []
    for record in log.epochs:
        if record["validation"]["loss"] < best:
            best = record["validation"]["loss"]
            expected.append(record["epoch"])
    assert kept == expected
    assert job.best.epoch == expected[-1]
    assert [record["epoch"] for record in log.epochs if record["best"]] == expected


def test_the_sampler_hears_validation_f1_by_class():
    job = training(epochs=2)
    log = Log()
    fit(job, log, keep=lambda epoch: None)
    assert [scores.epoch for scores in job.sampler.heard] == [1, 2]
    assert job.sampler.heard[1].f1 == log.epochs[1]["validation"]["f1"]


def test_the_schedule_sets_the_rate_of_each_step():
    steps = []

    def schedule(step: int, scores: Scores | None) -> tuple[float, ...]:
        steps.append((step, None if scores is None else scores.epoch))
        return (0.1 / (step + 1),)

    log = Log()
    fit(training(epochs=2, schedule=schedule), log, keep=lambda epoch: None)
    assert steps == [(i, None if i < 4 else 1) for i in range(8)]
    assert log.epochs[1]["learning_rates"] == [pytest.approx(0.1 / 8)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_training(value):
    calls = []

    def loss(outputs: Outputs, targets: Targets) -> torch.Tensor:
        calls.append(1)
        return outputs.logits.sum() * (value if len(calls) > 5 else 1.0)

    log = Log()
    with pytest.raises(Diverged, match="training loss became"):
        fit(training(loss=loss, rate=0.0), log, keep=lambda epoch: None)
    assert len(log.epochs) <= 1


def test_a_sampler_that_points_outside_the_split_is_an_error():
    with pytest.raises(ValueError, match=r"positions in 0\.\.49"):
        fit(training(sampler=Order(51)), Observer(), keep=lambda epoch: None)


def test_an_oversampled_epoch_may_be_longer_than_the_split():
    class Twice(Order):
        def indices(self, epoch: int) -> np.ndarray:
            return np.tile(np.arange(50), 2)

    assert fit(training(epochs=1, sampler=Twice(50)), Observer(), keep=lambda epoch: None).images == 100
