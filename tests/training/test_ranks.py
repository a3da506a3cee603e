"""Exchanges among ranks, here with a single one: what is added up and merged is then what was there."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from ferbench.data.targets import Outputs
from ferbench.training.evaluation import in_order
from ferbench.training.ranks import ALONE, PeerLost, Ranks, is_lost

DEVICES = [
    "cpu",
    pytest.param("cuda:0", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
]


@pytest.fixture(params=DEVICES)
def ranks(request, tmp_path):
    """The first of one."""
    yield Ranks(dist.FileStore(str(tmp_path / "store"), 1), 0, 1, torch.device(request.param))
    dist.destroy_process_group()


def test_plain_values_arrive_as_they_were_sent(ranks):
    message = ["train", None, {"a": [1, 2.5, "é"]}]
    assert ranks.broadcast(message) == message
    assert ALONE.broadcast(message) is message


def test_an_order_stays(ranks):
    order = np.array([3, 1, 2], dtype=np.int64)
    assert ranks.broadcast(order).tolist() == [3, 1, 2]


def test_weights_and_counters_keep_values_and_layout(ranks):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(ranks.device, memory_format=torch.channels_last)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ranks.copy_weights(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.dtype == before[name].dtype
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)


class Heads(nn.Module):
    """One head is not asked for, and a layer not always used."""

    def __init__(self):
        super().__init__()
        self.asked, self.other, self.seldom = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, images, seldom=False):
        return Outputs(self.asked(images) + (self.seldom(images) if seldom else 0), self.other(images))


def test_gradients_that_nobody_has_stay_none(ranks):
    model = Heads().to(ranks.device)
    called, images = ranks.replicated(model), torch.ones(3, 2, device=ranks.device)
    for seldom in (False, True, False):
        model.zero_grad(set_to_none=True)
        for last in (False, True):
            with ranks.sharing([3], called, last=last):
                called(images, seldom and not last).logits.sum().backward()
        assert (model.seldom.weight.grad is not None) == seldom, "also where only an earlier piece has used it"
        assert model.other.weight.grad is None
        assert model.asked.weight.grad.tolist() == [[6.0, 6.0], [6.0, 6.0]]


def test_gradients_that_are_to_stay_are_not_written_into_by_the_next_pass(ranks):
    model = nn.Linear(2, 2).to(ranks.device)
    called, found = ranks.replicated(model, gradients_stay=True), []
    for scale in (1.0, 2.0):
        model.zero_grad(set_to_none=True)
        with ranks.sharing([3], called):
            called(scale * torch.ones(3, 2, device=ranks.device)).sum().backward()
        found.append(model.weight.grad)
    assert found[0].tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert found[1].tolist() == [[6.0, 6.0], [6.0, 6.0]]


def test_a_model_without_anything_to_learn_is_called_as_it_is(ranks):
    model = nn.Linear(2, 2).to(ranks.device).requires_grad_(False)
    assert ranks.replicated(model) is model


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[…/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:43210"), True),
        (dist.DistNetworkError("the store is gone"), True),
        (PeerLost(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("gloo"), False),
    ],
)
def test_what_the_end_of_another_rank_looks_like(error, lost):
    assert is_lost(error) == lost


def test_outputs_go_to_their_places_and_gradients_come_back_to_their_own(ranks):
    own = torch.tensor([[1.0, 2.0], [3.0, 4.0]], device=ranks.device, requires_grad=True)
    whole = ranks.whole(Outputs(own), np.array([2, 0]), 3)
    assert whole.affect is None
    assert whole.logits.tolist() == [[3.0, 4.0], [0.0, 0.0], [1.0, 2.0]]
    (whole.logits * torch.tensor([[1.0], [10.0], [100.0]], device=ranks.device)).sum().backward()
    assert own.grad.tolist() == [[100.0, 100.0], [1.0, 1.0]]


def test_a_stand_in_does_not_come_through(ranks):
    own = torch.ones(1, 2, device=ranks.device, requires_grad=True)
    whole = ranks.whole(Outputs(own), np.array([], dtype=np.int64), 2)
    whole.logits.sum().backward()
    assert whole.logits.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert own.grad.tolist() == [[0.0, 0.0]], "it takes part in the backward pass, with nothing"


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (nn.BatchNorm2d(4), (6, 4, 5, 5)),
        (nn.BatchNorm2d(4, affine=False), (6, 4, 5, 5)),
        (nn.BatchNorm2d(4, momentum=None), (6, 4, 5, 5)),
        (nn.BatchNorm2d(4, track_running_stats=False), (6, 4, 5, 5)),
        (nn.BatchNorm1d(4), (6, 4)),
        (nn.BatchNorm3d(4), (2, 4, 3, 2, 2)),
    ],
    ids=["2d", "without weights", "cumulative", "without statistics", "1d", "3d"],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_a_common_batch_norm_is_torchs(ranks, norm, shape, dtype, tolerance):
    norm = copy.deepcopy(norm).to(ranks.device, dtype)
    if norm.affine:
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    theirs = copy.deepcopy(norm)
    images = (torch.randn(shape, device=ranks.device, dtype=dtype) * 3 + 1).requires_grad_()
    same = images.detach().clone().requires_grad_()
    upstream = torch.randn(shape, device=ranks.device, dtype=dtype)
    for _ in range(2):  # the second shows what the first left in the running statistics
        with ranks.sharing([shape[0]]):
            ours = norm(images)
            (ours * upstream).sum().backward()
        expected = theirs(same)
        (expected * upstream).sum().backward()
    close = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(ours, expected, **close)
    torch.testing.assert_close(images.grad, same.grad, **close)
    for (name, value), other in zip(norm.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(value, other, **close, msg=name)
    for value, other in zip(norm.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(value.grad, other.grad, rtol=100 * tolerance, atol=100 * tolerance)


def test_a_common_batch_norm_takes_lower_precision(ranks):
    norm = nn.BatchNorm2d(4).to(ranks.device)
    images = torch.randn(6, 4, 5, 5, device=ranks.device).bfloat16().requires_grad_()
    with ranks.sharing([6]):
        out = norm(images)
        out.float().square().mean().backward()
    assert out.dtype == images.grad.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), nn.BatchNorm2d(4).to(ranks.device)(images.float()), rtol=0.02, atol=0.02)


def test_one_value_per_channel_has_no_variance_with_any_number_of_ranks(ranks):
    with ranks.sharing([1]), pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm1d(3).to(ranks.device)(torch.ones(1, 3, device=ranks.device))


def test_in_evaluation_mode_nothing_is_exchanged(ranks):
    norm = nn.BatchNorm2d(4).to(ranks.device).eval()
    images = torch.randn(2, 4, 3, 3, device=ranks.device)
    with ranks.sharing([99]):
        assert torch.equal(norm(images), norm(images))
        ours = norm(images)
    assert torch.equal(ours, norm(images))


def test_numbers_are_added_one_after_the_other_in_their_own_precision():
    values = np.array([1.0, 2**-24, 2**-24], dtype=np.float32)
    assert in_order(values) == 1.0
    assert in_order(values.astype(np.float64)) == 1.0 + 2**-23
