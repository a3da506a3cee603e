"""Images on their way into a model."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import ferbench.data.decode
from ferbench.api.classify import as_sources, classify


class Model:
    """Takes the mean of an image for the probability of the second of two classes."""

    form = SimpleNamespace(channels=1)
    framing = SimpleNamespace(look=lambda *about: None, warnings=())
    preprocessing = None

    def gather(self, most):
        assert most <= 64
        self.means, self.sizes = [], []
        return self

    def add(self, image):
        self.means.append(image.mean() / 255)

    def classify(self):
        rows = np.array([[1 - mean, mean] for mean in self.means], np.float32)
        self.sizes.append(len(rows))
        self.means.clear()
        return rows, None


def pictures(count):
    return [np.full((2, 2), number, np.uint8) for number in range(count)]


def test_of_many_images_one_is_decoded_at_a_time(monkeypatch):
    alive = weakref.WeakSet()
    most = []
    real = ferbench.data.decode.decode

    class Decoded(np.ndarray):
        __hash__ = object.__hash__

    def decode(source, channels):
        gc.collect()
        most.append(len(alive))
        decoded = real(source, channels).view(Decoded)
        alive.add(decoded)
        return decoded

    monkeypatch.setattr(ferbench.data.decode, "decode", decode)
    gc.collect()
    gc.freeze()  # what other tests have left is not looked through again for each image
    try:
        results, faults = classify(Model(), as_sources(pictures(70)))
    finally:
        gc.unfreeze()
    assert (len(results), faults) == (70, [])
    assert max(most) == 0


def test_images_are_classified_in_batches_in_order_and_faults_are_named():
    images = pictures(130)
    images[3] = np.zeros((0, 2), np.uint8)
    model = Model()
    seen: list[int] = []
    results, faults = classify(model, as_sources(images), progress=seen.append)
    assert model.sizes == [63, 64, 2]
    assert seen == [64, 128, 130]
    assert [result.image for result in results] == [number for number in range(130) if number != 3]
    assert [result.probabilities[1] for result in results[:4]] == pytest.approx([0, 1 / 255, 2 / 255, 4 / 255])
    assert faults == [(3, "array without pixels")]


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P"])
def test_pictures_of_pillow_are_what_they_show(mode):
    picture = Image.new("L", (3, 2), 255).convert(mode)
    (result,), _ = classify(Model(), as_sources(picture))
    assert result.probabilities == [0, 1]


def test_nothing_is_nothing():
    assert classify(Model(), []) == ([], [])
