"""Augmentation of whole batches with parameters per sample: the parts that augmentations are made of.

Everything runs on the images' device, without a loop over samples and without waiting for the device.
Parameters are one number (or row) per sample, as :class:`ferbench.Draws` gives them. No function changes its
input or keeps gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ferbench.data.draws import upload

#: Weights of red, green and blue in gray: ITU-R BT.601 luma, as Pillow's conversion to "L" has it.
LUMA = (0.299, 0.587, 0.114)


@torch.no_grad()
def resample(
    images: Tensor,
    size: tuple[int, int],
    matrices: Tensor | None = None,
    padding: Literal["reflection", "border", "zeros"] = "reflection",
) -> Tensor:
    """Bring images to the model's input size and move them, in one bilinear resampling step.

    Without ``matrices`` this is how images are prepared for evaluation; identity matrices give the same
    values, so training and evaluation see the same scale. Images of at least twice the wanted height (or
    width) are first reduced by the whole factor, as means over blocks of pixels: bilinear sampling alone
    would skip pixels.

    Args:
        images: uint8[N, C, h, w], or floating point in [0, 1].
        size: (H, W), the wanted height and width in pixels.
        matrices: float32[N, 2, 3], or float32[N, 3, 3] with perspective; row by row, where in the image each place of
            the result is found. Places are (x, y, 1) with x from -1 (left edge) to 1 (right edge) and y from -1 (top)
            to 1 (bottom), as in ``torch.nn.functional.affine_grid(align_corners=False)``. None: no movement.
        padding: what is found outside the image: its reflection (no edges and no streaks that the image does
            not have; the default of Keras's random layers too), its nearest border pixel, or zero.

    Returns:
        float32[N, C, H, W] in [0, 1]; ``images / 255`` exactly where there is nothing to do.
    """
    pixels = _reduced(images.to(torch.float32), size)
    if not images.is_floating_point():
        pixels.div_(255)
    if matrices is not None:
        return F.grid_sample(
            pixels,
            _sampling_grid(upload(matrices, pixels.device), size),
            mode="bilinear",
            padding_mode=padding,
            align_corners=False,
        )
    if tuple(pixels.shape[-2:]) == tuple(size):
        return pixels.clone() if pixels is images else pixels
    # Where nothing shrinks, the antialiased kernel gives the plain one's values, and faster on the CPU; but images one
    # pixel wide or high come out wrong (torch 2.15).
    grows = 1 < pixels.shape[-2] <= size[0] and 1 < pixels.shape[-1] <= size[1]
    return F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=grows)


def _reduced(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = pixels.shape[-2:]
    target = height // max(1, height // size[0]), width // max(1, width // size[1])
    return pixels if target == (height, width) else F.interpolate(pixels, target, mode="area")


def _sampling_grid(matrices: Tensor, size: tuple[int, int]) -> Tensor:
    """What ``affine_grid`` computes, float32[N, H, W, 2], as a sum of a row's and a column's share; with a third row,
    the quotient by what that gives.

    x and y lie in separate planes: so the sum and ``grid_sample`` read whole vectors, and on the CPU the two
    together take a quarter of ``affine_grid`` and ``grid_sample``.
    """
    y, x = ((2 * torch.arange(n, device=matrices.device, dtype=torch.float32) + 1) / n - 1 for n in size)
    columns = matrices[:, :, 0, None] * x
    rows = matrices[:, :, 1, None] * y + matrices[:, :, 2, None]
    planes = rows[:, :, :, None] + columns[:, :, None, :]
    if matrices.shape[1] == 3:
        planes = planes[:, :2] / planes[:, 2:]
    return planes.permute(0, 2, 3, 1)


@torch.no_grad()
def affine_matrices(
    *,
    flip: Tensor | None = None,
    rotation: Tensor | None = None,
    zoom: Tensor | None = None,
    shift: Tensor | None = None,
    crop: tuple[Tensor, Tensor] | None = None,
    aspect: float = 1.0,
) -> Tensor:
    """Matrices for :func:`resample` that mirror, rotate, zoom and shift each image, then crop a window of it.

    In this order, rotation and zoom about the image's centre: as ``torchvision.transforms.v2.functional``
    would do with ``horizontal_flip``, ``affine`` and ``resized_crop``. What is None is left out; give one.

    Args:
        flip: bool[N], whether to mirror left and right.
        rotation: float[N], degrees, clockwise.
        zoom: float[N], above 1 shows the content larger.
        shift: float[N, 2], how far the content moves to the right and down, in fractions of width and height.
        crop: the window's side, float[N] in (0, 1] as a fraction of the image's side, and its place,
            float[N, 2]: -1 at the left (top) edge, 1 at the right (bottom) edge.
        aspect: width / height of the images in pixels, so that rotated squares stay squares.

    Returns:
        float32[N, 2, 3], on the parameters' device. They are tiny: compute them on the host.
    """
    given = next((t for t in (flip, rotation, zoom, shift, crop and crop[0]) if t is not None), None)
    if given is None:
        raise ValueError("affine_matrices needs at least one of flip, rotation, zoom, shift and crop")
    # Inverse mapping: a place in the result, through the window, back through shift, zoom, rotation and flip.
    ones = torch.ones(len(given), device=given.device)
    angle = torch.deg2rad(rotation) if rotation is not None else 0 * ones
    cosine, sine = torch.cos(angle), torch.sin(angle)
    linear = torch.stack([cosine, sine / aspect, -sine * aspect, cosine], dim=-1).view(-1, 2, 2)
    if zoom is not None:
        linear = linear / zoom[:, None, None]
    if flip is not None:
        linear = linear * torch.stack([1.0 - 2.0 * flip.float(), ones], dim=-1)[:, :, None]
    side, place = crop if crop is not None else (ones, torch.zeros(len(given), 2, device=given.device))
    centre = place * (1 - side)[:, None]
    if shift is not None:
        centre = centre - 2 * shift
    return torch.cat([linear * side[:, None, None], (linear * centre[:, None, :]).sum(-1, keepdim=True)], dim=-1)


@torch.no_grad()
def with_perspective(corners: Tensor, matrices: Tensor | None = None) -> Tensor:
    """Matrices for :func:`resample` that move each image as ``matrices`` say, then draw its corners elsewhere.

    The plane projection of ``torchvision.transforms.v2.functional.perspective``.

    Args:
        corners: float[N, 4, 2], where the top left, top right, bottom right and bottom left corner of an image come to
            lie, as (x, y) from -1 (left, top) to 1 (right, bottom); no three of them on a line.
        matrices: float[N, 2, 3]; None: no movement before.

    Returns:
        float32[N, 3, 3], on the parameters' device. They are tiny: compute them on the host.
    """
    x, y = corners.double().unbind(-1)  # places in the result; the corners at ±1 are where they are found
    found_x, found_y = x.new_tensor([-1.0, 1.0, 1.0, -1.0]), x.new_tensor([-1.0, -1.0, 1.0, 1.0])
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    across = torch.stack([x, y, one, zero, zero, zero, -found_x * x, -found_x * y], dim=-1)
    down = torch.stack([zero, zero, zero, x, y, one, -found_y * x, -found_y * y], dim=-1)
    found = torch.cat([found_x, found_y]).expand(len(corners), 8)
    solved = torch.linalg.solve(torch.cat([across, down], dim=1), found)
    projection = torch.cat([solved, one[:, :1]], dim=1).view(-1, 3, 3)
    if matrices is not None:
        last = matrices.new_tensor([0.0, 0.0, 1.0]).expand(len(matrices), 1, 3)
        projection = torch.cat([matrices, last], dim=1).double() @ projection
    return projection.float()


@torch.no_grad()
def mirror(images: Tensor, flip: Tensor) -> Tensor:
    """Mirror some images left and right, exactly and cheaply: for where nothing else moves.

    Args:
        images: [N, C, h, w] of any type.
        flip: bool[N], which images.
    """
    return torch.where(_per_image(flip, images), images.flip(-1), images)


@torch.no_grad()
def relight(images: Tensor, brightness: Tensor | None = None, contrast: Tensor | None = None) -> Tensor:
    """Scale the brightness of each image, then its contrast about its own mean.

    Like torchvision's ``adjust_brightness`` and ``adjust_contrast`` in this order, but for two things: the
    mean is over all channels alike, and values are clamped to [0, 1] once, at the end.

    Args:
        images: float[N, C, H, W] in [0, 1].
        brightness: float[N], factors, 0 is black and 1 changes nothing; None: all 1.
        contrast: float[N], factors, 0 is the image's mean everywhere and 1 changes nothing; None: all 1.
    """
    images = images.clone() if brightness is None else images * _per_image(brightness, images)
    if contrast is not None:
        mean = images.mean((1, 2, 3), keepdim=True)
        stretch = _per_image(contrast, images)
        images.mul_(stretch).add_(mean * (1 - stretch))
    return images.clamp_(0, 1)


@torch.no_grad()
def recolor(images: Tensor, saturation: Tensor | None = None, hue: Tensor | None = None) -> Tensor:
    """Scale the saturation of each image, then turn its hues; gray images stay as they are.

    Like torchvision's ``adjust_saturation`` and ``adjust_hue`` in this order.

    Args:
        images: float[N, C, H, W] in [0, 1].
        saturation: float[N], factors, 0 is gray and 1 changes nothing; None: all 1.
        hue: float[N], in turns of the colour circle, 0 and 1 change nothing; None: all 0.
    """
    if images.shape[1] != 3:
        return images
    if saturation is not None:
        gray = (images * per_channel(LUMA, images)).sum(1, keepdim=True)
        images = torch.lerp(gray, images, _per_image(saturation, images)).clamp_(0, 1)
    if hue is not None:
        red, green, blue = images.unbind(1)
        value = images.amax(1)
        chroma = value - images.amin(1)
        divisor = torch.where(chroma > 0, chroma, 1.0)
        angle = torch.where(
            value == red,
            (green - blue) / divisor,
            torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
        )
        angle = angle + 6 * upload(hue, images.device)[:, None, None]
        # Each channel falls short of the value by the chroma times how far its own hue is away (Smith 1978).
        away = [torch.remainder(start + angle, 6) for start in (5, 3, 1)]
        images = torch.stack([value - chroma * torch.minimum(k, 4 - k).clamp_(0, 1) for k in away], dim=1)
    return images


@torch.no_grad()
def erase(
    images: Tensor, chosen: Tensor, area: Tensor, aspect: Tensor, place: Tensor, fill: Tensor | None = None
) -> Tensor:
    """Erase one rectangle of each chosen image.

    Zhong et al., "Random erasing data augmentation" (AAAI 2020). Where a rectangle of that area and aspect
    would be longer than the image, its aspect gives way and its area stays; sides are rounded to whole
    pixels, one at least.

    Args:
        images: float[N, C, H, W].
        chosen: bool[N], which images.
        area: float[N] in (0, 1], the rectangles' areas as fractions of the image.
        aspect: float[N], their height / width in pixels.
        place: float[N, 2] in [0, 1), where they lie: 0 at the left (top) edge, 1 at the right (bottom) edge.
        fill: what is put in their place, float of any shape that broadcasts to that of ``images``, on their
            device; None for the mean of each image.
    """
    height, width = images.shape[-2:]
    aspect = torch.minimum(torch.maximum(aspect, area * (height / width)), (height / width) / area)
    pixels = area * (height * width)
    horizontal = _span(chosen, (pixels / aspect).sqrt(), width, place[:, 0])
    vertical = _span(chosen, (pixels * aspect).sqrt(), height, place[:, 1])
    spans = upload(torch.cat([horizontal, vertical], dim=-1), images.device)
    left, right, top, bottom = spans[:, :, None].unbind(1)
    across, down = (torch.arange(n, device=images.device) for n in (width, height))
    columns = (across >= left) & (across < right)
    rows = (down >= top) & (down < bottom)
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    return torch.where(inside, images.mean((1, 2, 3), keepdim=True) if fill is None else fill, images)


def _span(chosen: Tensor, side: Tensor, extent: int, place: Tensor) -> Tensor:
    """Where a side starts and stops (exclusive), float[N, 2]; an empty span where nothing is to be erased."""
    side = side.round().clamp_(1, extent)
    start = (place * (extent - side + 1)).floor().minimum(extent - side)
    return torch.stack([start, start + side * chosen], dim=-1)


def per_channel(numbers: Sequence[float], images: Tensor) -> Tensor:
    """Numbers for each channel as float[1, C, 1, 1], of the images' type and on their device."""
    return upload(torch.tensor(numbers, dtype=images.dtype), images.device).view(1, -1, 1, 1)


def _per_image(numbers: Tensor, images: Tensor) -> Tensor:
    return upload(numbers, images.device)[:, None, None, None]
