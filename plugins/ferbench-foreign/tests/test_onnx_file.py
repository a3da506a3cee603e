"""Networks in ONNX files: input, labels and outputs as options or the file's metadata say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

from click.testing import CliRunner  # noqa: E402
from made_weights import spread  # noqa: E402

from ferbench import Task, UserError  # noqa: E402
from ferbench.cli import cli  # noqa: E402
from ferbench_foreign.onnx_file import onnx as onnx_model  # noqa: E402

LABELS = ("happy", "sad", "surprise")


def write(path, *, channels=1, side=8, last=False, batch=None, softmax=False, metadata=None, labels=3) -> str:
    """Scores = mean of each channel · a made matrix."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = [batch or "n", side, side, channels] if last else [batch or "n", channels, side, side]
    matrix = spread((channels, labels), 5, -2, 2)
    axes = onnx.numpy_helper.from_array(np.array([1, 2] if last else [2, 3]), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "matrix"], ["raw"]),
        helper.make_node("Softmax" if softmax else "Identity", ["raw"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info("scores", kind, [batch or "n", labels])],
        [axes, onnx.numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    for key, value in (metadata or {}).items():
        item = model.metadata_props.add()
        item.key, item.value = key, value
    onnx.save(model, path)
    return str(path)


def task(*class_names: str, channels: int = 1, side: int = 8) -> Task:
    return Task(class_names, channels, side, side, (1,) * len(class_names))


def images(channels: int = 1, count: int = 3) -> torch.Tensor:
    return torch.tensor(spread((count, channels, 8, 8), 3, 0, 1))


def by_hand(pixels: torch.Tensor, labels: int = 3) -> np.ndarray:
    return pixels.numpy().mean(axis=(2, 3)) @ spread((pixels.shape[1], labels), 5, -2, 2)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("batch", [None, 1, 2])
def test_it_gives_what_the_network_gives(tmp_path, last, batch):
    path = write(tmp_path / "net.onnx", channels=3, last=last, batch=batch)
    given = onnx_model(task(*LABELS, channels=3), weights=path, labels=LABELS)(images(3))
    np.testing.assert_allclose(given, by_hand(images(3)), rtol=1e-5)


def test_classes_take_the_outputs_of_their_labels(tmp_path):
    given = onnx_model(task("Sadness", "happy"), weights=write(tmp_path / "net.onnx"), labels=LABELS)(images())
    np.testing.assert_allclose(given, by_hand(images())[:, [1, 0]], rtol=1e-5)


def test_pixels_are_scaled_normalised_and_turned_to_blue_first(tmp_path):
    path = write(tmp_path / "net.onnx", channels=3)
    model = onnx_model(
        task(*LABELS, channels=3),
        weights=path,
        labels=LABELS,
        colors="bgr",
        scale=255.0,
        mean=(1.0, 2.0, 3.0),
        std=(4.0, 5.0, 6.0),
    )
    turned = images(3)[:, [2, 1, 0]]
    expected = (turned * 255 - torch.tensor([1.0, 2, 3]).view(1, 3, 1, 1)) / torch.tensor([4.0, 5, 6]).view(1, 3, 1, 1)
    np.testing.assert_allclose(model(images(3)), by_hand(expected), rtol=1e-4)


def test_probabilities_stay_those_of_the_network(tmp_path):
    path = write(tmp_path / "net.onnx", softmax=True)
    given = onnx_model(task(*LABELS), weights=path, labels=LABELS, outputs="probabilities")(images())
    expected = torch.softmax(torch.tensor(by_hand(images())), 1)
    np.testing.assert_allclose(given.softmax(1), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": '["happy", "sad", "surprise"]'},
        {"class_names": "happy, sad, surprise"},
        {"names": '{"1": "sad", "0": "happy", "2": "surprise"}'},
    ],
)
def test_labels_are_read_from_the_files_metadata(tmp_path, metadata):
    path = write(tmp_path / "net.onnx", metadata=metadata)
    given = onnx_model(task("surprise", "sad"), weights=path)(images())
    np.testing.assert_allclose(given, by_hand(images())[:, [2, 1]], rtol=1e-5)


def refused(path, match, *, task=task(*LABELS), **options) -> UserError:  # noqa: B008
    with pytest.raises(UserError, match=match) as caught:
        onnx_model(task, weights=str(path), **options)
    return caught.value


def test_without_labels_it_asks_for_them(tmp_path):
    assert "model.labels" in refused(write(tmp_path / "net.onnx"), "does not say what its outputs are").remedy


def test_a_file_that_is_missing_or_no_network_is_refused(tmp_path):
    refused(tmp_path / "no.onnx", "is no file", labels=LABELS)
    (tmp_path / "text.onnx").write_text("text")
    refused(tmp_path / "text.onnx", "no ONNX file that onnxruntime can run", labels=LABELS)


def test_images_of_another_size_or_colour_are_refused(tmp_path):
    path = write(tmp_path / "net.onnx")
    large, coloured = task(*LABELS, side=9), task(*LABELS, channels=3)
    assert refused(path, "image_size 8", task=large, labels=LABELS).remedy == "--set data.image_size=8"
    assert refused(path, "channels 1", task=coloured, labels=LABELS).remedy == "--set data.channels=1"


def test_more_outputs_than_labels_are_refused(tmp_path):
    path = write(tmp_path / "net.onnx", labels=4)
    with pytest.raises(UserError, match="gives 4 numbers for an image, and has 3 labels"):
        onnx_model(task(*LABELS), weights=path, labels=LABELS)(images())


def test_it_is_a_foreign_result_and_used_again(tmp_path):
    names = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    path = write(tmp_path / "net.onnx", side=16, labels=7, metadata={"labels": json.dumps(names)})
    sets = ("dataset.size=16", "dataset.train=70", "dataset.test=14", "data.image_size=16", "data.channels=1")
    sets = (*sets, "training.epochs=0", f"model.weights={path}")
    flags = [part for one in sets for part in ("--set", one)]
    flags += ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache"), "--json"]
    done = CliRunner().invoke(cli, ["run", "--model", "onnx", *flags])
    assert done.exit_code == 0, done.output
    (outcome,) = json.loads(done.stdout)
    assert outcome["status"] == "done"
    (line,) = (tmp_path / "results" / "test-reads.jsonl").read_text().splitlines()
    assert json.loads(line)["kind"] == "foreign"
