import pytest
import torch
import torch.nn.functional as F

from ferbench import Task, UserError
from ferbench_builtin.models.dan import dan
from ferbench_builtin.models.dan_network import CrossAttention


def task(size: int = 48, channels: int = 1) -> Task:
    return Task(tuple(f"class{k}" for k in range(7)), channels, size, size, (1,) * 7)


@pytest.mark.parametrize("attentions", [1, 4])
def test_its_parameters_are_those_of_its_layers(attentions):
    # Without its classifier ResNet-18 has 11,176,512 for three channels, as torchvision counts (11,689,512 with one).
    resnet = 11_689_512 - (512 + 1) * 1000
    places = 512 * 256 + 2 * 256 + (9 + 3 + 3) * 256 * 512 + 3 * 2 * 512
    channels = 512 * 32 + 2 * 32 + (32 + 1) * 512
    classifier = (512 + 1) * 7 + 2 * 7
    model = dan(task(channels=3), attentions=attentions)
    assert sum(p.numel() for p in model.parameters()) == resnet + attentions * (places + channels) + classifier


@pytest.mark.parametrize(("size", "reduction", "side"), [(48, 8, 6), (48, 16, 3), (48, 32, 2), (112, 32, 4)])
def test_small_images_keep_places_to_attend_to(size, reduction, side):
    model = dan(task(size), attentions=1, reduction=reduction).eval()
    with torch.no_grad():
        assert model.backbone.forward_features(torch.rand(1, 1, size, size)).shape == (1, 512, side, side)


def test_the_reduction_leaves_the_initial_weights_as_they_are():
    states = []
    for reduction in (8, 32):
        torch.manual_seed(0)
        states.append(dan(task(), attentions=1, reduction=reduction).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def normalized(maps: torch.Tensor, block: torch.nn.Sequential) -> torch.Tensor:
    """A convolution by its sums over patches, and batch norm with its running statistics."""
    layer, norm = block
    patches = F.unfold(maps, layer.kernel_size, padding=layer.padding)
    values = (layer.weight.flatten(1) @ patches).unflatten(2, maps.shape[2:])
    mean, variance, weight, bias = (
        one.view(-1, 1, 1) for one in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (values - mean) / (variance + norm.eps).sqrt() * weight + bias


def test_a_head_of_attention_weighs_places_and_then_channels():
    torch.manual_seed(0)
    head, maps = CrossAttention(32).train(), torch.randn(5, 32, 4, 3)
    head(torch.randn(8, 32, 4, 3))  # so that running statistics are not what they started as
    first, norm, _, second, _ = head.eval().channels
    with torch.no_grad():
        squeezed = normalized(maps, head.squeeze)
        places = sum(normalized(squeezed, shape) for shape in head.shapes).clamp(min=0)
        weighed = torch.einsum("nchw,nkhw->nc", maps, places) / 12
        hidden = (weighed @ first.weight.T - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
        hidden = (hidden * norm.weight + norm.bias).clamp(min=0)
        expected = weighed / (1 + (-(hidden @ second.weight.T) - second.bias).exp())
        torch.testing.assert_close(head(maps), expected, rtol=1e-4, atol=1e-5)


def test_heads_are_logarithms_of_shares_whose_sums_are_the_features():
    model = dan(task(), attentions=3, reduction=16).eval()
    with torch.no_grad():
        outputs = model(torch.rand(2, 1, 48, 48))
        maps = model.backbone.forward_features(torch.rand(2, 1, 48, 48))
    heads, pooled = outputs.extra["heads"], outputs.extra["pooled"]
    assert heads.shape == (2, 3, 512)
    assert pooled.shape == maps.mean((2, 3)).shape
    torch.testing.assert_close(heads.exp().sum(dim=1), torch.ones(2, 512))
    torch.testing.assert_close(heads.sum(dim=1), outputs.features)


def test_one_head_alone_is_taken_as_it_is():
    model = dan(task(), attentions=1).eval()
    with torch.no_grad():
        outputs = model(torch.rand(2, 1, 48, 48))
    assert torch.equal(outputs.extra["heads"][:, 0], outputs.features)
    assert outputs.features.min() >= 0  # of maps behind a ReLU, weighed by positive numbers


def test_batch_norm_stands_behind_the_logits():
    model = dan(task(), attentions=2).train()
    logits = model(torch.rand(6, 1, 48, 48)).logits
    torch.testing.assert_close(logits.mean(dim=0), torch.zeros(7), atol=1e-5, rtol=0)


def test_a_gradient_reaches_every_parameter_at_48_pixels():
    model = dan(task(), reduction=8).train()
    outputs = model(torch.rand(4, 1, 48, 48))
    (outputs.logits[:, 0] ** 2).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_a_missing_file_of_weights_is_named():
    with pytest.raises(UserError, match="there is no file"):
        dan(task(), weights="nowhere.safetensors")


def test_weights_of_a_resnet_are_those_of_its_backbone(tmp_path):
    import timm
    from safetensors.torch import save_file

    state = timm.create_model("resnet18").state_dict()
    save_file(state, tmp_path / "resnet18.safetensors")
    backbone = dan(task(channels=3), weights=str(tmp_path / "resnet18.safetensors"), reduction=8).backbone.state_dict()
    assert {key for key, value in state.items() if key not in backbone} == {"fc.weight", "fc.bias"}
    assert all(torch.equal(value, state[key]) for key, value in backbone.items())
