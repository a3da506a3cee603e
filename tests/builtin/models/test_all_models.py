"""What holds for every built-in model, besides the rules of the conformance kit."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch
from torch import nn

from ferbench import Task, UserError
from ferbench.plugin.discovery import load_registry
from ferbench.training.layers import count_parameters, layer_table
from ferbench_builtin.plugin import ferbench_models

SPECS = {spec.name: spec for spec in ferbench_models()}

#: Options without which a model has no default, or is needlessly large here.
OPTIONS: dict[str, dict[str, Any]] = {
    "timm": {"backbone": "resnet10t"},
    "vggnet-fer": {"units": 32},
    "cnn4": {"widths": (8, 8, 8, 8), "units": 16},
    "poster-like": {"width": 32, "depth": 2},
}
#: Those with a backbone; the larger ones are the smaller ones' code with another backbone.
FREEZABLE = sorted(set(SPECS) - {"linear", "resnet34", "resnet50", "vit-small"})


def task(spec, *, size: int = 32, classes: int = 4, affect: bool = True, channels: int | None = None) -> Task:
    names = tuple(f"class{k}" for k in range(classes))
    return Task(names, channels or spec.channels, size, size, (1,) * classes, has_affect=affect)


def build(name: str, problem: Task | None = None, *, seed: int = 0, **options: Any) -> nn.Module:
    component = load_registry().find("model", name)
    torch.manual_seed(seed)
    return component.builder()(problem or task(SPECS[name]), **{**OPTIONS.get(name, {}), **options})


@functools.cache
def built_once(name: str, affect: bool = False) -> nn.Module:
    """For tests that leave the model as it is; initial weights take the most of a test's time."""
    return build(name, affect=affect).eval()


def images(name: str, n: int = 2, size: int = 32) -> torch.Tensor:
    return torch.rand(n, SPECS[name].channels, size, size, generator=torch.Generator().manual_seed(1))


#: Gradients that torch refuses to compute on CUDA under ``torch.use_deterministic_algorithms``, by its documentation.
NONDETERMINISTIC = {
    "AdaptiveAvgPool2DBackward0",
    "AdaptiveMaxPool2DBackward0",
    "FractionalMaxPool2DBackward0",
    "GridSampler2DBackward0",
    "UpsampleBilinear2DBackward0",
    "UpsampleBicubic2DBackward0",
    "UpsampleLinear1DBackward0",
    "NllLoss2DBackward0",
}


def operations_behind(total: torch.Tensor) -> set[str]:
    """Names of the operations that a gradient goes through."""
    todo, seen = [total.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo.extend(following for following, _ in node.next_functions)
    return {node.name() for node in seen}


@pytest.fixture(scope="module", params=sorted(SPECS))
def name(request) -> str:
    return request.param


def test_without_an_affect_head_there_are_logits_alone(name):
    with torch.no_grad():
        assert built_once(name)(images(name)).affect is None


def test_the_affect_head_stays_within_the_labels_range(name):
    assert SPECS[name].affect
    model = built_once(name, affect=True)
    with torch.no_grad():
        affect = model(100 * images(name)).affect
    assert affect.shape == (2, 2)
    assert affect.abs().max() <= 1


def test_affect_without_labels_to_learn_from_is_refused(name):
    with pytest.raises(UserError, match="no valence and arousal"):
        build(name, task(SPECS[name], affect=False), affect=True)


def test_another_seed_gives_other_weights(name):
    if name != "linear":  # it starts at zero
        one, other = (
            torch.cat([p.flatten() for p in model.parameters()]) for model in (built_once(name), build(name, seed=1))
        )
        assert not torch.equal(one, other)


def test_an_affect_head_changes_no_other_initial_weight(name):
    plain, both = built_once(name).state_dict(), built_once(name, affect=True).state_dict()
    assert all(torch.equal(value, both[key]) for key, value in plain.items())


def test_the_other_number_of_channels_is_taken_too(name):
    channels = 4 - SPECS[name].channels
    model = build(name, task(SPECS[name], channels=channels)).eval()
    with torch.no_grad():
        assert model(torch.rand(1, channels, 32, 32)).logits.shape == (1, 4)


def test_the_layer_table_adds_up(name):
    model = built_once(name)
    table = layer_table(model, task(SPECS[name]))
    assert sum(row.parameters for row in table.rows) == sum(count_parameters(model)) > 0
    assert table.flops > 0


def test_the_classifier_gives_the_logits_of_the_features_while_training_too(name):
    model = copy.deepcopy(built_once(name)).train()
    outputs = model(images(name, n=4))
    assert outputs.features.ndim == 2
    assert torch.equal(outputs.classifier(outputs.features), outputs.logits)


#: Options with which a model's features are the means of its last maps.
MAPPED: dict[str, dict[str, Any]] = {
    "resnet9": {"grid": 1, "units": 0},
    "cnn4": {"pool": "mean", "units": 0},
    "resnet18-small": {},
    "timm": {},
    "resnet18": {},
    "efficientnet-b0": {},
}


@pytest.mark.parametrize("name", sorted(MAPPED))
def test_maps_have_the_features_as_their_means(name):
    assert "maps" in SPECS[name].gives
    with torch.no_grad():
        outputs = build(name, **MAPPED[name]).eval()(images(name))
    assert outputs.extra["maps"].ndim == 4
    torch.testing.assert_close(outputs.extra["maps"].mean((2, 3)), outputs.features)


@pytest.mark.parametrize("name", ["basic-cnn", "cnn4", "resnet9", "vggnet-fer", "vit-tiny", "poster-like"])
def test_behind_a_hidden_layer_and_without_maps_there_are_none(name):
    with torch.no_grad():
        assert "maps" not in built_once(name)(images(name)).extra


@pytest.mark.parametrize("name", sorted(set(FREEZABLE) - {"vit-tiny", "efficientnet-b0"}))
def test_a_cosine_head_scales_the_cosine_between_features_and_classes(name):
    model = build(name, head="cosine", head_scale=5.0).eval()
    with torch.no_grad():
        outputs = model(images(name))
        (weight,) = (value for key, value in model.named_parameters() if key == f"{model.classifier}.weight")
        expected = torch.nn.functional.cosine_similarity(outputs.features[:, None], weight[None], dim=2)
    torch.testing.assert_close(outputs.extra["cosine"], expected)
    torch.testing.assert_close(outputs.logits, 5 * expected)
    assert torch.equal(outputs.classifier(outputs.features), outputs.logits)
    assert f"{model.classifier}.bias" not in model.state_dict()
    assert "cosine" not in built_once(name)(images(name)).extra


@pytest.mark.parametrize("name", FREEZABLE)
def test_training_with_a_frozen_backbone_changes_the_head_alone(name):
    model = build(name, freeze="backbone")
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.eval()
    model.train()  # as the loop does each epoch
    for _ in range(2):
        model(images(name, n=4)).logits.square().sum().backward()
        optimizer.step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    head = {id(p) for p in model.head_parameters()}
    parameters = {key for key, p in model.named_parameters() if id(p) in head}
    assert changed & {key for key, _ in model.named_parameters()} == parameters
    parents = {key.rpartition(".")[0] for key in parameters}  # a head may have a batch norm, whose averages move too
    assert {key.rpartition(".")[0] for key in changed} == parents


@pytest.mark.parametrize("name", FREEZABLE)
def test_the_head_is_what_freezing_leaves(name):
    trainable = [id(p) for p in build(name, freeze="backbone", affect=True).parameters() if p.requires_grad]
    model = built_once(name, affect=True)
    assert len(trainable) == len(model.head_parameters()) < len(list(model.parameters()))


#: Of the classifier's batch norm, where it has one.
NORM = {f"norm.{part}" for part in ("weight", "bias", "running_mean", "running_var")}


@pytest.mark.parametrize("name", FREEZABLE)
def test_a_checkpoint_of_another_class_count_gives_all_but_the_classifier(name, tmp_path, capsys):
    from safetensors.torch import save_file

    source = build(name, task(SPECS[name], classes=7), seed=5).state_dict()
    save_file({key: value.contiguous() for key, value in source.items()}, tmp_path / "w.safetensors")
    model = build(name, weights=str(tmp_path / "w.safetensors"))
    differing = {key for key, value in model.state_dict().items() if not torch.equal(value, source[key])}
    assert {key.removeprefix(f"{model.classifier}.") for key in differing} - NORM == {"weight", "bias"}
    assert f"warning: {model.classifier} of {tmp_path / 'w.safetensors'} is left out" in capsys.readouterr().err


@pytest.mark.parametrize("name", FREEZABLE)
def test_a_missing_file_of_weights_is_named(name):
    with pytest.raises(UserError, match=r"there is no file nowhere\.safetensors"):
        build(name, weights="nowhere.safetensors")


def test_its_gradients_are_deterministic_on_an_accelerator(name):
    """By the names of the operations in its graph; a tensor without data takes the way that one on a GPU takes."""
    model = copy.deepcopy(built_once(name, affect=True)).train().to("meta")
    outputs = model(images(name).to("meta"))
    assert outputs.affect is not None
    operations = operations_behind(outputs.logits.sum() + outputs.affect.sum())
    assert "AddmmBackward0" in operations
    assert not operations & NONDETERMINISTIC
