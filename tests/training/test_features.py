import numpy as np
import pytest
import torch
from torch import nn

from ferbench import Outputs, UserError
from ferbench.data.batches import Batches, InputShape, Truth
from ferbench.data.views import VIEWS
from ferbench.training.features import features_of

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 1, 4, 4), dtype=np.uint8)


def batches(rows: list[int]) -> Batches:
    shape = InputShape(1, (4, 4), (0.0,), (1.0,))
    return Batches(PIXELS, np.array(rows), Truth(np.zeros(len(rows), dtype=np.int64)), shape, torch.device("cpu"))


class Pixels(nn.Module):
    """Features are the pixels; memory ends at more than three images."""

    def forward(self, images):
        if len(images) > 3:
            raise MemoryError
        return Outputs(torch.zeros(len(images), 2), features=images.flatten(1))


@pytest.mark.parametrize("size", [1, 3, 64])
def test_features_are_in_the_order_of_the_split(size):
    looked = features_of(Pixels(), batches([5, 1, 6, 0, 2]), size, VIEWS["none"])
    np.testing.assert_allclose(looked.features, PIXELS[[5, 1, 6, 0, 2]].reshape(5, 16) / 255, atol=1e-6)
    np.testing.assert_array_equal(looked.probabilities, np.full((5, 2), 0.5))


def test_over_views_features_are_averaged():
    looked = features_of(Pixels(), batches([4]), 2, VIEWS["flip"])
    both = (PIXELS[4, 0] / 255 + PIXELS[4, 0, :, ::-1] / 255) / 2
    np.testing.assert_allclose(looked.features[0].reshape(4, 4), both, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda images: images.flatten(1), "gives no features"),
        (lambda images: Outputs(images.flatten(1), features=images), "as features for 2 images, not floats"),
        (lambda images: Outputs(images.flatten(1), features=images.flatten(1) / 0), "features that are not finite"),
    ],
    ids=["none", "maps", "infinite"],
)
def test_a_model_without_usable_features_is_refused(given, said):
    class Model(nn.Module):
        def forward(self, images):
            return given(images)

    with pytest.raises(UserError, match=said):
        features_of(Model(), batches([0, 1]), 8, VIEWS["none"])
