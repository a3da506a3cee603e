import json

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from ferbench import Outputs, Task
from ferbench.training.layers import LayerTable, count_parameters, layer_table
from ferbench_builtin.models.basic_cnn import basic_cnn


def task(*, channels: int = 1, size: int = 8, classes: int = 3) -> Task:
    return Task(
        class_names=tuple(f"class{i}" for i in range(classes)),
        channels=channels,
        height=size,
        width=size,
        train_counts=(1,) * classes,
    )


def rows(table: LayerTable) -> dict[str, tuple]:
    return {row.name: (row.output_shape, row.parameters, row.flops) for row in table.rows}


def test_basic_cnn_matches_the_published_keras_summary():
    # System S2.
    table = layer_table(basic_cnn(task(size=64)), task(size=64))
    counts = [row.parameters for row in table.rows if row.parameters]
    assert counts == [320, 128, 18_496, 256, 73_856, 512, 16_512, 8_256, 195]
    assert (table.parameters, table.trainable, table.frozen, table.statistics) == (118_531, 118_083, 0, 448)


def test_basic_cnn_shapes_and_flops_by_hand():
    table = layer_table(basic_cnn(task(size=64)), task(size=64))
    assert rows(table)["conv2"] == ((64, 32, 32), 18_496, 2 * 9 * 32 * 64 * 32 * 32)
    assert rows(table)["pool3"] == ((128, 8, 8), 0, 0)
    assert rows(table)["dense3"] == ((3,), 195, 2 * 64 * 3)
    assert table.flops == 2 * (
        9 * 1 * 32 * 64 * 64 + 9 * 32 * 64 * 32 * 32 + 9 * 64 * 128 * 16 * 16 + 128 * 128 + 128 * 64 + 64 * 3
    )


def test_resnet18_matches_published_figures():
    # torchvision's page for ResNet18_Weights.IMAGENET1K_V1: 11,689,512 parameters, 1.81 G multiply-adds.
    table = layer_table(timm.create_model("resnet18"), task(channels=3, size=224, classes=1000))
    assert table.trainable == 11_689_512
    assert table.flops == pytest.approx(2 * 1.81e9, rel=0.005)


def test_vision_transformer_matches_published_figures():
    # torchvision's page for ViT_B_16_Weights.IMAGENET1K_V1: 86,567,656 parameters, 17.56 G multiply-adds.
    from torchvision.models import vit_b_16

    table = layer_table(vit_b_16(), task(channels=3, size=224, classes=1000))
    assert table.trainable == 86_567_656
    assert table.flops == pytest.approx(2 * 17.56e9, rel=0.005)


class Patchwork(nn.Module):
    """A module called twice, parameters beside children, arithmetic of its own, a tuple, an idle layer."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 64))
        self.twice = nn.Linear(64, 64)
        self.pair = Pair()
        self.idle = nn.Linear(2, 2)
        self.head = nn.Linear(64, 3)

    def forward(self, images):
        x = self.twice(self.twice(images.flatten(1) + self.token))
        x, _ = self.pair(x)
        return Outputs(self.head(x @ x.T @ x))


class Pair(nn.Module):
    def forward(self, x):
        return F.relu(x), None


def test_rows_of_a_model_that_does_it_all_by_hand():
    assert rows(layer_table(Patchwork(), task())) == {
        "": ((3,), 64, 2 * 2 * 64),
        "twice": ((64,), 64 * 65, 2 * (2 * 64 * 64)),
        "pair": ((64,), 0, 0),
        "idle": (None, 6, 0),
        "head": ((3,), 3 * 65, 2 * 64 * 3),
    }


def test_rows_add_up_to_the_totals():
    table = layer_table(timm.create_model("vit_tiny_patch16_224"), task(channels=3, size=224))
    assert sum(row.parameters for row in table.rows) == table.parameters
    assert sum(row.flops for row in table.rows) == table.flops


def test_frozen_parameters_and_statistics_are_told_apart():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    model[0].requires_grad_(False)
    assert count_parameters(model) == (8, 40, 8)


def test_shared_parameters_count_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    assert count_parameters(model) == (16 + 4 + 4, 0, 0)


def test_index_tables_and_transient_buffers_are_no_statistics():
    model = nn.Linear(2, 2)
    model.register_buffer("table", torch.arange(5))
    model.register_buffer("scratch", torch.rand(5), persistent=False)
    assert count_parameters(model) == (6, 0, 0)


def test_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(72, 3))
    model.train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    layer_table(model, task())
    assert [module.training for module in model] == [True, False, True, True, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_model_that_fails_keeps_its_mode_and_no_hooks():
    model = nn.Sequential(nn.Flatten(), nn.Linear(5, 3)).train()
    with pytest.raises(RuntimeError):
        layer_table(model, task())
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_to_dict_is_json():
    table = layer_table(basic_cnn(task(size=64)), task(size=64)).to_dict()
    assert json.loads(json.dumps(table))["parameters"] == 118_531
    assert json.loads(json.dumps(table))["rows"][0] == {
        "name": "conv1",
        "kind": "Conv2d",
        "output_shape": [32, 64, 64],
        "parameters": 320,
        "flops": 2 * 9 * 32 * 64 * 64,
    }
