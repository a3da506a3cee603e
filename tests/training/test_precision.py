"""Mixed precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ferbench import UserError
from ferbench.data.targets import Outputs, Targets
from ferbench.training.precision import Precision
from ferbench.training.step import Stepper

CPU = torch.device("cpu")


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> Outputs:
        features = self.head(images.flatten(1))
        return Outputs(features, features[:, :2])


def seen(name: str) -> tuple[Outputs, Heads]:
    """What the loss sees in a step of that precision."""
    torch.manual_seed(0)
    model, got = Heads(), []

    def loss(outputs, targets):
        got.append(outputs)
        return nn.functional.cross_entropy(outputs.logits, targets.labels)

    stepper = Stepper(model, loss, torch.optim.SGD(model.parameters(), lr=0.1), CPU, Precision(name, CPU))
    images = torch.rand(4, 1, 2, 3, generator=torch.Generator().manual_seed(1))
    stepper.step([(images, Targets(torch.tensor([0, 1, 2, 0])))])
    return got[0], model


def test_bf16_computes_in_bfloat16_and_the_loss_sees_float32():
    outputs, _ = seen("bf16")
    assert outputs.logits.dtype == outputs.affect.dtype == torch.float32
    assert torch.equal(outputs.logits, outputs.logits.bfloat16().float())
    full, _ = seen("float32")
    assert not torch.equal(full.logits, full.logits.bfloat16().float())


def test_weights_and_gradients_stay_in_float32():
    _, model = seen("bf16")
    assert {p.dtype for p in model.parameters()} == {p.grad.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(("name", "device"), [("fp16", "cpu"), ("fp16", "mps"), ("bf16", "mps")])
def test_a_device_that_cannot_is_named(name, device):
    with pytest.raises(UserError, match=f"precision = '{name}'.*'{device}'") as error:
        Precision(name, torch.device(device))
    assert "training.precision=" in error.value.remedy


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("clip", [None, 0.1])
def test_fp16_on_cuda_makes_the_step_of_float32_but_for_rounding(clip):
    device, weights = torch.device("cuda"), []
    for name in ("float32", "fp16"):
        torch.manual_seed(0)
        model = Heads().to(device)
        loss = lambda outputs, targets: nn.functional.cross_entropy(outputs.logits, targets.labels)  # noqa: E731
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        stepper = Stepper(model, loss, optimizer, device, Precision(name, device), clip)
        images = torch.rand(4, 1, 2, 3, generator=torch.Generator().manual_seed(1)).to(device)
        stepper.step([(images, Targets(torch.tensor([0, 1, 2, 0], device=device)))])
        weights.append(model.head.weight.detach())
    torch.testing.assert_close(weights[1], weights[0], rtol=0, atol=1e-3)
    assert not torch.equal(weights[1], weights[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_fp16_on_cuda_leaves_a_rule_with_a_closure_the_gradients_of_float32_but_for_rounding():
    device, weights = torch.device("cuda"), []
    for name in ("float32", "fp16"):
        torch.manual_seed(0)
        model = Heads().to(device)
        loss = lambda outputs, targets: nn.functional.cross_entropy(outputs.logits, targets.labels)  # noqa: E731
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
        stepper = Stepper(model, loss, optimizer, device, Precision(name, device), 0.1, closure=True)
        images = torch.rand(4, 1, 2, 3, generator=torch.Generator().manual_seed(1)).to(device)
        stepper.step([(images, Targets(torch.tensor([0, 1, 2, 0], device=device)))])
        weights.append(model.head.weight.detach())
    torch.testing.assert_close(weights[1], weights[0], rtol=0, atol=1e-3)
    assert not torch.equal(weights[1], weights[0])
