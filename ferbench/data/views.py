"""The views of an image that a model's answer at test time is averaged over."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ferbench.data.augment import affine_matrices, resample

#: Side of a crop, as a fraction of the image's side: 224 of 256 pixels in Krizhevsky, Sutskever and Hinton (2012).
CROP = 0.875


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at an image: mirrored or not, and a square window that is enlarged to the whole input.

    Attributes:
        flip: mirrored left and right.
        side: of the window, in (0, 1], as a fraction of the image's side.
        place: of the window, (x, y) from -1 (left, top) to 1 (right, bottom).
    """

    flip: bool = False
    side: float = 1.0
    place: tuple[float, float] = (0.0, 0.0)

    def of(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """uint8[N, C, h, w] → float32[N, C, H, W] in [0, 1]; the plain view is what ``resample`` gives."""
        if self.flip:
            images = images.flip(-1)
        if self.side == 1:
            return resample(images, size)
        n = len(images)
        window = torch.full((n,), self.side), torch.tensor(self.place).expand(n, 2)
        return resample(images, size, affine_matrices(crop=window))


PLAIN = View()
_PLACES = ((-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (0.0, 0.0))

#: By the values of ``evaluation.tta``.
VIEWS: dict[str, tuple[View, ...]] = {
    "none": (PLAIN,),
    "flip": (PLAIN, View(flip=True)),
    "ten-crop": tuple(View(flip, CROP, place) for flip in (False, True) for place in _PLACES),
}
