"""face-api's expression network: what the package itself gives for the same weights and images."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from made_weights import images, write_face_api

from ferbench import Task, UserError
from ferbench_foreign.face_api import LABELS, face_api
from ferbench_foreign.tensorflow_js import read_weights

#: Of @vladmandic/face-api 1.7.15 in node, on TensorFlow.js's processor backend, for `write_face_api` and `images`.
OF_THE_PACKAGE = [
    [0.200989753, 0.0624039583, 0.1391426474, 0.2244805694, 0.0508886874, 0.1758736521, 0.1462207636],
    [0.1953685582, 0.0712782666, 0.1405411512, 0.1946378201, 0.0734009966, 0.1686790735, 0.1560941041],
]


def task(*class_names: str, channels: int = 3, side: int = 48) -> Task:
    return Task(class_names, channels, side, side, (1,) * len(class_names))


@pytest.fixture
def folder(tmp_path):
    write_face_api(tmp_path)
    return tmp_path


def logits(model: torch.nn.Module, side: int = 48) -> torch.Tensor:
    pixels = torch.tensor(images(2, side, 3)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        return model.eval()(pixels).logits


def test_it_gives_the_probabilities_of_the_package(folder):
    given = logits(face_api(task(*LABELS), weights=str(folder))).softmax(1)
    np.testing.assert_allclose(given.numpy(), OF_THE_PACKAGE, atol=1e-6)


def test_classes_take_the_outputs_of_their_names(folder):
    given = logits(face_api(task("sad", "Anger", "surprise"), weights=str(folder)))
    whole = logits(face_api(task(*LABELS), weights=str(folder)))
    torch.testing.assert_close(given, whole[:, [2, 3, 6]])


def test_it_has_the_parameters_of_the_package():
    assert sum(parameter.numel() for parameter in face_api(task(*LABELS)).parameters()) == 323_687


def test_a_class_that_it_does_not_know_is_refused():
    with pytest.raises(UserError, match="face-api has no label for contempt") as caught:
        face_api(task("happy", "contempt"))
    assert "data.classes" in caught.value.remedy


def test_gray_images_are_refused():
    with pytest.raises(UserError, match="RGB"):
        face_api(task("happy", "sad", channels=1))


def test_without_the_files_it_says_where_they_are_had(tmp_path):
    with pytest.raises(UserError, match=r"model\.weights=.* is no folder with face_expression") as caught:
        face_api(task(*LABELS), weights=str(tmp_path))
    assert "npm pack @vladmandic/face-api" in caught.value.remedy


def test_a_shard_that_is_cut_off_is_refused(folder):
    shard = folder / "face_expression_model.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError, match="no weights manifest"):
        face_api(task(*LABELS), weights=str(folder))


def test_a_shard_that_is_too_long_is_refused(folder):
    shard = folder / "face_expression_model.bin"
    shard.write_bytes(shard.read_bytes() + b"\0")
    with pytest.raises(UserError, match="bytes, and its weights"):
        face_api(task(*LABELS), weights=str(folder))


def change(folder, edit) -> None:
    manifest = folder / "face_expression_model-weights_manifest.json"
    groups = json.loads(manifest.read_text())
    edit(groups[0])
    manifest.write_text(json.dumps(groups))


def test_weights_of_another_network_are_refused(folder):
    change(folder, lambda group: group["weights"][0].update(name="dense9/conv0/filters"))
    with pytest.raises(UserError, match="not of face-api's expression network: 'dense0/conv0/filters'"):
        face_api(task(*LABELS), weights=str(folder))


def test_a_shard_is_never_read_from_elsewhere(folder):
    change(folder, lambda group: group.update(paths=["../elsewhere.bin"]))
    with pytest.raises(UserError, match="not beside it"):
        face_api(task(*LABELS), weights=str(folder))


@pytest.mark.parametrize(
    "text", ["{", "[]{}", "[1]", '[{"weights": [], "paths": [1]}]', '{"a": 1}', "[" * 5000, '"\\ud800"']
)
def test_what_is_no_manifest_is_refused(tmp_path, text):
    path = tmp_path / "some-weights_manifest.json"
    path.write_text(text)
    with pytest.raises(UserError, match="no weights manifest"):
        read_weights(path)


def test_quantised_numbers_are_scaled_and_shifted(tmp_path):
    (tmp_path / "shard").write_bytes(bytes([0, 10, 255]) + np.float32(2.5).tobytes())
    entries = [
        {"name": "a", "shape": [3], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.1, "min": -1}},
        {"name": "b", "shape": [], "dtype": "float32"},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps([{"weights": entries, "paths": ["shard"]}]))
    arrays = read_weights(tmp_path / "manifest.json")
    np.testing.assert_allclose(arrays["a"], [-1, 0, 24.5], rtol=1e-6)
    assert arrays["b"] == 2.5
