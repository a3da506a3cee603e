"""Images that grow while a model trains."""

from __future__ import annotations

from ferbench.experiment.plan import Plan

#: Sizes on the way are multiples of this: poolings halve them twice without a rest.
_STEP = 4


def sizes_by_epoch(start: int | None, full: int, share: float, epochs: int) -> tuple[int, ...]:
    """Side of the training images in pixels for each epoch: progressive resizing.

    Early epochs learn coarse features, for which small images do, at a cost that falls with their area: Howard's
    entry in DAWNBench (2018, https://www.fast.ai/posts/2018-08-10-fastai-diu-imagenet.html); Tan and Le, EfficientNetV2
    (2021, arXiv:2104.00298).

    Args:
        start: side in the first epoch; None or no less than ``full``: every epoch has the full size.
        full: side that validation and test have.
        share: of the epochs, in (0, 1], after which the full size is reached; it grows linearly until then.
        epochs: how many.

    Returns:
        One side per epoch, multiples of 4 below ``full``.
    """
    if start is None or start >= full:
        return (full,) * epochs
    sizes = []
    for epoch in range(epochs):
        way = min(1.0, epoch / (share * epochs))
        sizes.append(full if way == 1.0 else max(start, int(start + way * (full - start)) // _STEP * _STEP))
    return tuple(sizes)


def planned_sizes(plan: Plan) -> tuple[int, ...] | None:
    """Side of the training images by epoch; None where they do not grow."""
    settings = plan.resolved.recipe.training
    if settings.start_size is None:
        return None
    return sizes_by_epoch(settings.start_size, plan.task.height, settings.growing, settings.epochs)
