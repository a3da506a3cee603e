"""A model that teaches another one while that learns. See ``Targets.teacher``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ferbench.data.shards import Shards
from ferbench.data.targets import Outputs, Targets
from ferbench.errors import is_out_of_memory
from ferbench.plugin.component import Component
from ferbench.plugin.culprit import calls, using
from ferbench.training.kept import kept
from ferbench.training.precision import Precision
from ferbench.training.ranks import Ranks

if TYPE_CHECKING:
    from timm.utils import ModelEmaV3


class Teacher:
    """A model in evaluation mode that is shown the images that the student learns from.

    Args:
        model: on the device.
        precision: that it computes in, as the student does.
        needs: what the loss reads beside logits and affect; it gives as much of that as it has.
        component: the model's, where it is another one than the student's.
        shown: makes the images of the student, float32[N, C, H, W] as that expects them, those of the teacher; None:
            they are the same.
        columns: int64[K], where the student's classes stand in the teacher's outputs; None: in the same places.
        average: whose model it is, where it learns from the student; None: it stays as it is.

    Attributes:
        model: as given.
        average: as given.
    """

    def __init__(
        self,
        model: nn.Module,
        precision: Precision,
        needs: Sequence[str] = (),
        component: Component | None = None,
        shown: Callable[[Tensor], Tensor] | None = None,
        columns: Tensor | None = None,
        average: ModelEmaV3 | None = None,
    ) -> None:
        self.model, self.average = model.eval().requires_grad_(False), average
        self._precision, self._needs, self._component = precision, needs, component
        self._shown, self._columns = shown, columns

    def __call__(self, images: Tensor, size: int | None = None) -> Outputs:
        """What it gives for images.

        Args:
            images: float32[N, C, H, W] as the student sees them, or float32[N, V, C, H, W], of which it sees the first
                view.
            size: most images at once; None: all.

        Returns:
            Outputs in float32, without gradient, in the order of the student's classes.
        """
        if images.ndim == 5:
            images = images[:, 0].contiguous(memory_format=torch.channels_last)
        other = nullcontext() if self._component is None else using(self._component, innocent=is_out_of_memory)
        with torch.no_grad(), other:
            parts = [self._of(part) for part in images.split(size or len(images))]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def taught(
        self, batches: Sequence[tuple[Tensor, Targets]], size: int | None, shards: Shards, ranks: Ranks
    ) -> list[tuple[Tensor, Targets]]:
        """Batches with what it gives for them; targets are of all ranks, and so is that.

        Args:
            batches: images of this rank, and targets.
            size: most images at once; None: all.
            shards: how batches are shared.
            ranks: that share them.
        """
        done = []
        for images, targets in batches:
            places = shards.own(len(targets)) if shards.count > 1 else None
            outputs = ranks.whole(self(images, size), places, len(targets))
            done.append((images, replace(targets, teacher=outputs)))
        return done

    def learnt(self) -> dict[str, Tensor] | None:
        """What it has learnt from the student; None of one that does not learn."""
        return None if self.average is None else self.model.state_dict()

    def follow(self, student: nn.Module, step: int) -> None:
        """Learn from the student after so many updates; one that is no average stays as it is."""
        if self.average is not None:
            self.average.update(student, step)

    @calls("model")
    def _of(self, images: Tensor) -> Outputs:
        with self._precision.autocast():
            given = self.model(images if self._shown is None else self._shown(images))
        outputs = kept(given, self._needs) if isinstance(given, Outputs) else Outputs(given)
        outputs = self._precision.full(outputs)
        columns = self._columns
        if columns is None:
            return outputs
        classify = outputs.classifier
        ordered = None if classify is None else (lambda features: classify(features).index_select(1, columns))
        return replace(outputs, logits=outputs.logits.index_select(1, columns), classifier=ordered)


def _joined(parts: Sequence[Outputs]) -> Outputs:
    """Outputs for the samples of all parts."""
    first = parts[0]
    return Outputs(
        torch.cat([part.logits for part in parts]),
        _rows([part.affect for part in parts]),
        _rows([part.features for part in parts]),
        {name: torch.cat([part.extra[name] for part in parts]) for name in first.extra},
        first.classifier,
    )


def _rows(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None
