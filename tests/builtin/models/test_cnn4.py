import pytest
import torch
from torch import nn

from ferbench import Task, UserError
from ferbench_builtin.models.cnn4 import cnn4


def task(size: int = 48) -> Task:
    return Task(tuple(f"class{k}" for k in range(7)), 1, size, size, (1,) * 7)


def test_a_block_is_convolution_relu_norm_pooling_dropout():
    # System S3.
    blocks = [[type(layer) for layer in block] for block in list(cnn4(task()).backbone)[:-1]]
    assert blocks == [[nn.Conv2d, nn.ReLU, nn.BatchNorm2d, nn.MaxPool2d, nn.Dropout]] * 4


def test_parameters_by_hand():
    convolutions = (9 * 1 + 1) * 8 + (9 * 8 + 1) * 16 + (9 * 16 + 1) * 24 + (9 * 24 + 1) * 32
    norms = 2 * (8 + 16 + 24 + 32)
    dense = (32 * 3 * 3 + 1) * 10 + (10 + 1) * 7
    model = cnn4(task(), widths=(8, 16, 24, 32), units=10)
    assert sum(p.numel() for p in model.parameters()) == convolutions + norms + dense


def test_dropout_is_set_apart_for_blocks_and_head():
    model = cnn4(task(), dropout=0.1, head_dropout=0.6)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.1] * 4 + [0.6]


@pytest.mark.parametrize(("units", "dense"), [(10, (32 + 1) * 10 + (10 + 1) * 7), (0, (32 + 1) * 7)])
def test_behind_means_a_dense_layer_and_the_head_see_one_value_a_map(units, dense):
    model = cnn4(task(), widths=(8, 16, 24, 32), pool="mean", units=units)
    assert sum(p.numel() for p in model.heads.parameters()) == dense


def test_the_kind_of_pooling_leaves_the_convolutions_as_they_start():
    weights = []
    for pool in ("flatten", "mean"):
        torch.manual_seed(0)
        weights.append({key: v for key, v in cnn4(task(), pool=pool).state_dict().items() if key.startswith("back")})
    flat, mean = weights
    assert flat.keys() == mean.keys()
    assert all(torch.equal(value, mean[key]) for key, value in flat.items())


def test_input_below_sixteen_pixels_is_refused():
    cnn4(task(16))
    with pytest.raises(UserError, match="too small"):
        cnn4(task(15))
