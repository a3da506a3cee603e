import pytest
import torch

from ferbench import Task, UserError
from ferbench_builtin.models.networks import cell_means
from ferbench_builtin.models.resnet9 import resnet9


def task(size: int = 48, channels: int = 1) -> Task:
    return Task(tuple(f"class{k}" for k in range(7)), channels, size, size, (1,) * 7)


def parameters(width: int, channels: int, classes: int, grid: int = 1, units: int = 0) -> int:
    """By hand: k² in·out per convolution, two per channel of a batch norm; in·out for a normalised dense layer and
    in·out + out for the head."""
    count, before = 25 * channels * width + 2 * width, width
    for after in (2 * width, 4 * width, 8 * width):
        count += 9 * before * after + 2 * 9 * after * after + 3 * 2 * after
        before = after
    before *= grid**2
    if units:
        count += before * units + 2 * units
        before = units
    return count + before * classes + classes


@pytest.mark.parametrize(("width", "channels"), [(8, 1), (16, 3)])
def test_its_parameters_are_those_of_its_layers(width, channels):
    model = resnet9(task(channels=channels), width=width, grid=1, units=0)
    assert sum(p.numel() for p in model.parameters()) == parameters(width, channels, 7)


def test_its_dense_layer_sees_a_grid_of_means():
    model = resnet9(task(), width=8, grid=2, units=16)
    assert sum(p.numel() for p in model.parameters()) == parameters(8, 1, 7, grid=2, units=16)


@pytest.mark.parametrize(("stride", "side"), [(2, 3), (1, 6)])
def test_the_stem_decides_what_the_last_stage_sees(stride, side):
    backbone = resnet9(task(), width=4, stem_stride=stride).backbone
    assert backbone[:-2](torch.rand(2, 1, 48, 48)).shape == (2, 32, side, side)


def test_a_residual_pair_adds_to_its_input():
    pair = resnet9(task(), width=4).backbone[3].eval()
    with torch.no_grad():
        for parameter in pair.parameters():
            parameter.zero_()
        images = torch.rand(1, 8, 6, 6)
        assert torch.equal(pair(images), images)


def test_an_input_that_vanishes_in_the_poolings_is_refused():
    with pytest.raises(UserError, match="15×15"):
        resnet9(task(size=15))
    resnet9(task(size=8), width=4, stem_stride=1)


@pytest.mark.parametrize(("size", "grid"), [((6, 6), 3), ((7, 5), 3), ((2, 3), 4)])
def test_means_of_cells_are_those_of_adaptive_pooling(size, grid):
    maps = torch.rand(2, 3, *size)
    down, across = (cell_means(one, grid) for one in size)
    torch.testing.assert_close(down @ maps @ across.T, torch.nn.functional.adaptive_avg_pool2d(maps, grid))
