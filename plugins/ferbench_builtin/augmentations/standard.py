"""The usual augmentations of face images, each with parameters of its own for every sample."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval

from ferbench import Task, Tunable

if TYPE_CHECKING:
    from torch import Tensor

    from ferbench import Draws

#: Smallest erased area and range of its log(height / width), as in Zhong et al. (AAAI 2020) and torchvision.
SMALLEST_ERASED_AREA = 0.02
LOG_ERASED_ASPECT = math.log(0.3), math.log(3.3)

Flip = Annotated[float, Interval(ge=0, le=1), Tunable(0.0, 0.5)]
Rotation = Annotated[float, Interval(ge=0, le=180), Tunable(0.0, 30.0)]
Shift = Annotated[float, Interval(ge=0, le=1), Tunable(0.0, 0.2)]
Zoom = Annotated[float, Interval(ge=0, lt=1), Tunable(0.0, 0.3)]
Crop = Annotated[float, Interval(gt=0, le=1), Tunable(0.7, 1.0)]
Perspective = Annotated[float, Interval(ge=0, le=1), Tunable(0.0, 0.5)]
PerspectiveScale = Annotated[float, Interval(ge=0, lt=1), Tunable(0.1, 0.5)]
Light = Annotated[float, Interval(ge=0, le=1), Tunable(0.0, 0.4)]
Hue = Annotated[float, Interval(ge=0, le=0.5), Tunable(0.0, 0.1)]
Erase = Annotated[float, Interval(ge=0, le=1), Tunable(0.0, 0.5)]
EraseArea = Annotated[float, Interval(ge=SMALLEST_ERASED_AREA, le=1), Tunable(0.05, 0.4)]

#: Signs of the corners' places, in the order of ``with_perspective``.
_CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


class Standard:
    """Flip, rotation, shift, zoom, crop, perspective, light, colour and random erasing, each drawn per sample.

    The defaults suit aligned faces: enough movement for what alignment leaves over, upright faces, no change
    of light. With every option at the value that changes nothing, the result is that of evaluation, bit for
    bit.

    Args:
        task: the learning problem; nothing of it is needed.
        flip: probability of mirroring an image left and right.
        rotation: largest rotation to either side, in degrees.
        shift: largest shift to any side, as a fraction of the image's width and height.
        zoom: largest relative enlargement or reduction: 0.1 draws factors from 0.9 to 1.1.
        crop: side of a window at a random place that is enlarged to the whole image, as a fraction of its
            side.
        perspective: probability of a change of perspective.
        perspective_scale: how far it draws a corner towards the centre at most, as a fraction of the way along each
            axis.
        brightness: largest relative change of brightness: 0.2 draws factors from 0.8 to 1.2.
        contrast: largest relative change of contrast about the image's mean, drawn likewise.
        saturation: largest relative change of saturation, drawn likewise; gray images have none.
        hue: largest turn of the hues to either side, in turns of the colour circle.
        erase: probability of erasing a rectangle, which is filled with the image's mean.
        erase_area: largest area of an erased rectangle, as a fraction of the image; the smallest is 0.02.
    """

    def __init__(
        self,
        task: Task,
        *,
        flip: Flip = 0.5,
        rotation: Rotation = 10.0,
        shift: Shift = 0.0,
        zoom: Zoom = 0.1,
        crop: Crop = 1.0,
        perspective: Perspective = 0.0,
        perspective_scale: PerspectiveScale = 0.3,
        brightness: Light = 0.0,
        contrast: Light = 0.0,
        saturation: Light = 0.0,
        hue: Hue = 0.0,
        erase: Erase = 0.0,
        erase_area: EraseArea = 0.33,
    ) -> None:
        self.flip = flip
        self.rotation = rotation
        self.shift = shift
        self.zoom = zoom
        self.crop = crop
        self.perspective = perspective
        self.perspective_scale = perspective_scale
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.erase = erase
        self.erase_area = erase_area

    def __call__(self, images: Tensor, size: tuple[int, int], draws: Draws) -> Tensor:
        """Augment a batch.

        Args:
            images: uint8[N, C, h, w].
            size: (H, W), height and width of the result.
            draws: the batch's random numbers, one row per sample.

        Returns:
            float32[N, C, H, W] in [0, 1], on the images' device.
        """
        import torch

        from ferbench import augment

        draws = draws.to("cpu")
        result = self._move(images, size, draws)

        def factor(name: str, spread: float) -> Tensor | None:
            return draws.uniform(name, 1 - spread, 1 + spread) if spread else None

        if self.brightness or self.contrast:
            result = augment.relight(result, factor("brightness", self.brightness), factor("contrast", self.contrast))
        if self.saturation or self.hue:
            hue = draws.uniform("hue", -self.hue, self.hue) if self.hue else None
            result = augment.recolor(result, factor("saturation", self.saturation), hue)
        if self.erase:
            result = augment.erase(
                result,
                chosen=draws.chance("erase", self.erase),
                area=draws.uniform("erase area", SMALLEST_ERASED_AREA, self.erase_area),
                aspect=torch.exp(draws.uniform("erase aspect", *LOG_ERASED_ASPECT)),
                place=draws.uniform("erase place", columns=2),
            )
        return result

    def _move(self, images: Tensor, size: tuple[int, int], draws: Draws) -> Tensor:
        import torch

        from ferbench import augment

        flip = draws.chance("flip", self.flip) if self.flip else None
        if not (self.rotation or self.shift or self.zoom or self.crop < 1 or self.perspective):
            return augment.resample(images if flip is None else augment.mirror(images, flip), size)
        crop = None
        if self.crop < 1:
            crop = torch.full((len(images),), self.crop), draws.uniform("crop", -1, 1, columns=2)
        matrices = augment.affine_matrices(
            flip=flip if flip is not None else torch.zeros(len(images), dtype=torch.bool),
            rotation=draws.uniform("rotation", -self.rotation, self.rotation) if self.rotation else None,
            zoom=draws.uniform("zoom", 1 - self.zoom, 1 + self.zoom) if self.zoom else None,
            shift=draws.uniform("shift", -self.shift, self.shift, columns=2) if self.shift else None,
            crop=crop,
            aspect=images.shape[-1] / images.shape[-2],
        )
        if self.perspective:
            inward = draws.uniform("perspective corners", 0, self.perspective_scale, columns=8).view(-1, 4, 2)
            inward = inward * draws.chance("perspective", self.perspective)[:, None, None]
            matrices = augment.with_perspective(torch.tensor(_CORNERS) * (1 - inward), matrices)
        return augment.resample(images, size, matrices)
