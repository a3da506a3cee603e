"""A search from the weights of an earlier run: only what leaves them fitting can vary."""

from __future__ import annotations

from dataclasses import replace

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan, plan
from ferbench.experiment.prepare import Preparer
from ferbench.experiment.start import Start
from ferbench.training.building import build_model
from ferbench.training.starting import begin
from ferbench.tuning.space import Dimension, Space

#: Sections that a model's shape depends on.
_SHAPING = ("model", "data")


def keep_fitting(space: Space, base: Plan, start: Start, preparer: Preparer) -> tuple[Space, list[str]]:
    """The space without what gives models that the weights do not fit, such as their width.

    Args:
        space: of the study.
        base: the recipe's own plan, from the same weights.
        start: the weights.
        preparer: checks recipes.

    Returns:
        The space, and the keys of the default space that it has no more.

    Raises:
        UserError: the weights do not fit the recipe's model; or something was asked for that they do not fit; or
            nothing is left to search.
    """
    begin(start, build_model(base))
    kept: list[Dimension] = []
    left_out: list[str] = []
    for dimension in space.dimensions:
        if dimension.section not in _SHAPING or _fits(dimension, space, base, start, preparer):
            kept.append(dimension)
        elif dimension.source == "default":
            left_out.append(dimension.key)
        else:
            raise UserError(
                f"{dimension.source} {dimension.key}: the weights of {start.label} do not fit every such model",
                "search what leaves their shape as it is, such as dropout or the learning rate, or start from scratch",
            )
    if not kept:
        raise UserError(
            f"there is nothing to search that the weights of {start.label} fit",
            "name something, such as --search optimizer.lr=1e-5..1e-3:log",
        )
    return replace(space, dimensions=tuple(kept)), left_out


def _fits(dimension: Dimension, space: Space, base: Plan, start: Start, preparer: Preparer) -> bool:
    for value in dimension.values.extremes():
        resolved = preparer.resolve(space.settings({dimension.key: value}))
        model = build_model(plan(resolved, base.pack, start))
        try:
            begin(start, model)
        except UserError:
            return False
    return True
