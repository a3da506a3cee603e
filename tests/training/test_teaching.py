"""What a teacher gives, and how it comes to the loss."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ferbench.data.batches import InputShape
from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.training.precision import Precision
from ferbench.training.step import Stepper
from ferbench.training.teachers import shown
from ferbench.training.teaching import Teacher


class Mean(nn.Module):
    """Logits from the mean of each image; in training mode batch norm would make them depend on the others."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(1), nn.Linear(1, classes)
        self.calls: list[int] = []

    def forward(self, images: Tensor) -> Outputs:
        self.calls.append(len(images))
        features = self.norm(images.mean(dim=(1, 2, 3))[:, None])
        return Outputs(self.head(features), None, features, {"maps": images}, self.head)


def images(n: int, *views: int) -> Tensor:
    return torch.rand(n, *views, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def test_it_is_in_evaluation_mode_and_gives_no_gradient():
    model = Mean().train()
    given = Teacher(model, Precision(), ("features",))(images(5).requires_grad_())
    assert not model.training
    assert not given.logits.requires_grad
    assert given.features is not None
    assert not given.extra
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())


def test_pieces_are_the_whole():
    teacher = Teacher(Mean(), Precision(), ("features", "maps", "classifier"))
    whole, pieces = teacher(images(7)), teacher(images(7), 3)
    torch.testing.assert_close(pieces.logits, whole.logits)
    torch.testing.assert_close(pieces.features, whole.features)
    torch.testing.assert_close(pieces.extra["maps"], whole.extra["maps"])
    torch.testing.assert_close(whole.classifier(whole.features), whole.logits)
    assert teacher.model.calls == [7, 3, 3, 1]


def test_of_several_views_it_sees_the_first():
    several = images(4, 2)
    teacher = Teacher(Mean(), Precision())
    torch.testing.assert_close(teacher(several).logits, teacher(several[:, 0]).logits)


def test_classes_of_another_order_come_in_the_students():
    model = Mean()
    plain = Teacher(model, Precision(), ("features", "classifier"))(images(4))
    moved = Teacher(model, Precision(), ("features", "classifier"), columns=torch.tensor([2, 0, 1]))(images(4))
    torch.testing.assert_close(moved.logits, plain.logits[:, [2, 0, 1]])
    torch.testing.assert_close(moved.classifier(moved.features), moved.logits)


def test_in_lower_precision_it_gives_float32():
    precision = Precision("bf16", torch.device("cpu"))
    given = Teacher(Mean(), precision, ("features",))(images(4))
    assert given.logits.dtype == given.features.dtype == torch.float32


def test_a_teacher_is_shown_what_it_was_trained_on():
    """A pixel of 0.6, normalised by mean 0.5 and deviation 0.25, is 0.4; one channel becomes three, each normalised
    anew, and twice as large."""
    own, theirs = InputShape(1, (4, 4), (0.5,), (0.25,)), InputShape(3, (8, 8), (0.5, 0.0, 0.1), (0.5, 1.0, 0.1))
    made = shown(own, theirs, gray=True)(torch.full((2, 1, 4, 4), 0.4))
    assert made.shape == (2, 3, 8, 8)
    for channel, value in enumerate((0.2, 0.6, 5.0)):
        torch.testing.assert_close(made[:, channel], torch.full((2, 8, 8), value))


def test_colours_go_where_the_teacher_has_seen_none():
    own, theirs = InputShape(3, (4, 4), (0.0,), (1.0,)), InputShape(3, (4, 4), (0.0,), (1.0,))
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 1.0
    torch.testing.assert_close(shown(own, theirs, gray=False)(red), red)
    torch.testing.assert_close(shown(own, theirs, gray=True)(red), torch.full((1, 3, 4, 4), 0.299))


def taught(outputs: Outputs, targets: Targets) -> LossValue:
    assert targets.teacher is not None
    assert len(targets.teacher.logits) == len(targets) == len(outputs.logits)
    return LossValue((outputs.logits - targets.teacher.logits).square().mean())


class Limited(nn.Module):
    """Raises out-of-memory above a number of samples."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.head, self.limit = nn.Linear(16, 3), limit

    def forward(self, images: Tensor) -> Outputs:
        if len(images) > self.limit:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return Outputs(self.head(images.flatten(1)))


def step(limit: int, batches: int = 1) -> tuple[Limited, Mean]:
    torch.manual_seed(0)
    student, master = Limited(limit), Mean()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    stepper = Stepper(student, taught, optimizer, torch.device("cpu"), teacher=Teacher(master, Precision()))
    parts = images(12).chunk(batches)
    stepper.step([(part, Targets(torch.zeros(len(part), dtype=torch.int64))) for part in parts])
    return student, master


@pytest.mark.parametrize(("limit", "batches"), [(12, 3), (5, 1), (2, 2)])
def test_pieces_and_batches_are_taught_as_one_is(limit, batches):
    (whole, _), (parts, _) = step(12), step(limit, batches)
    torch.testing.assert_close(parts.head.weight, whole.head.weight)


def test_the_teacher_is_asked_once_for_each_batch_however_often_that_is_tried():
    _, master = step(limit=3, batches=2)
    assert sum(master.calls) == 12


def test_what_a_loss_does_to_the_teachers_predictions_stays_with_it():
    kept = []

    def spoiling(outputs: Outputs, targets: Targets) -> LossValue:
        kept.append(targets.teacher.logits.clone())
        targets.teacher.logits.zero_()
        return LossValue(outputs.logits.mean())

    student = Limited(99)
    stepper = Stepper(
        student,
        spoiling,
        torch.optim.SGD(student.parameters(), lr=0.0),
        torch.device("cpu"),
        teacher=Teacher(Mean(), Precision()),
    )
    for _ in range(2):
        stepper.step([(images(4), Targets(torch.zeros(4, dtype=torch.int64)))])
    torch.testing.assert_close(kept[0], kept[1])


class Twice(torch.optim.SGD):
    """Asks for gradients twice an update."""

    @torch.no_grad()
    def step(self, closure):
        first = closure()
        closure()
        super().step()
        return first


def test_a_rule_that_asks_for_gradients_several_times_is_taught_once_a_batch():
    student, master = Limited(99), Mean()
    stepper = Stepper(
        student,
        taught,
        Twice(student.parameters(), lr=0.1),
        torch.device("cpu"),
        closure=True,
        teacher=Teacher(master, Precision()),
    )
    stepper.step([(images(4), Targets(torch.zeros(4, dtype=torch.int64)))])
    assert master.calls == [4]
