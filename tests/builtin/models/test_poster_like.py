import pytest
import torch

from ferbench import Task, UserError
from ferbench_builtin.models.cross_fusion import CrossAttention, Fusion, Gradients
from ferbench_builtin.models.poster_like import poster_like


def task(size: int = 48, channels: int = 1) -> Task:
    return Task(tuple(f"class{k}" for k in range(7)), channels, size, size, (1,) * 7)


def convolution(before: int, after: int, kernel: int = 3) -> int:
    return kernel**2 * before * after + 2 * after


def dense(before: int, after: int) -> int:
    return before * after + after


def parameters(channels: int, width: int, depth: int, places: int) -> int:
    """By hand: two streams, positions, the way to narrow levels, blocks, norms, gate and head."""
    streams = 0
    for seen in (channels, 3):
        streams += convolution(seen, width // 4, 5)
        streams += convolution(width // 4, width // 2) + 2 * convolution(width // 2, width // 2)
        streams += convolution(width // 2, width) + 2 * convolution(width, width)
    block = 0
    for d in (width, width // 2, width // 4):
        attention = dense(d, d) + dense(d, 2 * d) + dense(d, d)
        block += 2 * (2 * d + attention + 2 * d + dense(d, 2 * d) + dense(2 * d, d))
    block += dense(width // 2, width) + dense(width // 4, width // 2)
    narrow = dense(width, width // 2) + dense(width, width // 4)
    around = (1 + places) * width + narrow + 2 * 2 * width + 2 * dense(width, width)
    return streams + around + depth * block + dense(width, 7)


@pytest.mark.parametrize(
    ("channels", "size", "width", "depth", "places"), [(1, 48, 32, 2, 36), (3, 112, 64, 1, 196), (1, 50, 32, 1, 36)]
)
def test_its_parameters_are_those_of_its_layers(channels, size, width, depth, places):
    model = poster_like(task(size, channels), width=width, depth=depth)
    assert sum(p.numel() for p in model.parameters()) == parameters(channels, width, depth, places)
    with torch.no_grad():
        assert model.eval()(torch.rand(2, channels, size, size)).logits.shape == (2, 7)


def test_it_has_the_parameters_that_the_docs_state():
    assert parameters(1, 128, 4, 36) == sum(p.numel() for p in poster_like(task()).parameters())


def test_cross_attention_is_a_mean_of_values_weighed_by_how_queries_meet_keys():
    torch.manual_seed(0)
    layer, asking, asked = CrossAttention(8, heads=2).eval(), torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    with torch.no_grad():
        query, (key, value) = layer.query(asking), layer.key_value(asked).split(8, dim=2)
        gathered = torch.zeros(2, 3, 8)
        for n in range(2):
            for place in range(3):
                for part in (slice(0, 4), slice(4, 8)):
                    met = (key[n, :, part] * query[n, place, part]).sum(dim=1) / 4**0.5
                    weights = met.exp() / met.exp().sum()
                    gathered[n, place, part] = (weights[:, None] * value[n, :, part]).sum(dim=0)
        torch.testing.assert_close(layer(asking, asked), layer.project(gathered))


def test_cross_attention_is_torchs():
    torch.manual_seed(0)
    layer, theirs = CrossAttention(8, heads=4), torch.nn.MultiheadAttention(8, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([layer.query.weight, layer.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([layer.query.bias, layer.key_value.bias]))
        theirs.out_proj.load_state_dict(layer.project.state_dict())
        asking, asked = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
        torch.testing.assert_close(layer(asking, asked), theirs(asking, asked, asked)[0])


def test_each_stream_gathers_from_its_own_tokens():
    """With the tokens of a stream all alike, what the other asks for makes no difference to it."""
    torch.manual_seed(0)
    fusion = Fusion(8, 2, 0.0).eval()
    alike, one, other = torch.randn(1, 1, 8).expand(-1, 4, -1), torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    with torch.no_grad():
        (first, of_one), (again, of_other) = fusion((alike, one)), fusion((alike, other))
    torch.testing.assert_close(first, again)
    assert not torch.allclose(of_one, of_other)


def test_gradients_are_slopes_and_their_length():
    ramp = torch.arange(6.0).expand(1, 1, 6, 6)  # rises by 1 a pixel to the right
    across, down, length = Gradients()(ramp)[0]
    inside, ends = across[:, 1:-1], across[:, [0, -1]]
    assert torch.equal(inside, torch.ones(6, 4))
    assert torch.equal(ends, torch.full((6, 2), 0.5))  # beyond the border the image goes on as it is there
    assert torch.equal(down, torch.zeros(6, 6))
    torch.testing.assert_close(length, across)
    transposed = Gradients()(ramp.transpose(2, 3))[0]
    assert torch.equal(transposed[1], across.T)


def test_colours_count_alike_and_light_does_not():
    gradients, image = Gradients(), torch.rand(1, 3, 5, 5)
    torch.testing.assert_close(gradients(image), gradients(image.mean(dim=1, keepdim=True) + 0.5))


@pytest.mark.parametrize("size", [48, 112])
def test_a_gradient_reaches_every_parameter(size):
    model = poster_like(task(size), width=32, depth=2).train()
    model(torch.rand(4, 1, size, size)).logits.square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_an_even_image_has_finite_gradients():
    model = poster_like(task(), width=32, depth=1).train()
    images = torch.zeros(2, 1, 48, 48, requires_grad=True)
    model(images).logits.square().sum().backward()
    assert images.grad.isfinite().all()


def test_both_streams_count():
    model = poster_like(task(), width=32, depth=1).eval()
    image = torch.rand(1, 1, 48, 48)
    with torch.no_grad():
        logits = model(image).logits
        for stream in model.backbone.streams:
            before = [p.clone() for p in stream.parameters()]
            for parameter in stream.parameters():
                parameter.zero_()
            assert not torch.allclose(model(image).logits, logits)
            for parameter, value in zip(stream.parameters(), before, strict=True):
                parameter.copy_(value)


def test_stochastic_depth_rises_from_block_to_block():
    blocks = poster_like(task(), width=32, depth=3, drop_path=0.2).backbone.blocks
    assert [block.fusions[0].drop_path.drop_prob for block in blocks] == pytest.approx([0.0, 0.1, 0.2])


def test_what_it_cannot_be_built_for_is_refused():
    with pytest.raises(UserError, match="7×7"):
        poster_like(task(7))
    poster_like(task(8), width=32, depth=1)
    with pytest.raises(UserError, match="width of 24") as refused:
        poster_like(task(), width=24)
    assert "multiple of 16" in refused.value.remedy
