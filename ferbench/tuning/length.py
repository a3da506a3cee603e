"""Ranges of a schedule that a run is long enough for: a warm-up of five epochs has no place in a run of three."""

from __future__ import annotations

from dataclasses import replace

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan
from ferbench.experiment.prepare import Preparer
from ferbench.experiment.sampling import planned_lengths
from ferbench.tuning.ranges import Range
from ferbench.tuning.space import Dimension, Settings, Space

#: So often a range is halved before it is left out.
_HALVINGS = 6


def keep_within(space: Space, base: Plan, preparer: Preparer) -> Space:
    """The space with the default ranges of schedules narrowed to what the run has steps for.

    Args:
        space: of the study.
        base: the recipe's own plan.
        preparer: checks recipes.

    Raises:
        UserError: something was asked for that the run is too short for.
    """
    kept = []
    for dimension in space.dimensions:
        if dimension.section != "schedule" or dimension.field == "name" or not isinstance(dimension.values, Range):
            kept.append(dimension)
            continue
        narrowed = _narrowed(dimension, dimension.values, space, base, preparer)
        if narrowed is not None:
            kept.append(narrowed)
    return replace(space, dimensions=tuple(kept))


def _narrowed(dimension: Dimension, values: Range, space: Space, base: Plan, preparer: Preparer) -> Dimension | None:
    """The dimension, with a lower upper end if that makes it fit; None: nothing of it fits."""
    for halving in range(_HALVINGS):
        high = values.low + (values.high - values.low) / 2**halving
        tried = replace(values, high=float(int(high)) if values.whole else high)
        if not tried.low < tried.high:
            return None
        try:
            _build(space.settings(_chosen(dimension, tried.top, space)), base, preparer)
        except UserError as error:
            if dimension.source != "default":
                raise UserError(f"{dimension.source} {dimension.key}: {error.message}", error.remedy) from error
            continue
        return dimension if not halving else replace(dimension, values=tried, source="default, to fit the run")
    return None


def _chosen(dimension: Dimension, value: float, space: Space) -> dict[str, object]:
    """A trial with this value that is as short as trials get."""
    chosen: dict[str, object] = {dimension.key: value}
    if dimension.component is not None:
        chosen[dimension.section] = dimension.component
    for other in space.dimensions:
        if other.key == "training.epochs":
            chosen[other.key] = min(other.values.extremes())
        elif other.key == "training.batch_size":
            chosen[other.key] = max(other.values.extremes())
    return chosen


def _build(settings: Settings, base: Plan, preparer: Preparer) -> None:
    resolved = preparer.resolve(settings)
    training = resolved.recipe.training
    if training.epochs:
        lengths = planned_lengths(resolved, base.split.labels[base.split.train], base.task)
        steps = lengths.steps_per_epoch(training.accumulate)
        resolved.components["schedule"].build((1.0,), training.epochs, steps)
