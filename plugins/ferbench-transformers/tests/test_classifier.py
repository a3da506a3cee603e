import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModelForImageClassification, ConvNextConfig, ResNetConfig, ViTConfig, ViTImageProcessor

from ferbench import Task, UserError
from ferbench_transformers.classifier import hf_image_classifier

LABELS = {0: "Happiness", 1: "sad", 2: "angry", 3: "neutral"}
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]
CONFIGS = {
    "vit": ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16
    ),
    "resnet": ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic"),
    "convnext": ConvNextConfig(hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], image_size=32),
}


def save(folder: Path, kind: str = "vit", **processor) -> Path:
    """A small checkpoint with random weights."""
    torch.manual_seed(0)
    config = CONFIGS[kind]
    config.id2label, config.label2id = LABELS, {name: row for row, name in LABELS.items()}
    AutoModelForImageClassification.from_config(config).save_pretrained(folder)
    settings = {"size": {"height": 32, "width": 32}, "image_mean": MEAN, "image_std": STD, **processor}
    ViTImageProcessor(**settings).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("vit"))


def task(*classes: str, size: int = 32, channels: int = 3) -> Task:
    return Task(classes, channels, size, size, (1,) * len(classes))


def build(folder: Path, *classes: str, **options) -> nn.Module:
    return hf_image_classifier(task(*(classes or ("angry", "happy"))), checkpoint=str(folder), **options)


@pytest.mark.parametrize("kind", CONFIGS)
def test_logits_are_the_checkpoints_by_name_of_class(kind, tmp_path):
    folder = save(tmp_path, kind)
    images = torch.rand(2, 3, 32, 32)
    plain = AutoModelForImageClassification.from_pretrained(folder).eval()
    pixels = (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    with torch.no_grad():
        expected = plain(pixel_values=pixels).logits[:, [2, 0, 1]]
        torch.testing.assert_close(build(folder, "angry", "happy", "sad").eval()(images).logits, expected)


@pytest.mark.parametrize("kind", CONFIGS)
def test_features_are_what_the_final_layer_is_given(kind, tmp_path):
    outputs = build(save(tmp_path, kind)).eval()(torch.rand(2, 3, 32, 32))
    assert outputs.features.shape == (2, 16 if kind == "vit" else 8)
    assert torch.equal(outputs.classifier(outputs.features), outputs.logits)


def test_pixels_are_prepared_as_the_checkpoints_processor_does_it(checkpoint):
    from PIL import Image

    image = Image.effect_noise((32, 32), 80).convert("RGB")
    expected = ViTImageProcessor.from_pretrained(checkpoint)(image, return_tensors="pt")["pixel_values"]
    seen = []
    model = build(checkpoint).eval()
    model.model.register_forward_pre_hook(lambda m, args, given: seen.append(given["pixel_values"]), with_kwargs=True)
    pixels = torch.tensor(list(image.tobytes()), dtype=torch.float32).view(1, 32, 32, 3).permute(0, 3, 1, 2)
    with torch.no_grad():
        model(pixels / 255)
    torch.testing.assert_close(seen[0], expected, atol=1e-5, rtol=1e-5)


def test_pixels_that_the_processor_scales_otherwise_are_scaled_so(tmp_path):
    model = build(save(tmp_path, rescale_factor=1 / 127.5))
    images = torch.rand(1, 3, 4, 4)
    seen = (images - model.mean) / model.std
    torch.testing.assert_close(
        seen, (2 * images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    )


def test_a_new_class_gets_a_fresh_row_and_the_others_keep_theirs(checkpoint):
    known = build(checkpoint, "angry", "happy").model.classifier
    more = build(checkpoint, "angry", "contempt", "happy", new_classes=True).model.classifier
    assert torch.equal(more.weight[[0, 2]], known.weight)
    assert more.weight[1].any()


def test_a_class_that_the_checkpoint_lacks_is_refused(checkpoint):
    with pytest.raises(UserError, match="no label for contempt") as error:
        build(checkpoint, "happy", "contempt")
    assert "new_classes=true" in error.value.remedy


def test_another_size_says_what_to_set(checkpoint):
    with pytest.raises(UserError, match="takes 32×32 images, the task has 48×48") as error:
        hf_image_classifier(task("happy", "sad", size=48), checkpoint=str(checkpoint))
    assert error.value.remedy == "--set data.image_size=32"


def test_a_centre_crop_is_the_size_that_counts(tmp_path):
    save(tmp_path)
    config = json.loads((tmp_path / "preprocessor_config.json").read_text())
    config |= {"do_center_crop": True, "crop_size": {"height": 30, "width": 30}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="takes 30×30"):
        build(tmp_path)


def test_gray_input_is_refused(checkpoint):
    with pytest.raises(UserError, match="1-channel"):
        hf_image_classifier(task("happy", "sad", channels=1), checkpoint=str(checkpoint))


def test_a_frozen_backbone_leaves_the_classifier_to_learn(checkpoint):
    model = build(checkpoint, freeze="backbone").train()
    assert [name for name, p in model.named_parameters() if p.requires_grad] == [
        "model.classifier.weight",
        "model.classifier.bias",
    ]
    assert {id(p) for p in model.head_parameters()} == {id(p) for p in model.parameters() if p.requires_grad}
    assert not model.model.training


def test_gradients_reach_the_backbone_unless_it_is_frozen(checkpoint):
    model = build(checkpoint).train()
    model(torch.rand(2, 3, 32, 32)).logits.square().sum().backward()
    assert model.model.vit.embeddings.cls_token.grad.any()


def test_a_pickle_is_read_only_when_that_is_allowed(checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "old")
    weights = AutoModelForImageClassification.from_pretrained(checkpoint).state_dict()
    (tmp_path / "old" / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "old" / "pytorch_model.bin")
    with pytest.raises(UserError, match="no image classifier that transformers can load") as error:
        build(tmp_path / "old")
    assert "allow_pickled_weights=true" in error.value.remedy
    model = build(tmp_path / "old", allow_pickled_weights=True)
    assert torch.equal(model.model.classifier.weight[1], weights["classifier.weight"][0])


class Evil:
    """Leaves a trace when a pickle of it is loaded."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))


@pytest.mark.parametrize("what", ["program", "garbage"])
def test_a_pickle_that_is_a_program_is_refused_and_not_run(checkpoint, tmp_path, capsys, what):
    shutil.copytree(checkpoint, tmp_path / "evil")
    (tmp_path / "evil" / "model.safetensors").unlink()
    weights = tmp_path / "evil" / "pytorch_model.bin"
    torch.save({"classifier.weight": Evil(tmp_path / "trace")}, weights)
    if what == "garbage":
        weights.write_bytes(b"\x80\x02" + b"K\x1c.")
    with pytest.raises(UserError, match="no image classifier that transformers can load"):
        build(tmp_path / "evil", allow_pickled_weights=True)
    assert not (tmp_path / "trace").exists()
    assert "warning: reading pickled weights" in capsys.readouterr().err


def test_safetensors_come_before_a_pickle_and_warn_of_nothing(checkpoint, tmp_path, capsys):
    shutil.copytree(checkpoint, tmp_path / "both")
    torch.save({"classifier.weight": Evil(tmp_path / "trace")}, tmp_path / "both" / "pytorch_model.bin")
    build(tmp_path / "both", allow_pickled_weights=True)
    assert not (tmp_path / "trace").exists()
    assert "pickled" not in capsys.readouterr().err


def test_code_that_a_checkpoint_brings_along_is_not_run(checkpoint, tmp_path):
    folder = tmp_path / "own-code"
    shutil.copytree(checkpoint, folder)
    code = f"open({str(tmp_path / 'trace')!r}, 'w')\nclass Net: pass\nclass Config: pass\n"
    (folder / "net.py").write_text(code)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "net.Config", "AutoModelForImageClassification": "net.Net"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "own"}))
    with pytest.raises(UserError, match="no image classifier that transformers can load"):
        build(folder)
    assert not (tmp_path / "trace").exists()


def test_half_precision_weights_are_trained_in_single(checkpoint, tmp_path):
    AutoModelForImageClassification.from_pretrained(checkpoint).half().save_pretrained(tmp_path)
    shutil.copy(checkpoint / "preprocessor_config.json", tmp_path)
    assert {p.dtype for p in build(tmp_path).parameters()} == {torch.float32}


def test_a_folder_without_a_file_names_it(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"it has no preprocessor_config\.json"):
        build(tmp_path)


def test_without_network_the_error_names_the_files_to_fetch():
    with pytest.raises(UserError, match=r"'owner/name' on the Hugging Face hub") as error:
        build(Path("owner/name"))
    assert "config.json, preprocessor_config.json and model.safetensors of owner/name" in error.value.remedy


def test_a_checkpoint_in_the_hubs_cache_needs_no_network(checkpoint, tmp_path, monkeypatch):
    from huggingface_hub import constants

    repository = tmp_path / "models--owner--name"
    shutil.copytree(checkpoint, repository / "snapshots" / "0123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert build(Path("owner/name")).head_parameters()


def test_weights_of_an_earlier_run_stand_in_place_of_the_checkpoints(checkpoint, tmp_path):
    earlier = build(checkpoint).eval()
    with torch.no_grad():
        for parameter in earlier.parameters():
            parameter.add_(torch.randn_like(parameter))
    save_file(earlier.state_dict(), tmp_path / "best.safetensors")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = earlier(images).logits
        assert not torch.allclose(build(checkpoint).eval()(images).logits, expected)
        continued = build(checkpoint, weights=str(tmp_path / "best.safetensors")).eval()
        torch.testing.assert_close(continued(images).logits, expected, rtol=0, atol=0)


def test_weights_of_another_task_are_refused_by_the_name_of_the_first(checkpoint, tmp_path):
    save_file(build(checkpoint, "angry", "happy", "sad").state_dict(), tmp_path / "best.safetensors")
    with pytest.raises(UserError, match=r"the first of 2 weights that differ is model\.classifier"):
        build(checkpoint, weights=str(tmp_path / "best.safetensors"))


def test_weights_that_are_no_safetensors_file_are_refused(checkpoint, tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        build(checkpoint, weights=str(tmp_path / "best.safetensors"))
    (tmp_path / "best.safetensors").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(UserError, match="no readable safetensors file"):
        build(checkpoint, weights=str(tmp_path / "best.safetensors"))
