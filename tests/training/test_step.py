"""One optimiser step, whole and in pieces."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ferbench.data.targets import LossValue, Outputs, Targets
from ferbench.errors import UserError
from ferbench.training.step import Stepper, is_out_of_memory

CPU = torch.device("cpu")


class Limited(nn.Module):
    """Runs out of memory over ``limit`` samples, after its batch norm has changed and dropout has drawn."""

    def __init__(self, limit: int, norm: bool = False) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(6) if norm else nn.Identity()
        self.head = nn.Linear(6, 3)
        self.dropout = nn.Dropout(0.5 if norm else 0.0)
        self.limit = limit
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> Outputs:
        self.sizes.append(len(images))
        logits = self.head(self.dropout(self.norm(images.flatten(1))))
        if len(images) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return Outputs(logits)


def cross_entropy(outputs: Outputs, targets: Targets) -> LossValue:
    total = nn.functional.cross_entropy(outputs.logits, targets.labels)
    return LossValue(total, {"expression": total})


def batch(n: int) -> tuple[torch.Tensor, Targets]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, 1, 2, 3, generator=generator), Targets(torch.arange(n) % 3)


def stepper(limit: int, norm: bool = False) -> tuple[Limited, Stepper]:
    torch.manual_seed(0)
    model = Limited(limit, norm)
    return model, Stepper(model, cross_entropy, torch.optim.SGD(model.parameters(), lr=0.5), CPU)


def test_pieces_give_the_update_of_the_whole_batch():
    whole_model, whole = stepper(limit=100)
    model, pieces = stepper(limit=3)
    images, targets = batch(10)
    expected, result = whole.step([(images, targets)]), pieces.step([(images, targets)])
    assert whole.micro_batch is None
    assert pieces.micro_batch == 3
    torch.testing.assert_close(result.loss, expected.loss)
    torch.testing.assert_close(result.components, expected.components)
    torch.testing.assert_close(result.predicted, expected.predicted)
    for mine, theirs in zip(model.parameters(), whole_model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_micro_batch_stays_small_for_the_steps_after():
    model, pieces = stepper(limit=3)
    for _ in range(2):
        pieces.step([batch(10)])
    assert model.sizes == [10, 5, 2, 3, 2, 3, 2, 3, 2, 3]


def test_batch_norm_is_never_given_a_piece_of_one_sample():
    model, pieces = stepper(limit=3, norm=True)
    for n in (10, 9, 7, 5):  # cut from the left into threes, ten and seven would leave one
        pieces.step([batch(n)])
    assert min(model.sizes) == 2


def test_where_only_one_sample_fits_batch_norm_cannot_train_and_says_so():
    _, pieces = stepper(limit=1, norm=True)
    with pytest.raises(UserError, match="memory ran out with two images at once, and batch norm"):
        pieces.step([batch(4)])


def test_a_batch_norm_that_fails_for_another_reason_keeps_its_error():
    _, whole = stepper(limit=100, norm=True)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        whole.step([batch(1)])


def test_an_attempt_that_failed_leaves_no_trace():
    """Running statistics and the dropout of the pieces are those of a run that never tried the whole batch."""
    tried, after_failure = stepper(limit=5, norm=True)
    never, from_the_start = stepper(limit=5, norm=True)
    from_the_start.micro_batch = 5
    for one in (after_failure, from_the_start):
        torch.manual_seed(5)
        one.step([batch(10)])
    assert tried.sizes == [10, 5, 5]
    torch.testing.assert_close(tried.state_dict(), never.state_dict(), rtol=0, atol=0)


def test_when_one_sample_does_not_fit_the_error_stands():
    _, impossible = stepper(limit=0)
    with pytest.raises(torch.OutOfMemoryError):
        impossible.step([batch(4)])


def test_other_errors_are_not_retried():
    model, broken = stepper(limit=100)
    with pytest.raises(RuntimeError, match="shape"):
        broken.step([(torch.rand(4, 1, 5, 5), batch(4)[1])])
    assert len(model.sizes) == 1


def test_real_exhaustion_of_cpu_memory_is_recognised():
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**52, dtype=torch.uint8)
    assert is_out_of_memory(error.value)


@pytest.mark.parametrize(
    "library", ["cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"]
)
def test_a_library_that_gets_no_memory_counts_as_out_of_memory(library):
    assert is_out_of_memory(RuntimeError(f"{library} when calling `create(handle)`"))
    assert not is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"))


def test_several_batches_make_the_update_of_one_large_batch():
    whole_model, whole = stepper(limit=100)
    model, several = stepper(limit=100)
    images, targets = batch(10)
    expected = whole.step([(images, targets)])
    parts = [(images[a:b], targets.slice(a, b)) for a, b in ((0, 4), (4, 8), (8, 10))]
    result = several.step(parts)
    torch.testing.assert_close(result.loss, expected.loss)
    torch.testing.assert_close(result.predicted, expected.predicted)
    for mine, theirs in zip(model.parameters(), whole_model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_several_batches_that_do_not_fit_are_halved_together():
    whole_model, whole = stepper(limit=100)
    model, several = stepper(limit=2)
    images, targets = batch(8)
    whole.step([(images, targets)])
    several.step([(images[:4], targets.slice(0, 4)), (images[4:], targets.slice(4, 8))])
    assert several.micro_batch == 2
    for mine, theirs in zip(model.parameters(), whole_model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("limit", [0.01, 1e6])
def test_a_gradient_longer_than_clip_norm_is_scaled_down_to_it(limit):
    torch.manual_seed(0)
    model = Limited(100)
    before = [p.detach().clone().requires_grad_() for p in model.parameters()]
    weight, bias = before
    images, targets = batch(10)
    gradients = torch.autograd.grad(
        nn.functional.cross_entropy(images.flatten(1) @ weight.T + bias, targets.labels), before
    )
    factor = min(1.0, limit / torch.cat([g.flatten() for g in gradients]).norm().item())
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    Stepper(model, cross_entropy, optimizer, CPU, clip_norm=limit).step([(images, targets)])
    for old, new, gradient in zip(before, model.parameters(), gradients, strict=True):
        torch.testing.assert_close(new, old - factor * gradient, rtol=1e-4, atol=1e-7)
