"""Mixup and CutMix: training samples that are made of two.

Zhang et al., "mixup: Beyond empirical risk minimization" (ICLR 2018); Yun et al., "CutMix: Regularization strategy to
train strong classifiers with localizable features" (ICCV 2019). Every sample of a batch draws for itself and is mixed
with the one as far from the batch's end as it is from its start, as in timm's ``Mixup`` with ``mode="elem"``, which
``tests/training`` compares with. timm's own draws come from a generator whose state advances; these are ``Draws``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ferbench.data.draws import Draws, upload
from ferbench.data.targets import Targets


class Mixing:
    """Mixes the samples of a prepared batch.

    Args:
        mixup: α of the Beta(α, α) that the share λ of a sample is drawn from; 0: no Mixup.
        cutmix: the same for CutMix, where 1 − λ is the area that comes from the other image; 0: no CutMix.
        probability: that a sample is mixed at all; with both, each of the two is as likely.
        classes: K.
    """

    def __init__(self, mixup: float, cutmix: float, probability: float, classes: int) -> None:
        self._mixup = mixup
        self._cutmix = cutmix
        self._probability = probability
        self._classes = classes

    def __call__(
        self, images: Tensor, targets: Targets, draws: Draws, places: NDArray[np.int64] | None = None
    ) -> tuple[Tensor, Targets]:
        """Mix a batch.

        Args:
            images: float32[N, C, H, W], or those of the batch at ``places``.
            targets: of the batch.
            draws: of the batch.
            places: of pairs that are mixed, ascending; None: all.

        Returns:
            Images of the same shape, and targets whose ``soft`` is set: distributions, valence and arousal and
            weights are mixed by each sample's share λ (after CutMix that of the pixels that are its own); valence
            and arousal are missing where either of the two lacks them; ``labels`` and ``positions`` are those of the
            larger share.
        """
        draws = draws.to("cpu")
        share, boxes = self.parameters(images.shape[-2:], draws)
        own = slice(None) if places is None else torch.from_numpy(places)
        return mix_images(images, share[own], boxes[own]), mix_targets(targets, share, self._classes)

    def parameters(self, size: tuple[int, int] | torch.Size, draws: Draws) -> tuple[Tensor, Tensor]:
        """Shares λ float32[N] and boxes int64[N, 4] (top, bottom, left, right), empty for what is no CutMix."""
        cuts = torch.zeros(len(draws), dtype=torch.bool)
        if self._cutmix:
            cuts = draws.chance("mix kind", 0.5) if self._mixup else ~cuts
        unit = draws.uniform("mix share")
        share = torch.where(cuts, _beta(unit, self._cutmix), _beta(unit, self._mixup))
        share = torch.where(draws.chance("mix", self._probability), share, 1.0)
        boxes = torch.zeros(len(draws), 4, dtype=torch.int64)
        if self._cutmix:
            centre = draws.uniform("mix centre", columns=2)
            boxes = torch.where((cuts & (share < 1))[:, None], _boxes(share, centre, size), boxes)
            area = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
            share = torch.where(cuts, 1 - area / (size[0] * size[1]), share)
        return share, boxes


def mix_images(images: Tensor, share: Tensor, boxes: Tensor) -> Tensor:
    """Mix images with given shares float32[N] and boxes int64[N, 4]: a box is cut in, others are blended."""
    device = images.device
    height, width = images.shape[-2:]
    cut = boxes[:, 1] > boxes[:, 0]
    blend = upload(torch.where(cut, 1.0, share), device)[:, None, None, None]
    top, bottom, left, right = upload(boxes, device)[:, :, None].unbind(1)
    down, across = (torch.arange(n, device=device) for n in (height, width))
    rows, columns = (down >= top) & (down < bottom), (across >= left) & (across < right)
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    other = images.flip(0)
    mixed = torch.where(inside, other, torch.lerp(other, images, blend))
    return mixed.contiguous(memory_format=torch.channels_last)


def mix_targets(targets: Targets, share: Tensor, classes: int) -> Targets:
    """Mix the targets of such images."""
    own = upload(share, targets.labels.device)

    def larger(part: Tensor) -> Tensor:
        return torch.where(own >= 0.5, part, part.flip(0))

    return replace(
        targets,
        labels=larger(targets.labels),
        soft=_between(targets.distributions(classes), own),
        affect=None if targets.affect is None else _between(targets.affect, own),
        weight=None if targets.weight is None else _between(targets.weight, own),
        positions=None if targets.positions is None else larger(targets.positions),
    )


def _between(values: Tensor, own: Tensor) -> Tensor:
    """Each row moved towards its partner's; rows that keep all of themselves do not see the partner's NaN."""
    own = own if values.ndim == 1 else own[:, None]
    return torch.where(own == 1, values, values * own + values.flip(0) * (1 - own))


def _beta(unit: Tensor, alpha: float) -> Tensor:
    """Beta(α, α) numbers from uniform ones, by the inverse of the distribution function; 1 for α = 0."""
    if not alpha:
        return torch.ones_like(unit)
    from scipy.special import betaincinv  # only runs that mix need it

    return torch.from_numpy(betaincinv(alpha, alpha, unit.double().numpy())).float()


def _boxes(share: Tensor, centre: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Boxes of area 1 − λ about centres in [0, 1), clipped at the border: int64[N, 4]."""
    ends = []
    for extent, place in ((size[0], centre[:, 1]), (size[1], centre[:, 0])):
        length = (extent * (1 - share).sqrt()).long()
        middle = (place * extent).long()
        ends += [middle - length // 2, middle + (length + 1) // 2]
        ends[-2:] = [end.clamp(0, extent) for end in ends[-2:]]
    return torch.stack(ends, dim=-1)
