from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from ferbench import Task, UserError
from ferbench.plugin.discovery import load_registry
from ferbench_builtin.models import named_backbones
from ferbench_builtin.models.named_backbones import NamedBackbone, resnet18, vit_tiny
from ferbench_builtin.models.timm_backbone import released_as, timm_model
from ferbench_builtin.plugin import ferbench_models


def task(*, channels: int = 3, size: int = 32, classes: int = 5) -> Task:
    return Task(tuple(f"class{k}" for k in range(classes)), channels, size, size, (1,) * classes, has_affect=True)


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    torch.manual_seed(3)
    return torchvision.models.resnet18().eval()


@pytest.fixture(scope="module")
def weights(reference, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(reference.state_dict(), path)
    return path


def features(reference: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What torchvision's network gives its classifier."""
    taken = []
    with torch.no_grad():
        handle = reference.fc.register_forward_pre_hook(lambda module, inputs: taken.append(inputs[0]))
        reference(images)
    handle.remove()
    return taken[0]


def test_resnet50_without_its_classifier_is_of_the_published_size():
    # torchvision's page for ResNet50_Weights: 25,557,032 parameters with 1,000 classes.
    model = timm_model(task(), backbone="resnet50")
    assert sum(p.numel() for p in model.backbone.parameters()) == 25_557_032 - (2048 + 1) * 1000


def test_names_of_their_own_stand_for_releases_that_timm_has():
    named = [value.backbone for value in vars(named_backbones).values() if isinstance(value, NamedBackbone)]
    assert len(named) == 6
    assert set(named) <= set(timm.list_pretrained())


def test_specs_have_the_input_of_the_release():
    specs = {spec.name: spec for spec in ferbench_models()}
    for name, spec in specs.items():
        builder = load_registry().find("model", name).builder()
        if isinstance(builder, NamedBackbone):
            config = timm.models.get_pretrained_cfg(builder.backbone)
            assert (spec.channels, spec.image_size, spec.image_size) == config.input_size
            assert (spec.mean, spec.std) == (config.mean, config.std)


def test_weights_of_a_file_are_the_models(reference, weights, capsys):
    model = resnet18(task(), weights=str(weights)).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.backbone(images), features(reference, images))
    assert f"warning: the head starts afresh: {weights} has 1000 classes, the task 5" in capsys.readouterr().err


def test_a_gray_first_convolution_sums_over_the_colours(reference, weights):
    gray = torch.rand(2, 1, 32, 32)
    model = resnet18(task(channels=1), weights=str(weights)).eval()
    with torch.no_grad():
        torch.testing.assert_close(model.backbone(gray), features(reference, gray.expand(-1, 3, -1, -1)))


def test_a_classifier_of_as_many_classes_is_taken(reference, weights, capsys):
    model = resnet18(task(classes=1000), weights=str(weights))
    assert torch.equal(model.heads.expression.weight, reference.fc.weight)
    assert capsys.readouterr().err == ""


def test_the_files_weights_do_not_stay_in_memory_beside_the_models(weights):
    assert "state_dict" not in resnet18(task(), weights=str(weights)).backbone.pretrained_cfg


def test_position_embeddings_are_resampled_to_the_tasks_size(tmp_path):
    source = timm.create_model("vit_tiny_patch16_224", num_classes=3)
    save_file(source.state_dict(), tmp_path / "vit.safetensors")
    model = vit_tiny(task(size=48), weights=str(tmp_path / "vit.safetensors"))
    assert model.backbone.pos_embed.shape == (1, 1 + 3 * 3, 192)
    assert torch.equal(model.backbone.blocks[0].attn.qkv.weight, source.blocks[0].attn.qkv.weight)


def test_weights_of_another_backbone_name_the_first_misfits(weights):
    with pytest.raises(UserError, match=r"does not fit timm's 'resnet10t': Missing key.*conv1\.0\.weight"):
        timm_model(task(), backbone="resnet10t", weights=str(weights))


def test_the_generic_model_normalises_as_the_release_asks(reference, weights):
    images = torch.rand(2, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    model = timm_model(task(), backbone="resnet18", weights=str(weights)).eval()
    normalised = (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    with torch.no_grad():
        expected = nn.functional.linear(features(reference, normalised), *model.heads.expression.parameters())
        torch.testing.assert_close(model(images).logits, expected)


def test_gray_images_are_normalised_with_the_mean_over_the_colours(reference, weights):
    gray = torch.rand(2, 1, 32, 32)
    model = timm_model(task(channels=1), backbone="resnet18", weights=str(weights)).eval()
    normalised = (gray - (0.485 + 0.456 + 0.406) / 3) / ((0.229 + 0.224 + 0.225) / 3)
    with torch.no_grad():
        expected = features(reference, normalised.expand(-1, 3, -1, -1))
        torch.testing.assert_close(model.backbone(model.normalize(gray)), expected)


def test_stochastic_depth_reaches_the_backbone():
    from timm.layers import DropPath

    model = timm_model(task(), backbone="resnet18", drop_path=0.2)
    assert max(m.drop_prob for m in model.modules() if isinstance(m, DropPath)) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("options", "said", "remedy"),
    [
        ({"backbone": "resent18"}, "no backbone 'resent18'", "did you mean 'resnet18'"),
        ({"backbone": "resnet18.nope"}, "no release 'nope'", "a1_in1k"),
        ({"backbone": "hf-hub:timm/resnet18"}, "no backbone", "list_models"),
        ({"backbone": "vit_tiny_patch16_224"}, "does not take 3×8×8 images", "data.image_size=224"),
        ({"backbone": "vgg11", "drop_path": 0.1}, "no stochastic depth", "drop_path"),
    ],
)
def test_mistakes_name_the_remedy(options, said, remedy):
    with pytest.raises(UserError, match=said) as error:
        timm_model(task(size=8), **options)
    assert remedy in error.value.remedy


def test_without_network_the_error_says_which_file_to_get_and_how_to_give_it():
    with pytest.raises(UserError, match=r"'timm/resnet18\.a1_in1k' on the Hugging Face hub") as error:
        resnet18(task(), weights="timm")
    assert "model.safetensors of timm/resnet18.a1_in1k" in error.value.remedy
    assert "--set model.weights=PATH" in error.value.remedy


def test_a_release_in_the_hubs_cache_needs_no_network(reference, weights, tmp_path, monkeypatch):
    from huggingface_hub import constants

    repository = tmp_path / "models--timm--resnet18.a1_in1k"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    (snapshot / "model.safetensors").write_bytes(weights.read_bytes())
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    model = resnet18(task(), weights="timm")
    assert torch.equal(model.backbone.conv1.weight, reference.conv1.weight)


def test_ids_cover_the_release_that_a_name_stands_for():
    assert released_as("timm", {"backbone": "resnet18"}) == "timm:timm/resnet18.a1_in1k"
    assert released_as("timm", {"backbone": "resnet18.tv_in1k"}) == "timm:timm/resnet18.tv_in1k"
    assert released_as("none", {"backbone": "resnet18"}) == "none"
