import math

import pytest
import torch
from torch import nn

from ferbench import Task, UserError
from ferbench_builtin.models.basic_cnn import basic_cnn


def task(*, channels: int = 1, size: int = 64, classes: int = 3) -> Task:
    return Task(
        class_names=tuple(f"class{i}" for i in range(classes)),
        channels=channels,
        height=size,
        width=size,
        train_counts=(1,) * classes,
    )


def own_counts(model: nn.Module) -> list[int]:
    """Parameters and running statistics of each layer that has any, in order."""
    counts = []
    for module in model.children():
        tensors = [*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())]
        if tensors:
            counts.append(sum(t.numel() for t in tensors))
    return counts


def test_layers_match_the_published_summary():
    # System S2's Keras summary.
    assert own_counts(basic_cnn(task())) == [320, 128, 18_496, 256, 73_856, 512, 16_512, 8_256, 195]


def test_totals_match_the_published_summary():
    model = basic_cnn(task())
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 118_083
    assert sum(own_counts(model)) == 118_531


def test_kernels_are_glorot_uniform_and_biases_zero():
    torch.manual_seed(0)
    model = basic_cnn(task())
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            area = 9 if isinstance(module, nn.Conv2d) else 1
            limit = math.sqrt(6 / (area * (module.weight.shape[0] + module.weight.shape[1])))
            assert module.weight.abs().max() <= limit
            assert module.weight.abs().max() > 0.9 * limit
            assert not module.bias.any()


def test_batch_norm_has_kerass_epsilon():
    norms = [m for m in basic_cnn(task()).modules() if isinstance(m, nn.BatchNorm2d)]
    assert [m.eps for m in norms] == [1e-3] * 3
    assert [m.momentum for m in norms] == pytest.approx([0.1] * 3)


def test_norm_momentum_is_the_share_of_the_statistics_that_a_step_keeps():
    model = basic_cnn(task(), norm_momentum=0.9)
    model(torch.rand(4, 1, 64, 64))
    # Variances start at 1, and those of this first convolution's output are far below it.
    assert model.norm1.running_var.min() == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 48, 65])
def test_logits_have_one_column_per_class(channels, size):
    outputs = basic_cnn(task(channels=channels, size=size, classes=7))(torch.rand(2, channels, size, size))
    assert outputs.logits.shape == (2, 7)
    assert outputs.affect is None


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_last_gives_the_same_logits_and_gradients(channels):
    torch.manual_seed(0)
    model = basic_cnn(task(channels=channels), dropout=0.0)
    images = torch.rand(4, channels, 64, 64)

    def logits_and_gradient(images):
        model.zero_grad()
        logits = model(images).logits
        logits.square().sum().backward()
        return logits.detach(), model.conv1.weight.grad.contiguous().clone()

    plain = logits_and_gradient(images)
    model.to(memory_format=torch.channels_last)
    last = logits_and_gradient(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last[0], plain[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last[1], plain[1], rtol=1e-3, atol=1e-4)


def test_dropout_acts_only_in_training():
    torch.manual_seed(0)
    model = basic_cnn(task(), dropout=0.5).eval()
    images = torch.rand(4, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(images).logits, model(images).logits)
        model.dropout1.train()
        assert not torch.equal(model(images).logits, model(images).logits)


def test_width_scales_every_layer_but_the_last():
    model = basic_cnn(task(), width=8)
    widths = [m.weight.shape[0] for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert widths == [8, 16, 32, 32, 16, 3]


def test_input_below_eight_pixels_is_refused():
    with pytest.raises(UserError, match="too small"):
        basic_cnn(task(size=7))
