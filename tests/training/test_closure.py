"""Update rules that ask for gradients themselves."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.errors import UserError
from ferbench.training.closure import ClosureRule, Held, check_closure, passes
from ferbench.training.moment import Moment
from ferbench.training.precision import Precision
from ferbench.training.step import Stepper, StepResult
from ferbench_builtin.optimizers.sam import sam

CPU = torch.device("cpu")


class Climbing(torch.optim.SGD):
    """SAM, by hand: the gradient of the second call is that at weights that are moved by 0.1 along the first."""

    calls = 0

    @torch.no_grad()
    def step(self, closure):
        type(self).calls += 1
        weights = [each for group in self.param_groups for each in group["params"]]
        loss = closure()
        self.first = [each.grad for each in weights]
        length = torch.cat([each.flatten() for each in self.first]).norm()
        for each, gradient in zip(weights, self.first, strict=True):
            each += 0.1 * gradient / length
        closure()
        for each, gradient in zip(weights, self.first, strict=True):
            each -= 0.1 * gradient / length
        super().step()
        return loss


class Net(nn.Module):
    """Batch norm and dropout; out of memory over ``limit`` samples from the ``after``-th pass on."""

    def __init__(self, norm: bool = True, limit: int = 1000, after: int = 0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(6) if norm else nn.Identity()
        self.head = nn.Linear(6, 3)
        self.dropout = nn.Dropout(0.5 if norm else 0.0)
        self.limit, self.after = limit, after
        self.sizes: list[int] = []
        self.masks: list[torch.Tensor] = []

    def forward(self, images):
        self.sizes.append(len(images))
        kept = self.dropout(self.norm(images.flatten(1)))
        self.masks.append(kept.detach() == 0)
        if len(self.sizes) > self.after and len(images) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return Outputs(self.head(kept))


class Remembering(nn.Module):
    """A loss with a parameter, and a memory that counts what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, outputs, targets):
        self.seen += len(targets)
        total = nn.functional.cross_entropy(outputs.logits * self.scale, targets.labels)
        return LossValue(total, {"seen": self.seen.clone()}, (targets.labels + self.seen.long()) % 3)


def cross_entropy(outputs, targets):
    return nn.functional.cross_entropy(outputs.logits, targets.labels)


def batch(n: int) -> tuple[torch.Tensor, Targets]:
    images = torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(1))
    return images, Targets(torch.arange(n) % 3, positions=torch.arange(n))


def built(model=None, loss=cross_entropy, rule=Climbing, **options) -> tuple[nn.Module, Stepper, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = model or Net()
    for each in model.parameters():
        nn.init.normal_(each)
    learnt = loss.parameters() if isinstance(loss, nn.Module) else []
    optimizer = rule([*model.parameters(), *learnt], lr=0.5)
    return model, Stepper(model, loss, optimizer, CPU, closure=True, **options), optimizer


def climbed(weight, bias, images, labels, clip=None):
    """Weights after one such step on a linear model, by autograd alone."""

    def gradients(values):
        values = [each.detach().requires_grad_() for each in values]
        total = nn.functional.cross_entropy(images.flatten(1) @ values[0].T + values[1], labels)
        found = torch.autograd.grad(total, values)
        length = torch.cat([each.flatten() for each in found]).norm()
        return [each * min(1, clip / length) if clip else each for each in found]

    first = gradients([weight, bias])
    length = torch.cat([each.flatten() for each in first]).norm()
    second = gradients([value + 0.1 * each / length for value, each in zip((weight, bias), first, strict=True)])
    return [value - 0.5 * each for value, each in zip((weight, bias), second, strict=True)]


def parts(n=10, cuts=(4, 8)):
    images, targets = batch(n)
    bounds = list(zip((0, *cuts), (*cuts, n), strict=True))
    return [(images[a:b], targets.slice(a, b)) for a, b in bounds]


@pytest.mark.parametrize("clip", [None, 0.01])
@pytest.mark.parametrize("split", ["whole", "accumulated", "micro-batches"])
def test_the_second_gradient_is_of_all_samples_at_the_weights_of_that_moment(split, clip):
    model, stepper, _ = built(Net(norm=False), clip_norm=clip)
    images, targets = batch(10)
    if split == "micro-batches":
        stepper.micro_batch = 3
    expected = climbed(model.head.weight, model.head.bias, images, targets.labels, clip)
    stepper.step(parts() if split == "accumulated" else [(images, targets)])
    for found, wanted in zip((model.head.weight, model.head.bias), expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_what_is_clipped_is_each_gradient_that_the_rule_gets():
    model, stepper, optimizer = built(Net(norm=False), clip_norm=0.01)
    stepper.step([batch(10)])
    for gradients in (optimizer.first, [each.grad for each in model.parameters()]):
        assert torch.cat([each.flatten() for each in gradients]).norm() == pytest.approx(0.01, rel=1e-4)


def test_all_but_the_weights_is_that_of_one_pass():
    """Running statistics, the loss's memory, random numbers, predictions, components and corrections."""
    model, stepper, _ = built(loss=(loss := Remembering()))
    twin, plain = copy.deepcopy(model), copy.deepcopy(loss)
    other = Stepper(twin, plain, torch.optim.SGD([*twin.parameters(), *plain.parameters()], lr=0.5), CPU)
    results = []
    for one in (stepper, other):
        torch.manual_seed(5)
        results.append((one.step([batch(8)]), torch.rand(())))
    (found, drawn), (expected, drawn_once) = results
    assert drawn == drawn_once
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert found.components["seen"] == 8
    for name, buffer in [*model.named_buffers(), *loss.named_buffers()]:
        assert torch.equal(buffer, dict([*twin.named_buffers(), *plain.named_buffers()])[name]), name
    assert not torch.equal(loss.scale, plain.scale)


def test_every_call_drops_the_same_units_and_steps_do_not():
    model, stepper, _ = built()
    torch.manual_seed(5)
    for _ in range(2):
        stepper.step([batch(8)])
    first, second, third, fourth = model.masks
    assert torch.equal(first, second)
    assert torch.equal(third, fourth)
    assert not torch.equal(first, third)


def test_parameters_of_the_loss_are_moved_for_the_second_gradient_too():
    seen = []

    class Watching(Remembering):
        def forward(self, outputs, targets):
            seen.append(self.scale.detach().clone())
            return super().forward(outputs, targets)

    _, stepper, _ = built(loss=Watching())
    stepper.step([batch(8)])
    assert not torch.equal(*seen)


def momentum(parameters, lr):
    return Climbing(parameters, lr=lr, momentum=0.9)


def sharpness_aware(parameters, lr):
    return sam(parameters, base="adamw", lr=lr)


@pytest.mark.parametrize("rule", [momentum, sharpness_aware])
@pytest.mark.parametrize("after", [0, 1, 2, 3], ids=["first call", "second call", "second step", "its second call"])
def test_where_memory_ends_in_any_call_the_step_is_done_again_from_the_same_state(after, rule):
    """As of one that never tried the whole batch, the rule's own state included."""
    states = []
    for limit in (5, 1000):
        model, stepper, optimizer = built(Net(limit=limit, after=after), Remembering(), rule)
        torch.manual_seed(5)
        for step in range(3):
            if limit == 1000 and step == (after // 2):
                stepper.micro_batch = 5
            stepper.step([batch(10)])
        states.append((model.state_dict(), stepper._loss.state_dict(), optimizer.state_dict(), torch.rand(())))
        assert stepper.micro_batch == 5
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


class Keeping(Climbing):
    """Goes on without the second gradient, where there is none."""

    def step(self, closure):
        closure()
        try:
            closure()
        except RuntimeError:
            return None
        return torch.optim.SGD.step(self)


def test_a_rule_that_swallows_an_error_of_its_closure_does_not_hide_it():
    model, stepper, _ = built(Net(limit=5, after=1), rule=Keeping)
    stepper.step([batch(10)])
    assert model.sizes == [10, 10, 5, 5, 5, 5]


@pytest.mark.parametrize("overflows", [1, 2])
def test_a_step_with_an_overflow_in_any_call_is_left_out(overflows):
    """As GradScaler leaves out that of an ordinary optimiser; the scale is halved, and the next step is done."""
    number = 0

    def loss(outputs, targets):
        nonlocal number
        number += 1
        total = cross_entropy(outputs, targets)
        return total + (1e38 * total - 1e38 * total.detach() if number == overflows else 0)

    precision = Precision()
    precision.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    model, stepper, _ = built(loss=loss, precision=precision)
    before = [each.detach().clone() for each in model.parameters()]
    result = stepper.step([batch(8)])
    assert result.loss.isfinite()
    assert all(torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))
    assert precision.scaler.get_scale() == 512
    assert model.norm.num_batches_tracked == 1
    stepper.step([batch(8)])
    assert not torch.equal(before[0], next(model.parameters()))
    assert precision.scaler.get_scale() == 512


def test_a_rule_sees_gradients_of_the_loss_as_it_is_and_not_as_it_is_scaled():
    states = []
    for scale in (None, 1024.0):
        precision = Precision()
        if scale is not None:
            precision.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=2)
        model, stepper, _ = built(Net(norm=False), precision=precision, clip_norm=0.1)
        for _ in range(2):
            stepper.step([batch(8)])
        states.append(model.state_dict())
    torch.testing.assert_close(states[0], states[1])
    assert precision.scaler.get_scale() == 2048


def test_half_precision_goes_through_every_pass():
    model, stepper, _ = built(precision=Precision("bf16", CPU))
    kinds = []
    model.head.register_forward_hook(lambda module, given, gives: kinds.append(gives.dtype))
    stepper.step([batch(8)])
    assert kinds == [torch.bfloat16] * 2
    assert all(each.dtype == each.grad.dtype == torch.float32 for each in model.parameters())


def test_a_model_that_changes_its_images_is_refused_before_they_are_needed_again():
    class Spoiling(Net):
        def forward(self, images):
            return super().forward(images.sub_(0.5))

    _, stepper, _ = built(Spoiling())
    with pytest.raises(UserError, match="changes its images in place, and the optimizer needs them again"):
        stepper.step([batch(8)])


class Lazy(torch.optim.SGD):
    def step(self, closure):
        return None


class Demanding(torch.optim.SGD):
    def step(self, closure=None):
        assert closure is not None, "this rule requires a closure"
        return closure()


class Silent(torch.optim.SGD):
    def step(self, closure=None):
        return closure()


class Bare(torch.optim.SGD):
    def step(self):
        return super().step()


def test_a_rule_that_never_calls_its_closure_is_refused():
    _, stepper, _ = built(rule=Lazy)
    with pytest.raises(UserError, match="the optimizer does not call its closure") as error:
        stepper.step([batch(8)])
    assert "leave closure=True out" in error.value.remedy


@pytest.mark.parametrize("rule", [Demanding, Silent])
def test_a_rule_that_needs_a_closure_and_did_not_say_so_is_refused_at_its_first_step(rule):
    model = Net()
    optimizer = rule(model.parameters(), lr=0.1)
    check_closure(optimizer, closure=False)
    with pytest.raises(UserError, match="the optimizer needs a closure, and does not say so") as error:
        Stepper(model, cross_entropy, optimizer, CPU).step([batch(8)])
    assert "closure=True" in error.value.remedy


def test_what_the_signature_of_a_step_gives_away_is_refused_before_training():
    parameters = [nn.Parameter(torch.ones(1))]
    with pytest.raises(UserError, match="needs a closure, and does not say so"):
        check_closure(torch.optim.LBFGS(parameters), closure=False)
    with pytest.raises(UserError, match=r"says that it uses a closure, which its step\(\) does not take"):
        check_closure(Bare(parameters), closure=True)
    check_closure(torch.optim.LBFGS(parameters), closure=True)
    check_closure(torch.optim.SGD(parameters), closure=False)


@pytest.mark.parametrize("others", [[1, 0], [1, 1, 1]], ids=["less often", "more often"])
def test_devices_that_call_a_closure_differently_often_do_not_wait_for_ever(others):
    """By what another one, of two, says at each call and at the end."""
    ranks = SimpleNamespace(count=2, add=lambda calling: calling + others.pop(0))
    model = nn.Linear(2, 2)
    optimizer = Climbing(model.parameters(), lr=0.1)
    rule = ClosureRule(model, cross_entropy, optimizer, CPU, Precision(), None, ranks)

    def learn():
        model(torch.ones(3, 2)).sum().backward()
        return StepResult(torch.ones(()), {}, torch.zeros(3), torch.zeros(3))

    with pytest.raises(UserError, match="calls its closure more often on one device than on another"):
        rule.step(learn, [], Moment.of(model, cross_entropy, CPU), Held.of(optimizer))
    assert others == []


def test_an_error_of_another_kind_keeps_its_words():
    class Broken(torch.optim.SGD):
        def step(self, closure=None):
            raise KeyError("momentum")

    model = Net()
    with pytest.raises(KeyError, match="momentum"):
        Stepper(model, cross_entropy, Broken(model.parameters(), lr=0.1), CPU).step([batch(8)])


def test_lbfgs_of_torch_finds_the_minimum_of_a_quadratic_in_a_step():
    class Line(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))

        def forward(self, images):
            return Outputs(self.weight.expand(len(images), 3))

    def square(outputs, targets):
        wanted = torch.tensor([1.0, -2.0, 3.0])
        return ((outputs.logits - wanted) ** 2 * torch.tensor([1.0, 10.0, 100.0])).mean()

    model = Line()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=30, line_search_fn="strong_wolfe")
    result = Stepper(model, square, optimizer, CPU, closure=True).step([batch(4)])
    assert result.loss.item() == pytest.approx((1 + 40 + 900) / 3)
    torch.testing.assert_close(model.weight.detach(), torch.tensor([1.0, -2.0, 3.0]), rtol=1e-4, atol=1e-4)


def test_the_passes_of_a_rule_are_counted():
    assert passes(lambda parameters: Climbing(parameters, lr=0.1)) == 2
    assert passes(torch.optim.LBFGS) > 2
