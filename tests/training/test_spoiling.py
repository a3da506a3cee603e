"""What a plugin does to what it is given changes neither what is recorded nor what is learnt next."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from test_evaluation import Sides, split
from test_loop import CLASSES, Log, Order, training
from test_step import CPU, Limited, batch, cross_entropy, stepper
from torch import nn

from ferbench import LossValue, Outputs, Targets, UserError
from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.data.views import VIEWS
from ferbench.training.asking import described
from ferbench.training.evaluation import evaluate
from ferbench.training.loop import fit
from ferbench.training.loss_state import check_state, put_state, state_of, trainable, untrained
from ferbench.training.observer import Observer
from ferbench.training.ranks import Ranks
from ferbench.training.step import Stepper, evaluate_loss, forward


def margin(outputs: Outputs, targets: Targets) -> torch.Tensor:
    """As margins are added in widely copied code."""
    outputs.logits[torch.arange(len(targets)), targets.labels] += 100.0
    return nn.functional.cross_entropy(outputs.logits, targets.labels)


def swapped(outputs: Outputs, targets: Targets) -> torch.Tensor:
    with torch.no_grad():
        outputs.logits.mul_(-1)
        if outputs.affect is not None:
            outputs.affect.zero_()
    return nn.functional.cross_entropy(outputs.logits, targets.labels)


def replaced(outputs: Outputs, targets: Targets) -> torch.Tensor:
    outputs.logits = targets.distributions(outputs.logits.shape[1]) * 100.0 + 0 * outputs.logits
    outputs.affect = None
    return nn.functional.cross_entropy(outputs.logits, targets.labels)


def relabelling(outputs: Outputs, targets: Targets) -> torch.Tensor:
    total = nn.functional.cross_entropy(outputs.logits, targets.labels.clone())
    targets.labels.copy_(outputs.logits.argmax(1))
    if targets.affect is not None:
        targets.affect.fill_(0.5)
    return total


def shortening(outputs: Outputs, targets: Targets) -> torch.Tensor:
    total = nn.functional.cross_entropy(outputs.logits, targets.labels)
    targets.labels = targets.labels[:1]
    return total


SPOILERS = [margin, swapped, replaced, relabelling, shortening]


@pytest.mark.parametrize("views", ["none", "flip"])
@pytest.mark.parametrize("loss", SPOILERS)
def test_an_evaluation_is_what_the_model_said_whatever_the_loss_writes(loss, views):
    affect = np.random.default_rng(1).uniform(-1, 1, (10, 2)).astype(np.float32)
    data = split(affect.copy())
    spoilt = evaluate(Sides(), data, 2, loss, 4, VIEWS[views])
    alone = evaluate(Sides(), split(affect), 2, None, 4, VIEWS[views])
    np.testing.assert_array_equal(spoilt.probabilities, alone.probabilities)
    np.testing.assert_array_equal(spoilt.affect, alone.affect)
    np.testing.assert_array_equal(spoilt.truth, alone.truth)
    np.testing.assert_array_equal(spoilt.affect_truth, affect)


def test_a_loss_that_shortens_its_targets_counts_every_sample():
    plain = evaluate(Sides(), split(), 2, lambda o, t: nn.functional.cross_entropy(o.logits, t.labels), 4)
    assert evaluate(Sides(), split(), 2, shortening, 4).loss == pytest.approx(plain.loss)


def test_a_model_that_gives_a_tensor_that_it_keeps_is_not_changed_by_a_loss():
    class Prior(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("prior", torch.tensor([[1.0, 2.0]]))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.prior

    model = Prior()
    evaluate(model, split(), 2, lambda o, t: o.logits.zero_().sum(), 1)
    assert model.prior.tolist() == [[1.0, 2.0]]


def test_what_a_loss_may_need_beside_the_logits_reaches_it_in_an_evaluation():
    class Features(Sides):
        def forward(self, images: torch.Tensor) -> Outputs:
            outputs = super().forward(images)
            return Outputs(outputs.logits, outputs.affect, outputs.logits)

    seen = []
    loss = lambda o, t: seen.append(o.features.shape) or o.logits.sum()  # noqa: E731
    evaluate(Features(), split(), 2, loss, 4, needs=("features",))
    assert len(seen) == 3


@pytest.mark.parametrize("loss", SPOILERS)
def test_a_step_counts_what_the_model_said_and_the_true_labels(loss):
    model, _ = stepper(limit=100)
    images, targets = batch(10)
    said = model(images).logits.argmax(1)
    result = Stepper(model, loss, torch.optim.SGD(model.parameters(), lr=0.5), CPU).step([(images, targets)])
    assert torch.equal(result.predicted, said)
    assert torch.equal(result.labels, batch(10)[1].labels)


def test_a_step_that_is_done_again_in_pieces_has_the_true_labels():
    calls = []

    def sometimes(outputs: Outputs, targets: Targets) -> torch.Tensor:
        total = nn.functional.cross_entropy(outputs.logits, targets.labels.clone())
        targets.labels.fill_(0)
        calls.append(len(targets))
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return total

    weights = []
    for loss in (sometimes, lambda o, t: nn.functional.cross_entropy(o.logits, t.labels)):
        model, _ = stepper(limit=100)
        Stepper(model, loss, torch.optim.SGD(model.parameters(), lr=0.5), CPU).step([batch(10)])
        weights.append(model.head.weight)
    assert calls == [10, 5, 5]
    torch.testing.assert_close(*weights)


def test_a_step_is_not_done_again_with_images_that_the_model_has_changed():
    class Scaling(Limited):
        def forward(self, images: torch.Tensor) -> Outputs:
            return super().forward(images.mul_(0.5))

    torch.manual_seed(0)
    model = Scaling(limit=3)
    with pytest.raises(UserError, match="the model has changed the images in place"):
        Stepper(model, cross_entropy, torch.optim.SGD(model.parameters(), lr=0.5), CPU).step([batch(10)])


def test_gradients_of_a_margin_in_place_are_those_of_one_out_of_place():
    def apart(outputs: Outputs, targets: Targets) -> torch.Tensor:
        moved = outputs.logits + 100.0 * targets.distributions(outputs.logits.shape[1])
        return nn.functional.cross_entropy(moved, targets.labels)

    weights = []
    for loss in (margin, apart):
        model, _ = stepper(limit=100)
        Stepper(model, loss, torch.optim.SGD(model.parameters(), lr=0.5), CPU).step([batch(10)])
        weights.append(model.head.weight)
    torch.testing.assert_close(*weights)


def test_a_sampler_and_a_schedule_that_take_scores_apart_leave_the_history_whole():
    class Popping(Order):
        def update(self, scores) -> None:
            for given in (scores.f1, scores.recall, scores.train_f1, scores.metrics, scores.support):
                given.pop(next(iter(given)))
            super().update(scores)

    def popping(step, scores):
        if scores is not None:
            scores.metrics.clear()
            scores.f1.clear()
        return (0.1,)

    log, job = Log(), training(epochs=2, sampler=Popping(50), schedule=popping)
    fit(job, log)
    assert [set(record["validation"]["f1"]) for record in log.epochs] == [set(CLASSES)] * 2
    assert [set(record["train"]["f1"]) for record in log.epochs] == [set(CLASSES)] * 2
    assert set(job.at.scores.f1) == set(CLASSES)
    assert "macro_f1" in job.at.scores.metrics


def test_an_augmentation_that_writes_into_its_images_changes_no_later_epoch():
    pack = np.random.default_rng(0).integers(0, 256, (6, 1, 4, 4)).astype(np.uint8)
    shape = InputShape(1, (4, 4), (0.0,), (1.0,))
    stored = Batches(pack, np.arange(6), Truth(np.arange(6) % 2), shape, torch.device("cpu"))
    before = pack.copy()
    for _ in stored.training(np.arange(6), 3, lambda i, size, draws: i.zero_().float(), seed=0, epoch=1):
        pass
    np.testing.assert_array_equal(pack, before)


def test_devices_refuse_a_component_that_only_one_of_them_has():
    class Second(Ranks):
        """What the second of two devices goes through: the first has no component."""

        def broadcast(self, message=None):
            return {name: about for name, about in message.items() if "centre" not in name}

    def loss(outputs, targets):
        total = nn.functional.cross_entropy(outputs.logits, targets.labels)
        return LossValue(total, {"centre": total})

    with pytest.raises(UserError, match="returns a component 'centre' for some batches alone"):
        evaluate(Sides(), split(), 2, loss, 4, ranks=Second())


def test_a_component_that_a_batch_lacks_counts_as_0_there():
    def loss(outputs, targets):
        total = nn.functional.cross_entropy(outputs.logits, targets.labels)
        return LossValue(total, {"whole": torch.ones(())} if len(targets) == 5 else {})

    job = training(epochs=1, loss=loss)  # ten batches of five, validated at once
    job.batch_size, log = 15, Log()
    fit(job, log)
    assert log.epochs[0]["train"]["whole"] == pytest.approx(5 / 50)


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images[:-1],
        lambda images: images.repeat(2, 1, 1, 1),
        lambda images: images[:, :, :2],
        lambda images: images.expand(-1, 2, -1, -1),
        lambda images: images.double(),
        lambda images: images.byte(),
        lambda images: None,
    ],
    ids=["fewer", "more", "smaller", "two channels", "float64", "uint8", "none"],
)
def test_an_augmentation_that_makes_other_than_it_should_is_refused(change):
    shape = InputShape(1, (4, 4), (0.0,), (1.0,))
    pack = np.zeros((6, 1, 4, 4), np.uint8)
    stored = Batches(pack, np.arange(6), Truth(np.arange(6) % 2), shape, torch.device("cpu"))
    with pytest.raises(UserError, match=r"the augmentation makes .* of 3 images, not float32\[3, C, 4, 4\]"):
        next(stored.training(np.arange(6), 3, lambda i, size, draws: change(i.float()), seed=0, epoch=1))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (torch.zeros(1, 2), r"a tensor of shape \(1, 2\) as logits"),
        (torch.zeros(4), r"a tensor of shape \(4,\) as logits"),
        ({"logits": torch.zeros(4, 2)}, "dict as logits"),
        ((torch.zeros(4, 2), torch.zeros(4, 2)), "tuple as logits"),
        (Outputs(torch.zeros(4, 2), torch.zeros(1, 2)), r"a tensor of shape \(1, 2\) as affect"),
        (Outputs(torch.zeros(4, 2), torch.zeros(4, 7)), r"a tensor of shape \(4, 7\) as affect"),
    ],
)
def test_a_model_whose_outputs_have_other_shapes_is_refused(answer, said):
    class Model(nn.Module):
        def forward(self, images):
            return answer

    with pytest.raises(UserError, match=f"the model gives {said} for 4 images, not one of shape"):
        forward(Model(), torch.zeros(4, 1, 8, 8))


RECORDED = ("loss", "accuracy", "macro_f1", "f1", "ece", "epoch", "seconds", "valence_ccc")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, "has the name of something else in the records") for name in RECORDED),
        (3, "is named by int, not by a text"),
        ("f1:happy", "is not named by a letter"),
        ("optimizer.lr", "is not named by a letter"),
        ("", "is not named by a letter"),
        ("a\nb", "is not named by a letter"),
        ("x" * 65, "is not named by a letter"),
    ],
)
def test_a_component_that_the_records_could_not_hold_is_refused(name, said):
    def loss(outputs, targets):
        total = nn.functional.cross_entropy(outputs.logits, targets.labels)
        return LossValue(total, {name: total.detach()})

    with pytest.raises(UserError, match=f"the loss returns a component .* that {said}"):
        evaluate_loss(loss, Outputs(torch.zeros(2, 3)), Targets(torch.zeros(2, dtype=torch.int64)))


@pytest.mark.parametrize(("components", "got"), [(None, "NoneType"), ([torch.tensor(1.0)], "list")])
def test_components_that_are_not_by_name_are_refused(components, got):
    def loss(outputs, targets):
        return LossValue(nn.functional.cross_entropy(outputs.logits, targets.labels), components)

    with pytest.raises(UserError, match=f"the loss returns {got} as its components, not scalars by name"):
        evaluate_loss(loss, Outputs(torch.zeros(2, 3)), Targets(torch.zeros(2, dtype=torch.int64)))


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (0.5, "0.5"),
        (torch.zeros(2), r"a tensor of shape \(2,\)"),
        (None, "None"),
        (torch.tensor(True), r"tensor\(True\)"),
    ],
)
def test_a_component_that_is_no_single_number_is_refused(value, got):
    with pytest.raises(UserError, match=f"component 'centre' that is {got}, not a tensor with a single number"):
        evaluate_loss(
            lambda o, t: LossValue(o.logits.sum(), {"centre": value}),
            Outputs(torch.zeros(2, 3)),
            Targets(torch.zeros(2, dtype=torch.int64)),
        )


def test_everything_beside_the_components_in_histories_and_evaluations_has_a_name_that_none_may_have():
    from ferbench.metrics.measures import PARTS, TAKEN
    from ferbench.metrics.scoring import scores_record

    affect = np.random.default_rng(1).uniform(-1, 1, (10, 2)).astype(np.float32)
    log = Log()
    fit(training(epochs=1), log)
    evaluation = evaluate(Sides(), split(affect), 2, cross_entropy, 4)
    names = {*log.epochs[0], *log.epochs[0]["train"], *log.epochs[0]["validation"]}
    record = scores_record(
        evaluation.truth, evaluation.probabilities, CLASSES, affect_truth=affect, affect=evaluation.affect
    )
    names |= {*record["metrics"], *evaluation.summary()}
    assert names - set(PARTS) <= TAKEN


class Weight(nn.Module):
    def __init__(self, frozen: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3), requires_grad=not frozen)

    def forward(self, outputs, targets):
        return outputs.logits.sum()


class Hiding:
    """No module, but keeps one in a list in a dictionary."""

    def __init__(self, net):
        self.parts = {"nets": [net]}

    def __call__(self, outputs, targets):
        return outputs.logits.sum()


class Slotted:
    __slots__ = ("net",)

    def __init__(self, net):
        self.net = net

    def __call__(self, outputs, targets):
        return outputs.logits.sum()


def closing(net):
    return lambda outputs, targets: net(outputs, targets)


def as_default(net):
    return lambda outputs, targets, net=net: net(outputs, targets)


def behind_a_partial(net):
    return functools.partial(lambda net, outputs, targets: net(outputs, targets), net)


def as_a_method(net):
    return Hiding(net).__call__


def unregistered(net):
    module = nn.Module()
    module.nets = [net]
    return module


REGISTERED = [lambda net: net, nn.Sequential]
HOLDERS = [Hiding, Slotted, closing, as_default, behind_a_partial, as_a_method, unregistered]


@pytest.mark.parametrize("holder", REGISTERED)
def test_parameters_that_a_loss_registers_are_trained_unless_they_are_frozen(holder):
    learnt = Weight()
    assert [id(one) for one in trainable(holder(learnt))] == [id(learnt.weight)]
    assert trainable(holder(Weight(frozen=True))) == []
    assert untrained(holder(learnt)) == []


@pytest.mark.parametrize("holder", HOLDERS)
def test_other_parameters_of_a_loss_are_found_wherever_they_are_kept(holder):
    (name,) = untrained(holder(Weight()))
    assert name.endswith("weight")
    assert untrained(holder(Weight(frozen=True))) == []
    assert trainable(holder(Weight())) == []


def test_a_bare_tensor_with_a_gradient_is_a_parameter_of_a_loss():
    scale = torch.ones(2, requires_grad=True)
    assert untrained(lambda outputs, targets: outputs.logits.sum() * scale.sum()) == ["scale"]


GLOBAL = nn.Parameter(torch.zeros(()))


class Naming(nn.Module):
    def forward(self, outputs, targets):
        return outputs.logits.sum() * GLOBAL.exp()


class CallingGlobal:
    def __call__(self, outputs, targets):
        return outputs.logits.sum() * GLOBAL.exp()


@pytest.mark.parametrize("loss", [lambda outputs, targets: outputs.logits.sum() * GLOBAL, Naming(), CallingGlobal()])
def test_a_parameter_of_a_module_is_found_where_a_loss_names_it(loss):
    assert untrained(loss) == ["GLOBAL"]


def test_a_loss_may_enclose_what_was_never_assigned():
    def build(smooth):
        if smooth:
            smoothed = nn.Identity()

        def loss(outputs, targets):
            total = outputs.logits.sum()
            return smoothed(total) if smooth else total

        return loss

    assert untrained(build(smooth=False)) == []


class Bank(nn.Module):
    """Keeps the logits that it has seen, in buffers of which one is made at the first batch and one grows."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(0, 2))
        self.register_buffer("mean", None)

    def forward(self, outputs, targets):
        self.seen = torch.cat([self.seen, outputs.logits.detach()])
        self.mean = self.seen.mean(0)
        return nn.functional.cross_entropy(outputs.logits - self.mean, targets.labels)


def test_a_loss_has_its_state_again_whatever_shape_it_had_and_has():
    targets = Targets(torch.zeros(3, dtype=torch.int64))
    loss, fresh = Bank(), Bank()
    before = state_of(fresh)
    loss(Outputs(torch.ones(3, 2)), targets)
    learnt = state_of(loss)
    loss(Outputs(torch.zeros(3, 2)), targets)
    for other in (loss, fresh):
        put_state(other, learnt)
        assert other.seen.tolist() == [[1.0, 1.0]] * 3
        assert other.mean.tolist() == [1.0, 1.0]
    put_state(loss, before)
    assert loss.seen.shape == (0, 2)
    assert loss.mean is None


@pytest.mark.parametrize("value", [torch.zeros(2), 0.5, {"loss": torch.zeros(())}])
def test_a_loss_that_returns_no_scalar_is_refused_at_any_batch(value):
    with pytest.raises(UserError, match=r"the loss returns .* for 2 images, not a tensor with a single number"):
        evaluate_loss(lambda o, t: value, Outputs(torch.zeros(2, 3)), Targets(torch.zeros(2, dtype=torch.int64)))


@pytest.mark.parametrize("kind", ["loss", "model"])
def test_what_gives_no_gradient_is_named(kind):
    class Blind(Limited):
        def forward(self, images):
            return super().forward(images).logits.detach()

    model = {"model": Blind, "loss": Limited}[kind](limit=100)
    loss = {"model": cross_entropy, "loss": lambda o, t: cross_entropy(o, t).total.detach()}[kind]
    with pytest.raises(UserError, match=f"the {kind} gives no gradient to learn from"):
        Stepper(model, loss, torch.optim.SGD(model.parameters(), lr=0.5), CPU).step([batch(10)])


@pytest.mark.parametrize("said", [{"focus": {"happy"}}, ["happy"], {"w": np.ones(2)}])
def test_a_sampler_that_says_what_no_record_holds_is_refused(said):
    sampler = Order(50)
    sampler.describe = lambda: said
    with pytest.raises(UserError, match="the sampler describes an epoch by what is no dictionary of plain values"):
        described(sampler)


@pytest.mark.parametrize("missing", ["state_dict", "load_state_dict"])
def test_a_loss_with_half_a_state_is_refused(missing):
    class Half:
        state_dict, load_state_dict = dict, dict

    setattr(Half, missing, None)
    with pytest.raises(UserError, match=f"the loss has no {missing}"):
        check_state(Half())


def test_a_loss_that_takes_note_of_what_it_validates_on_learns_nothing_from_it():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, outputs: Outputs, targets: Targets) -> torch.Tensor:
            self.seen = self.seen + len(targets)
            return nn.functional.cross_entropy(outputs.logits, targets.labels)

    job = training(epochs=2, loss=Counting())
    fit(job, Observer())
    assert job.loss.seen == 100  # two epochs of fifty
