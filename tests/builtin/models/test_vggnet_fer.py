import pytest
from torch import nn

from ferbench import Task, UserError
from ferbench_builtin.models.vggnet_fer import vggnet_fer


def task(size: int) -> Task:
    return Task(tuple(f"class{k}" for k in range(7)), 1, size, size, (1,) * 7)


def test_parameters_at_the_papers_input_by_hand():
    # Khaireddin and Chen 2021, figure 1: 40×40 pixels, 64 to 512 filters, two dense layers of 4,096, seven classes.
    pairs = [(1, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
    convolutions = sum((9 * before + 1) * after for before, after in pairs)
    norms = 2 * sum(after for _, after in pairs)
    dense = (512 * 2 * 2 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 7
    assert sum(p.numel() for p in vggnet_fer(task(40)).parameters()) == convolutions + norms + dense


def test_each_of_four_stages_has_two_convolutions_before_its_pooling():
    kinds = [type(layer) for layer in vggnet_fer(task(16), units=8).backbone]
    block = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert kinds == [*block, *block, nn.MaxPool2d] * 4 + [nn.Flatten]


def test_input_below_sixteen_pixels_is_refused():
    with pytest.raises(UserError, match="too small"):
        vggnet_fer(task(15), units=8)
