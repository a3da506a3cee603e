import pytest
import torch
import torchvision
from torch import nn

from ferbench import Task
from ferbench_builtin.models.resnet18_small import resnet18_small


def reference(channels: int, classes: int) -> nn.Module:
    """torchvision's ResNet-18 with the published change of the stem."""
    model = torchvision.models.resnet18(num_classes=classes)
    model.conv1 = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def task(channels: int = 1, size: int = 64, classes: int = 6) -> Task:
    return Task(tuple(f"class{k}" for k in range(classes)), channels, size, size, (1,) * classes)


@pytest.mark.parametrize(("channels", "classes"), [(1, 6), (3, 7)])
def test_it_has_as_many_parameters_as_the_reference(channels, classes):
    model = resnet18_small(task(channels, classes=classes))
    assert sum(p.numel() for p in model.parameters()) == sum(
        p.numel() for p in reference(channels, classes).parameters()
    )


def test_it_computes_what_the_reference_computes():
    model, other = resnet18_small(task()).eval(), reference(1, 6).eval()
    state = {key.replace("backbone.", "").replace("heads.expression", "fc"): v for key, v in model.state_dict().items()}
    other.load_state_dict(state)
    images = torch.rand(2, 1, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(model(images).logits, other(images))


def test_the_last_stage_sees_an_eighth_of_the_input():
    with torch.no_grad():
        assert resnet18_small(task()).eval().backbone.forward_features(torch.rand(1, 1, 64, 64)).shape[-2:] == (8, 8)
