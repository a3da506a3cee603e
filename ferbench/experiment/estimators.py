"""What a recipe may say of an estimator, which is fitted at once: without epochs, batches and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.recipe import Recipe
from ferbench.kinds import DEFAULTS
from ferbench.plugin.component import Component
from ferbench.plugin.refusals import shown
from ferbench.plugin.registry import Registry
from ferbench.plugin.specs import EstimatorSpec, SamplerSpec

#: Sections of a recipe that say how a network learns, which an estimator has not.
LEARNING = ("loss", "augmentation", "optimizer", "schedule")

#: Settings that act on an estimator too, by the harness's own section; None: all of the section do.
_APPLY: Mapping[str, frozenset[str] | None] = {
    "data": None,
    "training": frozenset({"seed"}),
    "evaluation": None,
    "runtime": frozenset({"threads"}),
}

_REMEDY = "leave it out; or choose a network: ferbench plugins list --kind model"


def is_estimator(model: Component) -> bool:
    """Whether a model is fitted at once."""
    return isinstance(model.spec, EstimatorSpec)


def defaults_for(tables: Mapping[str, Any], registry: Registry) -> dict[str, str]:
    """The components of a recipe that names none, by section: `ferbench.kinds.DEFAULTS`, of which an estimator has not
    all.

    Args:
        tables: of the recipe; what is wrong with them is for others to say.
        registry: where its model is looked up.
    """
    try:
        model = registry.find("model", str(tables.get("model", {}).get("name", DEFAULTS["model"])))
    except UserError:
        return DEFAULTS
    unused = LEARNING if is_estimator(model) else ()
    return {section: name for section, name in DEFAULTS.items() if section not in unused}


def fitted_recipe(recipe: Recipe, settings: Mapping[str, Any], model: Component) -> Recipe:
    """The recipe of an estimator: no epochs, and no component that only a network has.

    Args:
        recipe: as `settings` were read.
        settings: what was asked for, without defaults.
        model: an estimator.

    Raises:
        UserError: something was asked for that does not act on an estimator.
    """
    for section in LEARNING:
        if settings.get(section):
            name = recipe.components[section].name
            raise UserError(f"{section} = '{name}' does not apply: {_why(model)}", _REMEDY)
    if recipe.start is not None:
        raise UserError(f"from = '{recipe.start}' does not apply: {_why(model)}", "leave --from out")
    for section, apply in _APPLY.items():
        defaults = type(getattr(recipe, section)).model_fields
        for field, value in (settings.get(section) or {}).items():
            if apply is None or field in apply or value is None:
                continue
            # The record of a run has every setting, and that of an estimator 0 epochs.
            unset = [0] if field == "epochs" else [defaults[field].default]
            if field == "device":
                unset.append("cpu")
            if value not in unset:
                raise UserError(f"{section}.{field} = {shown(value)} does not apply: {_why(model)}", _REMEDY)
    fields = {
        "training": recipe.training.model_copy(update={"epochs": 0}),
        "runtime": recipe.runtime.model_copy(update={"device": "cpu"}),
    }
    fitted = recipe.model_copy(update=fields)
    for section in LEARNING:
        fitted.__pydantic_extra__.pop(section, None)
    return fitted


def refuse_hearing(sampler: Component, model: Component, *, state: object = None) -> None:
    """Refuse a sampler that draws by the scores of epochs before, of which an estimator has none.

    Args:
        sampler: the component.
        model: an estimator.
        state: what the built sampler gives as ``state_dict()``; what hears scores has one.

    Raises:
        UserError: it is one.
    """
    assert isinstance(sampler.spec, SamplerSpec)
    if sampler.spec.per_sample or state:
        raise UserError(
            f"{sampler.where} draws by the scores of earlier epochs, and {_why(model)}",
            "choose one that draws alike in every epoch, such as shuffled, balanced or weighted",
        )


def _why(model: Component) -> str:
    return f"{model.where} is fitted at once, without epochs"
