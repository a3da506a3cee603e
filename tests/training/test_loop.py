"""The training loop on a tiny task."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ferbench.data.augment import resample
from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.errors import UserError
from ferbench.training.ema import averaged
from ferbench.training.epoch import Diverged
from ferbench.training.evaluation import evaluate
from ferbench.training.loop import Saver, Training, fit
from ferbench.training.mixing import Mixing
from ferbench.training.observer import Observer
from ferbench.training.scores import Scores
from ferbench.training.stopping import BestEpoch, EarlyStopping

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


class Keeping(Saver):
    """Calls back for every epoch that is the best so far."""

    def __init__(self, keep) -> None:
        self._keep = keep

    def epoch_done(self, training, improved) -> None:
        if improved:
            self._keep(training)


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
        self.epochs.append(record.plain())


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
    outcome = fit(job, log)
    assert [record["epoch"] for record in log.epochs] == list(range(1, 9))
    assert log.epochs[-1]["validation"]["accuracy"] > 0.9
    assert log.epochs[-1]["train"]["loss"] < log.epochs[0]["train"]["loss"]
    assert set(log.epochs[0]["train"]["f1"]) == set(CLASSES)
    assert log.images[3] == (1, 50, 50)
    assert outcome.images == 400
    assert outcome.micro_batch is None


def test_training_images_grow_while_validation_keeps_its_size():
    seen: list[tuple[bool, int]] = []

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))

        def forward(self, images):
            seen.append((self.training, images.shape[-1]))
            return self.layers(images)

    model, log = Watching(), Log()
    fit(training(model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), sizes=(2, 3, 4)), log)
    assert [size for learning, size in seen if learning] == [2] * 4 + [3] * 4 + [4] * 4
    assert {size for learning, size in seen if not learning} == {4}
    assert [record["image_size"] for record in log.epochs] == [2, 3, 4]


def test_history_agrees_with_scikit_learn():
    from sklearn.metrics import f1_score, log_loss

    log, job = Log(), training(epochs=1)
    fit(job, log)
    job.model.eval()
    everything = np.arange(len(job.validation))
    images, targets = job.validation.images(everything), job.validation.targets(everything)
    with torch.no_grad():
        probabilities = torch.softmax(job.model(images), dim=1).numpy()
    validation = log.epochs[0]["validation"]
    expected = f1_score(targets.labels, probabilities.argmax(1), average="macro", zero_division=0)
    assert validation["macro_f1"] == pytest.approx(expected)
    assert validation["loss"] == pytest.approx(log_loss(targets.labels, probabilities), rel=1e-5)


def test_the_same_job_gives_the_same_bits():
    one, other = training(), training()
    for job in (one, other):
        fit(job, Observer())
    torch.testing.assert_close(one.model.state_dict(), other.model.state_dict(), rtol=0, atol=0)


def test_weights_are_kept_when_validation_improves_and_only_then():
    kept, log = [], Log()
    job = training(epochs=6, best=BestEpoch("loss"))
    fit(job, log, Keeping(lambda job: kept.append(job.best.epoch)))
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
    fit(job, log)
    assert [scores.epoch for scores in job.sampler.heard] == [1, 2]
    assert job.sampler.heard[1].f1 == log.epochs[1]["validation"]["f1"]


def test_the_sampler_hears_recall_by_class_and_f1_of_the_training_batches():
    from sklearn.metrics import precision_score, recall_score

    log, job = Log(), training(epochs=1, rate=0.0)
    with torch.no_grad():  # a quarter of the samples is taken for dark, half of them are
        logits = job.model(job.validation.images(np.arange(20)))
        job.model[1].bias[1] += (logits[:, 0] - logits[:, 1]).quantile(0.75)
    fit(job, log)
    (heard,) = job.sampler.heard
    evaluation = evaluate(job.model, job.validation, 2, None, 64)
    sides = evaluation.truth, evaluation.probabilities.argmax(axis=1)
    recall, precision = (
        one(*sides, average=None, labels=[0, 1], zero_division=0) for one in (recall_score, precision_score)
    )
    assert recall.tolist() != precision.tolist()
    assert heard.recall == pytest.approx(dict(zip(CLASSES, recall.tolist(), strict=True)))
    assert heard.train_f1 == log.epochs[0]["train"]["f1"] != heard.f1


def normed(epochs: int, **changed) -> Training:
    """A training whose first layer is a batch norm."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return training(epochs=epochs, model=model, optimizer=optimizer, **changed)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_statistics_are_estimated_from_the_first_whole_batches_of_the_epoch(count):
    job = normed(1, norm_batches=count)
    fit(job, Observer())
    order = Order(50).indices(1)
    batches = [job.train.images(order[start : start + 16]) for start in (0, 16, 32)][
        :count
    ]  # the last two are no batch
    assert job.model[0].running_mean.item() == pytest.approx(np.mean([one.mean().item() for one in batches]), abs=1e-6)
    assert job.model[0].running_var.item() == pytest.approx(np.mean([one.var().item() for one in batches]), abs=1e-6)


def test_statistics_are_estimated_for_the_average_where_there_is_one():
    job, plain = normed(1, norm_batches=2), normed(1)
    job.average = averaged(job.model, 0.9)
    for one in (job, plain):
        fit(one, Observer())
    order = Order(50).indices(1)
    batches = [job.train.images(order[start : start + 16]) for start in (0, 16)]
    means = np.mean([one.mean().item() for one in batches])
    assert job.average.module[0].running_mean.item() == pytest.approx(means, abs=1e-6)
    assert job.model[0].running_mean.item() == plain.model[0].running_mean.item() != pytest.approx(means, abs=1e-6)


def test_the_schedule_sets_the_rate_of_each_step():
    steps = []

    def schedule(step: int, scores: Scores | None) -> tuple[float, ...]:
        steps.append((step, None if scores is None else scores.epoch))
        return (0.1 / (step + 1),)

    log = Log()
    fit(training(epochs=2, schedule=schedule), log)
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
        fit(training(loss=loss, rate=0.0), log)
    assert len(log.epochs) <= 1


def test_a_sampler_that_points_outside_the_split_is_an_error():
    with pytest.raises(UserError, match=r"position 50 for epoch 1, but the 50 training samples are 0 to 49"):
        fit(training(sampler=Order(51)), Observer())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.array([0.0, 1.7]), r"float64\[2\] for epoch 1, not whole numbers"),
        (np.array([True] * 50), r"bool\[50\]"),
        (np.array([[0, 1]]), r"int64\[1, 2\]"),
        (np.array(["0"]), r"<U1\[1\]"),
        (np.array([], dtype=np.int64), "no position for epoch 1"),
        (np.array([0, -1]), "position -1 for epoch 1"),
    ],
)
def test_what_is_no_list_of_positions_is_an_error(given, said):
    sampler = Order(50)
    sampler.indices = lambda epoch: given
    with pytest.raises(UserError, match=said):
        fit(training(sampler=sampler), Observer())


def test_an_epoch_of_another_length_than_the_first_ends_the_training_before_it():
    sampler, log = Order(50), Log()
    sampler.indices = lambda epoch: np.arange(20 * epoch)
    with pytest.raises(UserError, match="gives 40 positions for epoch 2, but 20 for epoch 1: the learning rates"):
        fit(training(sampler=sampler), log)
    assert [record["epoch"] for record in log.epochs] == [1]


def test_an_order_that_a_sampler_changes_later_is_not_the_one_of_the_epoch():
    class Shifting(Order):
        def __init__(self) -> None:
            super().__init__(50)
            self.order = np.arange(50)

        def indices(self, epoch: int) -> np.ndarray:
            return self.order

        def describe(self) -> dict:
            self.order[:] = 0
            return {}

    with_buffer, plain = training(epochs=1, sampler=Shifting()), training(epochs=1, sampler=Order(50))
    plain.sampler.indices = lambda epoch: np.arange(50)
    for job in (with_buffer, plain):
        fit(job, Observer())
    assert torch.equal(with_buffer.model[1].weight, plain.model[1].weight)


@pytest.mark.parametrize("rates", [(0.1, 0.1), [0.1], (float("nan"),), (-0.1,), (float("inf"),), 0.1])
def test_what_is_no_learning_rate_for_each_group_is_an_error(rates):
    with pytest.raises(UserError, match=r"the schedule gives .* for step 0, not a tuple of 1 rates"):
        fit(training(schedule=lambda step, scores: rates), Observer())


def test_an_oversampled_epoch_may_be_longer_than_the_split():
    class Twice(Order):
        def indices(self, epoch: int) -> np.ndarray:
            return np.tile(np.arange(50), 2)

    assert fit(training(epochs=1, sampler=Twice(50)), Observer()).images == 100


def test_accumulation_makes_fewer_updates_of_the_same_images():
    steps = []

    def schedule(step: int, scores: Scores | None) -> tuple[float, ...]:
        steps.append(step)
        return (0.1,)

    log = Log()
    outcome = fit(training(epochs=2, schedule=schedule, accumulate=3), log)
    assert steps == [0, 1, 2, 3]  # four batches an epoch: three together, then one
    assert [images for _, images, _ in log.images] == [48, 50, 48, 50]
    assert outcome.images == 100


def test_four_small_batches_train_like_one_large():
    whole, parts = training(epochs=2, batch_size=50), training(epochs=2, batch_size=16, accumulate=4)
    for job in (whole, parts):
        fit(job, Observer())
    torch.testing.assert_close(whole.model.state_dict(), parts.model.state_dict())


class Updates(Saver):
    """Counts them."""

    done = 0

    def batch_done(self, training) -> None:
        self.done += 1


@pytest.mark.parametrize(("accumulate", "updates"), [(1, 3), (2, 2), (4, 1)])
@pytest.mark.parametrize("mix", [None, Mixing(0.4, 1.0, 1.0, 2)], ids=["plain", "mixed"])
def test_a_last_sample_trains_with_the_batch_before_it_also_under_batch_norm(accumulate, updates, mix):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 2))
    optimizer, saver, log = torch.optim.SGD(model.parameters(), lr=0.1), Updates(), Log()
    parts = {"model": model, "optimizer": optimizer, "train": split(49, seed=1), "sampler": Order(49), "mix": mix}
    outcome = fit(training(epochs=1, accumulate=accumulate, **parts), log, saver)
    assert saver.done == updates
    assert outcome.images == log.images[-1][1] == 49
    assert model[1].num_batches_tracked == 3


def test_it_stops_early_and_says_so():
    class Ears(Log):
        heard: tuple[int, str] | None = None

        def stopped(self, epoch: int, reason: str) -> None:
            self.heard = (epoch, reason)

    log = Ears()
    job = training(epochs=9, rate=0.0, stopping=EarlyStopping("macro_f1", patience=2))
    outcome = fit(job, log)
    assert len(log.epochs) == outcome.epochs == 3
    assert outcome.stopped == "patience"
    assert log.heard == (3, "validation macro_f1 has not gained for 2 epochs")
    assert job.best.epoch == 1


def test_the_last_epoch_is_no_early_stop():
    job = training(epochs=3, rate=0.0, stopping=EarlyStopping("macro_f1", patience=2))
    assert fit(job, Observer()).stopped == "epochs"


def test_the_average_is_what_is_validated_and_kept():
    log, kept = Log(), []
    job = training(epochs=2, rate=1.0)
    job.average = averaged(job.model, 0.99)
    fit(job, log, Keeping(lambda job: kept.append(job.validated)))
    assert kept[0] is job.average.module
    wanted = evaluate(job.average.module, job.validation, 2, job.loss, 64)
    assert log.epochs[-1]["validation"]["loss"] == wanted.loss
    assert evaluate(job.model, job.validation, 2, job.loss, 64).loss != wanted.loss


def test_the_average_takes_every_update_in():
    weights = []

    class Noting(Saver):
        def batch_done(self, job: Training) -> None:
            weights.append(job.model[1].weight.detach().clone())

    job = training(epochs=2)
    job.average = averaged(job.model, 0.6)
    fit(job, Observer(), Noting())
    expected = weights[0]
    for t, weight in enumerate(weights[1:], start=2):
        decay = min(0.6, 1 - t ** (-2 / 3))
        expected = decay * expected + (1 - decay) * weight
    assert len(weights) == 8
    torch.testing.assert_close(job.average.module[1].weight, expected)


def test_the_epochs_record_keeps_what_the_sampler_says_before_it_hears_of_the_epoch():
    class Talking(Order):
        def describe(self) -> dict:
            return {"heard": len(self.heard)}

    log = Log()
    fit(training(epochs=2, sampler=Talking(50)), log)
    assert [record["sampler"] for record in log.epochs] == [{"heard": 0}, {"heard": 1}]


def test_components_of_the_loss_are_in_the_records_of_training_and_validation():
    def loss(outputs: Outputs, targets: Targets) -> LossValue:
        total = nn.functional.cross_entropy(outputs.logits, targets.labels)
        return LossValue(total, {"half": total / 2})

    log = Log()
    fit(training(epochs=1, loss=loss), log)
    for part in ("train", "validation"):
        assert log.epochs[0][part]["half"] == pytest.approx(log.epochs[0][part]["loss"] / 2)


def test_a_loss_that_listens_hears_of_each_epoch_before_its_batches():
    heard = []

    class Listening:
        def epoch_started(self, epoch, epochs):
            heard.append((epoch, epochs))

        def __call__(self, outputs: Outputs, targets: Targets) -> LossValue:
            total = nn.functional.cross_entropy(outputs.logits, targets.labels)
            return LossValue(total, {"heard": torch.tensor(float(len(heard)))})

    log = Log()
    fit(training(epochs=3, loss=Listening()), log)
    assert heard == [(1, 3), (2, 3), (3, 3)]
    for part in ("train", "validation"):
        assert [epoch[part]["heard"] for epoch in log.epochs] == [1, 2, 3]


def test_mixed_samples_reach_the_loss_in_training_alone():
    soft = []

    def loss(outputs: Outputs, targets: Targets) -> torch.Tensor:
        soft.append(targets.soft is not None)
        return nn.functional.cross_entropy(outputs.logits, targets.labels if targets.soft is None else targets.soft)

    fit(training(epochs=1, loss=loss, mix=Mixing(1.0, 0.0, 1.0, 2)), Observer())
    assert soft == [True] * 4 + [False]
