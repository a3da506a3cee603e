"""From rows of a pack to batches on the training device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ferbench.data.augment import LUMA, per_channel
from ferbench.data.corrections import Corrections
from ferbench.data.cuts import batch_bounds
from ferbench.data.draws import Draws, upload
from ferbench.data.images import Images
from ferbench.data.shards import Shards
from ferbench.data.targets import Targets
from ferbench.data.views import PLAIN, View
from ferbench.errors import UserError
from ferbench.plugin.culprit import calls, in_use
from ferbench.plugin.partners import ViewKind

Augmentation = Callable[[Tensor, tuple[int, int], Draws], Tensor]

#: Mixes the samples of a prepared batch with each other. Of the images those at the places are there; None: all.
Mix = Callable[[Tensor, Targets, Draws, "NDArray[np.int64] | None"], tuple[Tensor, Targets]]

#: Share of the free accelerator memory that a split's images may take to be kept there.
RESIDENT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class InputShape:
    """What the model expects: the last step between a batch in [0, 1] and ``forward``.

    Attributes:
        channels: 1 or 3.
        size: (height, width) in pixels.
        mean: per-channel mean to subtract.
        std: per-channel standard deviation to divide by.
    """

    channels: int
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def prepare(self, images: Tensor) -> Tensor:
        """float32[N, c, H, W] in [0, 1] → normalised float32[N, C, H, W], channels last."""
        if images.shape[1] == 1 and self.channels == 3:
            images = images.expand(-1, 3, -1, -1)
        elif images.shape[1] == 3 and self.channels == 1:
            images = (images * per_channel(LUMA, images)).sum(dim=1, keepdim=True)
        if any(m != 0.0 for m in self.mean) or any(s != 1.0 for s in self.std):
            images = (images - per_channel(self.mean, images)) / per_channel(self.std, images)
        return images.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, slots=True)
class Truth:
    """Labels of the rows of one split, in the order of the split.

    Attributes:
        labels: int64[n] class ids of the task.
        soft: float32[n, K] label distributions, None where labels are all there is.
        affect: float32[n, 2] valence and arousal, NaN where missing; None where the dataset has none.
        drawn: in training, labels are drawn by the distributions, which nobody sees then.
    """

    labels: NDArray[np.int64]
    soft: NDArray[np.float32] | None = None
    affect: NDArray[np.float32] | None = None
    drawn: bool = False

    def at(self, positions: NDArray[np.int64]) -> Targets:
        """The targets of some samples, on the CPU."""
        return Targets(
            labels=torch.from_numpy(self.labels[positions]),
            soft=None if self.soft is None else torch.from_numpy(self.soft[positions]),
            affect=None if self.affect is None else torch.from_numpy(self.affect[positions]),
        )


class Batches:
    """The samples of one split as batches.

    Args:
        images: uint8[N, C, h, w] of the whole pack.
        rows: int64[n] rows of the pack that make up the split.
        truth: labels of those rows, in the same order.
        shape: what the model expects.
        device: where batches are augmented and trained on.
        classes: K, where the last classes may have no sample here.

    Attributes:
        truth: labels as they were given.
        corrections: labels that a loss has put in their place, in training alone; None: it has not corrected any.
    """

    def __init__(
        self,
        images: Images,
        rows: NDArray[np.int64],
        truth: Truth,
        shape: InputShape,
        device: torch.device,
        classes: int = 0,
    ) -> None:
        self._images = images
        self._rows = rows
        self.truth = truth
        self.corrections: Corrections | None = None
        self.shape = shape
        self.device = device
        self._resident = self._keep_on_device()
        counts = np.bincount(truth.labels, minlength=classes)
        self._class_counts = torch.from_numpy(counts).to(device)

    def __len__(self) -> int:
        return len(self._rows)

    def _keep_on_device(self) -> Tensor | None:
        if self.device.type != "cuda":
            return None
        size = len(self._rows) * int(np.prod(self._images.shape[1:]))
        free, _ = torch.cuda.mem_get_info(self.device)
        if size > RESIDENT_SHARE * free:
            return None
        return torch.from_numpy(self._images[self._rows]).to(self.device)

    def gather(self, positions: NDArray[np.int64]) -> Tensor:
        """uint8[m, C, h, w] of the split's samples at ``positions``, on the device."""
        if self._resident is not None:
            return self._resident[upload(torch.from_numpy(positions), self.device)]
        return upload(torch.from_numpy(self._images[self._rows[positions]]), self.device)

    def training(
        self,
        order: NDArray[np.int64],
        batch_size: int,
        augment: Augmentation,
        *,
        seed: int,
        epoch: int,
        mix: Mix | None = None,
        first: int = 0,
        size: int | None = None,
        shards: Shards | None = None,
        views: Sequence[ViewKind] = ("drawn",),
        bounds: Sequence[tuple[int, int]] | None = None,
    ) -> Iterator[tuple[Tensor, Targets]]:
        """Augmented batches of one epoch.

        Args:
            order: int64[m] positions within the split, as the sampler drew them.
            batch_size: samples per batch, but for the last one: `batch_bounds` says which samples it has.
            augment: the augmentation plugin.
            seed: of the run; draws depend on (seed, epoch, sample, position in the epoch, view).
            epoch: from 1.
            mix: what mixes samples with each other, after the augmentation.
            first: batches of the epoch that are done already and left out.
            size: side of the images in pixels; None: what the model expects.
            shards: which images of a batch are wanted; None: all. Targets are those of the whole batch. Where none of
                its images is wanted, the first one is there nevertheless.
            views: of each sample. Of several the images are float32[N, V, C, H, W], and all are mixed alike.
            bounds: first place and the place after the last of each batch; None: as `batch_bounds` cuts them.
        """
        wanted = self.shape.size if size is None else (size, size)
        for start, end in (bounds or batch_bounds(len(order), batch_size))[first:]:
            positions = order[start:end]
            places, steps = None, np.arange(len(positions), dtype=np.int64)
            if shards is not None:
                places = shards.own(len(positions))
                places = places if len(places) else steps[:1]
            own = steps if places is None else places
            drawn = [
                self._drawn(
                    positions[own], augment, wanted, Draws(seed, epoch, positions[own], start + own, self.device, view)
                )
                for view, kind in enumerate(views)
                if kind == "drawn"
            ]
            targets = self.targets(positions, self.corrections)
            targets.positions, targets.epoch = upload(torch.from_numpy(positions), self.device), epoch
            targets.class_counts = self._class_counts
            if self.truth.drawn and targets.soft is not None:
                draws = Draws(seed, epoch, samples=positions, positions=start + steps, device=self.device)
                targets.labels, targets.soft = drawn_labels(targets.soft, draws.uniform("label")), None
            if mix is not None:
                draws = Draws(seed, epoch, samples=positions, positions=start + steps, device=self.device)
                mixed = [mix(images, targets, draws, places) for images in drawn]
                drawn, targets = [images for images, _ in mixed], mixed[0][1]
            yield drawn[0] if len(views) == 1 else _side_by_side(drawn, views), targets

    def _drawn(
        self, positions: NDArray[np.int64], augment: Augmentation, size: tuple[int, int], draws: Draws
    ) -> Tensor:
        """The samples at ``positions`` augmented, as the model sees them: float32[m, C, H, W]."""
        with torch.no_grad():
            return self.shape.prepare(_augmented(augment, self.gather(positions), size, draws))

    def images(self, positions: NDArray[np.int64], view: View = PLAIN) -> Tensor:
        """The samples at ``positions`` as the model sees them in evaluation: float32[m, C, H, W]."""
        with torch.no_grad():
            return self.shape.prepare(view.of(self.gather(positions), self.shape.size))

    def targets(self, positions: NDArray[np.int64], corrections: Corrections | None = None) -> Targets:
        """What is known of the samples at ``positions``, on the device; given labels, unless there are corrections."""
        targets = self.truth.at(positions)
        if corrections is not None:
            corrections.correct(targets, positions)
        return targets.to(self.device)

    def correct(self, positions: Tensor, labels: Tensor, epoch: int) -> None:
        """Let samples have other labels in the training batches that come.

        Args:
            positions: int64[m] within the split.
            labels: int64[m], class ids.
            epoch: in which they are corrected.
        """
        if self.corrections is None:
            self.corrections = Corrections(self.truth.labels)
        self.corrections.take(positions.cpu().numpy(), labels.cpu().numpy(), epoch)


def drawn_labels(distributions: Tensor, numbers: Tensor) -> Tensor:
    """A class of each row, by its share.

    Args:
        distributions: float[N, K] shares.
        numbers: float[N], uniform in [0, 1).

    Returns:
        int64[N]; never a class without a share.
    """
    ends = distributions.cumsum(dim=1)
    # A rounded product may reach the end of the last share.
    passed = (ends <= numbers[:, None] * ends[:, -1:]) & (ends < ends[:, -1:])
    return passed.sum(dim=1)


def _side_by_side(drawn: Sequence[Tensor], views: Sequence[ViewKind]) -> Tensor:
    """Every view of each sample, float32[N, V, C, H, W], in the memory order of `stacked` images."""
    coming = iter(drawn)
    several = torch.cat([next(coming) if kind == "drawn" else drawn[0].flip(-1) for kind in views])
    return several.unflatten(0, (len(views), -1)).transpose(0, 1)


@calls("augmentation")
def _augmented(augment: Augmentation, images: Tensor, size: tuple[int, int], draws: Draws) -> Tensor:
    made = augment(images, size, draws)
    n, (height, width) = len(images), size
    if isinstance(made, Tensor):
        if made.dtype == torch.float32 and made.shape in ((n, 1, height, width), (n, 3, height, width)):
            return made
        got = f"{str(made.dtype).removeprefix('torch.')}{list(made.shape)}"
    else:
        got = type(made).__name__
    raise UserError(
        f"{in_use('augmentation')} makes {got} of {n} images, not "
        f"float32[{n}, C, {height}, {width}] of 1 or 3 channels",
        "let it give one image for each that it is given, of the size that is asked for, in [0, 1]",
    )
