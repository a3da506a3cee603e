import pytest
import torch

from ferbench import Task
from ferbench_builtin.models.linear import linear


def task(channels: int) -> Task:
    return Task(("happy", "sad"), channels=channels, height=5, width=4, train_counts=(1, 1))


def test_one_weight_per_pixel_and_class():
    assert sum(p.numel() for p in linear(task(3)).parameters()) == 2 * (3 * 5 * 4) + 2


def test_untrained_model_gives_every_class_the_same_probability():
    assert torch.equal(linear(task(1))(torch.rand(3, 1, 5, 4)).logits, torch.zeros(3, 2))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_logits_are_weighted_pixel_sums(memory_format):
    model = linear(task(3))
    torch.manual_seed(0)
    torch.nn.init.normal_(model.dense.weight)
    images = torch.rand(2, 3, 5, 4)
    expected = torch.einsum("nchw,kchw->nk", images, model.dense.weight.view(2, 3, 5, 4))
    torch.testing.assert_close(model(images.to(memory_format=memory_format)).logits, expected)
