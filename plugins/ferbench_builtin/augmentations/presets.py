"""Augmentations of published systems: :class:`Standard` with other defaults, and with the options that they use."""

from __future__ import annotations

from ferbench import Task
from ferbench_builtin.augmentations.standard import (
    Crop,
    Erase,
    EraseArea,
    Flip,
    Hue,
    Light,
    Perspective,
    PerspectiveScale,
    Rotation,
    Shift,
    Standard,
    Zoom,
)


def shifted(
    task: Task, *, flip: Flip = 0.5, rotation: Rotation = 10.0, zoom: Zoom = 0.1, shift: Shift = 0.1
) -> Standard:
    """Flip, rotation, zoom and shift, as system S3 has them; ``standard`` with a shift.

    Args:
        task: the learning problem; nothing of it is needed.
        flip: probability of mirroring an image left and right.
        rotation: largest rotation to either side, in degrees.
        zoom: largest relative enlargement or reduction.
        shift: largest shift to any side, as a fraction of the image's width and height.
    """
    return Standard(task, flip=flip, rotation=rotation, zoom=zoom, shift=shift)


def crop_jitter(
    task: Task,
    *,
    crop: Crop = 0.875,
    flip: Flip = 0.5,
    rotation: Rotation = 10.0,
    brightness: Light = 0.2,
    contrast: Light = 0.2,
    saturation: Light = 0.2,
    hue: Hue = 0.05,
) -> Standard:
    """Random crop, flip, rotation and colour jitter, as the first version of system S5 has them.

    Args:
        task: the learning problem; nothing of it is needed.
        crop: side of a window at a random place that is enlarged to the whole image, as a fraction of its side.
        flip: probability of mirroring an image left and right.
        rotation: largest rotation to either side, in degrees.
        brightness: largest relative change of brightness.
        contrast: largest relative change of contrast about the image's mean.
        saturation: largest relative change of saturation; gray images have none.
        hue: largest turn of the hues to either side, in turns of the colour circle; gray images have none.
    """
    return Standard(
        task,
        flip=flip,
        rotation=rotation,
        zoom=0.0,
        crop=crop,
        brightness=brightness,
        contrast=contrast,
        saturation=saturation,
        hue=hue,
    )


def crop_jitter_erase(
    task: Task,
    *,
    crop: Crop = 0.875,
    flip: Flip = 0.5,
    rotation: Rotation = 10.0,
    perspective: Perspective = 0.3,
    perspective_scale: PerspectiveScale = 0.2,
    brightness: Light = 0.2,
    contrast: Light = 0.2,
    saturation: Light = 0.2,
    hue: Hue = 0.05,
    erase: Erase = 0.25,
    erase_area: EraseArea = 0.2,
) -> Standard:
    """``crop-jitter`` with perspective and random erasing, as the second version of system S5 has them.

    Args:
        task: the learning problem; nothing of it is needed.
        crop: side of a window at a random place that is enlarged to the whole image, as a fraction of its side.
        flip: probability of mirroring an image left and right.
        rotation: largest rotation to either side, in degrees.
        perspective: probability of a change of perspective.
        perspective_scale: how far it draws a corner towards the centre at most, as a fraction of the way.
        brightness: largest relative change of brightness.
        contrast: largest relative change of contrast about the image's mean.
        saturation: largest relative change of saturation; gray images have none.
        hue: largest turn of the hues to either side, in turns of the colour circle; gray images have none.
        erase: probability of erasing a rectangle, which is filled with the image's mean.
        erase_area: largest area of an erased rectangle, as a fraction of the image; the smallest is 0.02.
    """
    return Standard(
        task,
        flip=flip,
        rotation=rotation,
        zoom=0.0,
        crop=crop,
        perspective=perspective,
        perspective_scale=perspective_scale,
        brightness=brightness,
        contrast=contrast,
        saturation=saturation,
        hue=hue,
        erase=erase,
        erase_area=erase_area,
    )
