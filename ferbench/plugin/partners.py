"""What a loss needs of a model, what models give, and the views of a sample that both ask for."""

from __future__ import annotations

import contextlib
import re
from typing import Literal

from ferbench.errors import UserError
from ferbench.plugin.component import Component, UnusableComponent
from ferbench.plugin.registry import Registry
from ferbench.plugin.specs import LossSpec, ModelSpec, Spec

ViewKind = Literal["drawn", "mirrored"]

#: What a loss may need that is no model's to give: ``targets.teacher``.
TEACHER = "teacher"

_KINDS: tuple[ViewKind, ...] = ("drawn", "mirrored")
_NAMED = 6


def needed(loss: LossSpec) -> tuple[str, ...]:
    """What a loss reads of a model's outputs beside logits and affect."""
    return tuple(name for name in loss.needs if name != TEACHER)


def needs_teacher(loss: LossSpec) -> bool:
    """Whether a loss reads ``targets.teacher``."""
    return TEACHER in loss.needs


def views_of(loss: LossSpec, model: ModelSpec) -> tuple[ViewKind, ...]:
    """The views of each training sample: the loss's or the model's, whichever are more."""
    return max(loss.views, model.views, key=len)


def spec_fault(spec: Spec) -> str | None:
    """What is wrong with what a spec needs, gives or wants views of; None: nothing."""
    for field in ("needs", "gives"):
        names = getattr(spec, field, ())
        if not isinstance(names, tuple) or not all(isinstance(name, str) and name.isidentifier() for name in names):
            return f"its {field} are {names!r}, not a tuple of names such as ('features',)"
    views = getattr(spec, "views", _KINDS[:1])
    if not isinstance(views, tuple) or views[:1] != _KINDS[:1] or any(view not in _KINDS for view in views):
        return f"its views are {views!r}, not a tuple that begins with 'drawn', such as ('drawn', 'mirrored')"
    return None


def check_partners(loss: Component, model: Component, registry: Registry) -> None:
    """Refuse a loss that needs what the model cannot give, or other views than it.

    Raises:
        UserError: saying what, and which models could.
    """
    assert isinstance(loss.spec, LossSpec)
    assert isinstance(model.spec, ModelSpec)
    lacking = [name for name in needed(loss.spec) if name not in model.spec.gives]
    if lacking:
        able = [
            other
            for other in registry.components("model")
            if isinstance(other.spec, ModelSpec) and not set(needed(loss.spec)) - set(other.spec.gives)
        ]
        more = f" and {len(able) - _NAMED} more" if len(able) > _NAMED else ""
        remedy = f"choose a model that does: {_able(able[:_NAMED], lacking, more)}" if able else "no model here does"
        if model.plugin.local:
            remedy += f"; or let its forward() give them, and say so: ModelSpec(gives={tuple(lacking)})"
        raise UserError(f"{loss.where} needs {_listed(lacking)}, which {model.where} does not give", remedy)
    most = views_of(loss.spec, model.spec)
    for component in (loss, model):
        assert isinstance(component.spec, LossSpec | ModelSpec)
        own = component.spec.views
        if own != most[: len(own)]:
            raise UserError(
                f"{loss.where} and {model.where} want other views of a sample: "
                f"{', '.join(loss.spec.views)} and {', '.join(model.spec.views)}",
                "choose another model or another loss",
            )


def check_teacher(loss: Component, teacher: str | None) -> None:
    """Refuse a loss that needs a teacher where there is none, and a teacher that no loss listens to.

    Args:
        loss: the loss.
        teacher: as ``training.teacher`` has it.

    Raises:
        UserError: saying which of the two.
    """
    assert isinstance(loss.spec, LossSpec)
    if needs_teacher(loss.spec) and teacher is None:
        raise UserError(
            f"{loss.where} needs a teacher, and there is none",
            "name a finished run, --set training.teacher=RUN, or the average of the run's own weights, "
            "--set training.teacher=ema",
        )
    if teacher is not None and not needs_teacher(loss.spec):
        raise UserError(
            f"training.teacher = '{teacher}', but {loss.where} has no use for a teacher",
            "leave it out, or choose a loss that needs one, such as distillation",
        )


def remedy_for(model: Component | None, name: str) -> str:
    """What to do where a model's outputs have not what its spec says that they may have."""
    if model is not None:
        if settings := settings_for(model, name):
            return f"say {' '.join(f'--set model.{setting}' for setting in settings)}"
        telling = dependent_options(model, name)
        if telling:
            said = f"option {telling[0]} says" if len(telling) == 1 else f"options {_listed(telling)} say"
            return f"its {said} when it does: ferbench plugins show {model.name}"
    return "choose a model that does, or let its forward() return ferbench.Outputs with it"


def settings_for(model: Component, name: str) -> list[str]:
    """What to set for a model to give something, such as ``["head=cosine"]``: an option that has it as a value, or all
    that the sentence of a description names which speaks of it ("With units=0 and grid=1 … as maps"). Empty: nothing
    that is known."""
    options = model.options().fields
    for option in options:
        if name in option.choices:
            return [f"{option.name}={name}"]
    for option in options:
        for sentence in re.split(r"(?<=[.;])\s+", option.description):
            settings = re.findall(r"\b\w+=[\w.-]*\w", sentence)
            if settings and re.search(rf"\b{re.escape(name)}\b", sentence):
                return settings
    return []


def _able(models: list[Component], lacking: list[str], more: str) -> str:
    """Models that give what is lacking, with the settings that they do so with."""
    asked = [name for name in lacking if name not in ("features", "classifier")]  # which hang on no option
    needed_settings = []
    for model in models:
        settings: list[str] = []
        with contextlib.suppress(UnusableComponent):
            settings = [f"model.{setting}" for name in asked for setting in settings_for(model, name)]
        needed_settings.append(_listed(settings) if settings else "")
    if len(set(needed_settings)) == 1 and needed_settings[0]:
        return f"{', '.join(model.name for model in models)}{more}, with {needed_settings[0]}"
    pairs = zip(models, needed_settings, strict=True)
    return ", ".join(f"{model.name} ({settings})" if settings else model.name for model, settings in pairs) + more


def dependent_options(model: Component, name: str) -> list[str]:
    """Options of a model that something among its outputs hangs on: they have it as a value, or speak of it."""
    return [
        option.name
        for option in model.options().fields
        if name in option.choices or re.search(rf"\b{re.escape(name)}\b", option.description)
    ]


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
