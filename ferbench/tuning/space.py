"""The search space: what of a recipe varies from trial to trial, and within which bounds.

The default space is every option with a `Tunable` range of the components that a recipe chooses. ``--search`` and
``[tune.search]`` narrow, widen, fix or add; several components for one section are a choice among them, and the options
of each then are searched only where it is chosen.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.experiment import fold_axis
from ferbench.experiment.estimators import LEARNING, is_estimator
from ferbench.experiment.recipe import Recipe, Role
from ferbench.experiment.settings import FIELDS, suggestion
from ferbench.kinds import DEFAULTS, NONE, SECTIONS
from ferbench.plugin.refusals import unknown_option
from ferbench.plugin.signature import type_text
from ferbench.tuning.ranges import Choices, Range, Values, read_values

if TYPE_CHECKING:
    import optuna

    from ferbench.experiment.prepare import Preparer
    from ferbench.plugin.registry import Registry
    from ferbench.plugin.signature import Option

#: A recipe's raw settings: tables by section.
Settings = dict[str, Any]

#: A trial's values by key of the space.
Chosen = dict[str, Any]

#: Sections whose components cannot be searched, and why.
_UNSEARCHED = {
    "dataset": (
        "the dataset cannot be searched, since trials would be measured on unlike samples",
        "tune on one dataset, and run the best recipe on the others",
    ),
    "postprocessing": (
        "trials are compared on validation, where there is no post-processing",
        "run the best recipe, then try it: ferbench evaluate RUN --postprocessing NAME",
    ),
}

#: Sections whose components can be searched.
SEARCHED = tuple(section for section in SECTIONS if section not in _UNSEARCHED)


@dataclass(frozen=True)
class Dimension:
    """One thing that varies.

    Attributes:
        section: of the recipe.
        field: of the section; ``name`` for the choice of the component itself.
        values: what it may be.
        component: it exists only in trials that choose this component for the section; None: in all.
        source: where its values were given: ``default``, ``[tune.search]`` or ``--search``.
    """

    section: str
    field: str
    values: Values
    component: str | None = None
    source: str = "default"

    @property
    def key(self) -> str:
        """What the study calls it: ``model.dropout``, ``loss``, or ``loss.focal.gamma`` where loss is a choice."""
        if self.field == "name":
            return self.section
        return ".".join(part for part in (self.section, self.component, self.field) if part is not None)

    def describe(self) -> dict[str, Any]:
        """What the study's fingerprint covers of it."""
        return {"key": self.key, **self.values.describe()}


@dataclass(frozen=True)
class Fixed:
    """An option that is not searched, and its value in every trial that has it."""

    section: str
    component: str | None
    field: str
    value: Any

    @property
    def key(self) -> str:
        """As of a `Dimension`."""
        return ".".join(part for part in (self.section, self.component, self.field) if part is not None)


@dataclass(frozen=True)
class Space:
    """Everything that varies.

    Attributes:
        base: the settings that a trial starts from.
        dimensions: choices of components first, then in the order of a recipe's sections.
        fixed: values that ``--search KEY=VALUE`` put in place of a range.
    """

    base: Settings
    dimensions: tuple[Dimension, ...]
    fixed: tuple[Fixed, ...] = ()

    def describe(self) -> list[dict[str, Any]]:
        """The space as plain values, for the study's fingerprint."""
        fixed = [
            {"key": option.key, "value": option.value} for option in sorted(self.fixed, key=lambda option: option.key)
        ]
        return [dimension.describe() for dimension in self.dimensions] + fixed

    def suggest(self, trial: optuna.Trial) -> Chosen:
        """Let a trial choose a value for each dimension that its choices of components leave it."""
        chosen: Chosen = {}
        for dimension in self.dimensions:
            if self._exists(dimension, chosen):
                chosen[dimension.key] = dimension.values.suggest(trial, dimension.key)
        return chosen

    def settings(self, chosen: Mapping[str, Any]) -> Settings:
        """The base with a trial's values laid over it.

        Args:
            chosen: by key, as `suggest` gives them.
        """
        made = copy.deepcopy(self.base)
        for dimension in self.dimensions:
            if dimension.field == "name" and dimension.key in chosen:
                name = dimension.values.decode(chosen[dimension.key])
                if name != _component(self.base, dimension.section):
                    made[dimension.section] = {"name": name}
        for option in self.fixed:
            if option.component in (None, _component(made, option.section)):
                made.setdefault(option.section, {})[option.field] = option.value
        for dimension in self.dimensions:
            if dimension.field != "name" and dimension.key in chosen:
                made.setdefault(dimension.section, {})[dimension.field] = dimension.values.decode(chosen[dimension.key])
        return made

    def grid(self) -> Iterator[Chosen]:
        """Every point of the space, as `suggest` would give it.

        Raises:
            UserError: a range is continuous.
        """
        choices = [dimension for dimension in self.dimensions if dimension.field == "name"]
        rest = [dimension for dimension in self.dimensions if dimension.field != "name"]
        for names in _points(choices):
            there = [dimension for dimension in rest if self._exists(dimension, names)]
            yield from (names | values for values in _points(there))

    def refuse_large_grid(self) -> None:
        """Refuse a `grid` of more points than anybody waits for, before it is laid out.

        Raises:
            UserError: it is, or a range is continuous.
        """
        choices = [dimension for dimension in self.dimensions if dimension.field == "name"]
        rest = [dimension for dimension in self.dimensions if dimension.field != "name"]
        _refuse_more(math.prod(dimension.values.count(dimension.key) for dimension in choices))
        _refuse_more(
            sum(
                math.prod(each.values.count(each.key) for each in rest if self._exists(each, names))
                for names in _points(choices)
            )
        )

    def _exists(self, dimension: Dimension, chosen: Mapping[str, Any]) -> bool:
        if dimension.component is None or dimension.field == "name":
            return True
        return chosen.get(dimension.section, dimension.component) == dimension.component


def _refuse_more(points: int) -> None:
    if points > fold_axis.MOST:
        raise UserError(
            f"a grid of {points:,} points: {fold_axis.MOST:,} at most",
            "search fewer values, or larger steps, or take another --algorithm",
        )


def _points(dimensions: Sequence[Dimension]) -> Iterator[Chosen]:
    """Every combination of single values."""
    for values in itertools.product(*(dimension.values.points(dimension.key) for dimension in dimensions)):
        yield {dimension.key: value for dimension, value in zip(dimensions, values, strict=True)}


def build_space(
    base: Mapping[str, Any],
    preparer: Preparer,
    *,
    searches: Sequence[tuple[str, Any, str]] = (),
    only: bool = False,
) -> Space:
    """The space of a recipe.

    Args:
        base: the recipe's settings.
        preparer: knows the plugins, and checks recipes.
        searches: (key, values, source): ``--search`` and ``[tune.search]`` in the order in which they are laid over the
            default; later ones win.
        only: leave the default space out.

    Raises:
        UserError: a key names nothing that can be searched, values are of the wrong kind or out of bounds, or nothing
            is left to search.
    """
    settings = copy.deepcopy(dict(base))
    given = {key: (value, source) for key, value, source in searches}
    components = _chosen_components(settings, given)
    _leave_out_learning(components, settings, preparer.registry)
    dimensions: dict[str, Dimension] = {}
    options: dict[str, tuple[str, str | None, Option]] = {}
    for section, (names, source) in components.items():
        if len(names) > 1:
            dimensions[section] = Dimension(section, "name", Choices(tuple(names)), source=source)
        else:
            settings = Space(settings, (Dimension(section, "name", Choices(tuple(names))),)).settings(
                {section: names[0]}
            )
    for section, (names, _) in components.items():
        for name in names:
            owner = name if len(names) > 1 else None
            if name == NONE == DEFAULTS[section] or "+" in name:  # of steps in a row, options are given in the recipe
                continue
            for option in preparer.registry.find(section, name).options().fields:
                dimension = Dimension(section, option.name, Choices(()), owner)
                options[dimension.key] = (section, owner, option)
                if option.tunable is not None and not only:
                    whole = option.type.partition(" ")[0] == "int"
                    dimensions[dimension.key] = replace(dimension, values=Range.of(option.tunable, whole=whole))
    fixed: dict[str, Fixed] = {}
    for key, (value, source) in given.items():
        if key in SEARCHED:
            continue
        for section, owner, field, kind in _meant(key, options, components, source):
            values = read_values(value, key, source, whole=kind.partition(" ")[0] == "int")
            dimension = Dimension(section, field, values, owner, source)
            if isinstance(values, Choices) and len(values.items) == 1:
                dimensions.pop(dimension.key, None)
                fixed[dimension.key] = Fixed(section, owner, field, values.items[0])
            else:
                dimensions[dimension.key] = dimension
                fixed.pop(dimension.key, None)
    order = {section: i for i, section in enumerate((*SEARCHED, *FIELDS))}
    chosen = sorted(dimensions.values(), key=lambda dimension: (dimension.field != "name", order[dimension.section]))
    if not chosen:
        raise UserError("there is nothing to search", "name something, such as --search optimizer.lr=1e-4..1e-2:log")
    space = Space(settings, tuple(chosen), tuple(fixed.values()))
    _check(space, preparer)
    return space


def _component(settings: Mapping[str, Any], section: str) -> str | None:
    return settings.get(section, {}).get("name", DEFAULTS.get(section))


def _chosen_components(settings: Settings, given: Mapping[str, tuple[Any, str]]) -> dict[str, tuple[list[str], str]]:
    """By section, the components that trials choose among, and where they were given."""
    components = {}
    for section in SEARCHED:
        names, source = [str(_component(settings, section))], "default"
        if section in given:
            value, source = given[section]
            values = read_values(value, section, source, whole=False)
            if not isinstance(values, Choices) or not all(isinstance(name, str) for name in values.items):
                raise UserError(
                    f"{source} {section}: these are no components",
                    f"name them: {section}={names[0]},… ('ferbench plugins list' shows what there is)",
                )
            names = list(values.items)
        components[section] = (names, source)
    return components


def _leave_out_learning(components: dict[str, tuple[list[str], str]], settings: Settings, registry: Registry) -> None:
    """Take out the sections that estimators have not; what was said of them is for the recipe's checks to refuse.

    Raises:
        UserError: trials would choose among estimators and networks.
    """
    names, source = components["model"]
    estimators = [name for name in names if is_estimator(registry.find("model", name))]
    if 0 < len(estimators) < len(names):
        raise UserError(
            f"{source} model: {', '.join(estimators)} {'are' if len(estimators) > 1 else 'is'} fitted at once, and "
            "the others are trained: they have not the same settings to search",
            "tune networks and estimators in studies of their own, and compare the best",
        )
    for section in LEARNING:
        if estimators and components[section][1] == "default" and section not in settings:
            del components[section]


def _meant(
    key: str,
    options: Mapping[str, tuple[str, str | None, Option]],
    components: Mapping[str, tuple[list[str], str]],
    source: str,
) -> list[tuple[str, str | None, str, str]]:
    """(section, component, field, type) of everything that a key stands for: ``loss.gamma`` is that option of every
    loss of a choice that has it."""
    if key in options:
        section, owner, option = options[key]
        return [(section, owner, option.name, option.type)]
    section, _, field = key.partition(".")
    if section in FIELDS:
        return [(section, None, field, _field_type(section, field, source))]
    if section in components:
        names = components[section][0]
        component, dot, rest = field.partition(".")
        if dot and names == [component] and f"{section}.{rest}" in options:
            field = rest
        of = [(s, owner, o.name, o.type) for s, owner, o in options.values() if s == section and o.name == field]
        if of:
            return of
        known = [name for name in options if name.startswith(f"{section}.")]
        raise UserError(
            f"{source} {key}: {section} {' and '.join(repr(n) for n in names)} "
            f"{'have' if len(names) > 1 else 'has'} no such option",
            suggestion(key, known, "options"),
        )
    if section in _UNSEARCHED:
        why, remedy = _UNSEARCHED[section]
        raise UserError(f"{source}: {why}" if source == f"--{key}" else f"{source} {key}: {why}", remedy)
    raise UserError(
        f"{source} {key}: there is no section '{section}'", suggestion(section, (*SEARCHED, *FIELDS), "sections")
    )


def _field_type(section: str, field: str, source: str) -> str:
    """The type of a field of the harness's own sections, for people.

    Raises:
        UserError: there is no such field, or trials that differ in it cannot be compared.
    """
    model = Recipe.model_fields[section].annotation
    assert model is not None
    fields = model.model_fields
    if (fold := fold_axis.AXES.get(key := f"{section}.{field}")) is not None:
        why = "it cannot be searched: it is every fold of one setting"
        raise UserError(f"{source} {key}: {why}", fold_axis.ELSEWHERE.format(fold=fold))
    if field not in fields:
        raise unknown_option(field, tuple(fields), f"[{section}]")
    (role,) = (entry for entry in fields[field].metadata if isinstance(entry, Role))
    if role not in (Role.WEIGHTS, Role.EVALUATION):
        why = {
            Role.SEED: "a seed is no setting: what it gives is luck",
            Role.SELECTS_ROWS: "trials would be measured on unlike samples",
        }.get(role, "it changes no result")
        raise UserError(f"{source} {section}.{field}: it cannot be searched: {why}", "search something else")
    return type_text(fields[field].annotation)


def _check(space: Space, preparer: Preparer) -> None:
    """Refuse values that no trial could run with: both ends of each range and every choice are resolved once."""
    first = {
        dimension.section: dimension.values.items[0]
        for dimension in space.dimensions
        if dimension.field == "name" and isinstance(dimension.values, Choices)
    }
    for dimension in space.dimensions:
        for value in dimension.values.extremes():
            chosen = dict(first) if dimension.component is None else {**first, dimension.section: dimension.component}
            try:
                preparer.resolve(space.settings({**chosen, dimension.key: value}))
            except UserError as error:
                if dimension.source == "default":
                    raise
                raise UserError(f"{dimension.source} {dimension.key}: {error.message}", error.remedy) from error
    for option in space.fixed:
        chosen = dict(first) if option.component is None else {**first, option.section: option.component}
        preparer.resolve(space.settings(chosen))
