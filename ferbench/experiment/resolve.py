"""A recipe checked against the plugins: every component found, every option known and in bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ferbench.errors import UserError
from ferbench.experiment.device import check_device
from ferbench.experiment.estimators import fitted_recipe, is_estimator, refuse_hearing
from ferbench.experiment.file_content import content_digest
from ferbench.experiment.initial_weights import identify_weights
from ferbench.experiment.recipe import Component as Asked
from ferbench.experiment.recipe import Recipe
from ferbench.experiment.settings import Tables, build_recipe
from ferbench.kinds import IN_IDS, OF_RUNS
from ferbench.metrics.measures import is_selectable, offered
from ferbench.plugin.culprit import blame
from ferbench.plugin.discovery import Component, PluginRecord, Registry
from ferbench.plugin.partners import check_partners, check_teacher
from ferbench.plugin.refusals import complaint
from ferbench.plugin.specs import DatasetSpec, ModelSpec
from ferbench.records.run import Component as Used
from ferbench.records.run import LoadedPlugin
from ferbench.version import __version__


@dataclass(frozen=True)
class ChosenComponent:
    """A component and every one of its options, defaults included.

    Attributes:
        component: the plugin's description.
        options: resolved values by name, JSON-able.
    """

    component: Component
    options: Mapping[str, Any]

    def build(self, *args: Any, **given: Any) -> Any:
        """Call the builder with the options; ``given`` are keyword arguments that are no options (``seed``)."""
        builder = self.builder()
        try:
            with self.component.apart("being built"):
                return builder(*args, **given)
        except BaseException as error:
            raise blame(error, self.component) from error.__cause__

    def builder(self) -> Callable[..., Any]:
        """The builder, imported, with the options filled in."""
        options = self.component.options().arguments(self.options, self.component.kind)
        return partial(self.component.builder(), **options)

    def without_initial_weights(self) -> ChosenComponent:
        """The same component for a checkpoint that holds every weight: it need not read the initial ones."""
        marked = [option for option in self.component.options().fields if option.initial_weights is not None]
        defaults = {option.name: option.default for option in marked if not option.required}
        return replace(self, options={**self.options, **defaults})

    def identify(self) -> dict[str, object]:
        """What the ids cover: as `describe`, with the content of files and folders in place of their paths.

        Raises:
            UserError: a file or folder that an option names is not there, or cannot be read.
        """
        covered = self._covered(lambda where, path: f"sha256:{content_digest(path, where)}")
        for option in self.component.options().fields:
            if option.added and self.options[option.name] == option.default:
                del covered[option.name]
            elif option.initial_weights is not None:
                covered[option.name] = identify_weights(option.initial_weights, self.options[option.name], self.options)
        return {**self.describe().plain(), "options": covered}

    def origin(self) -> dict[str, object]:
        """All that decides what a dataset yields, beside the files that its ``source()`` stamps: as `identify`, but
        folders by their place, since they may hold any number of images.

        Raises:
            UserError: a file or folder that an option names is not there, or cannot be read.
        """

        def content(where: str, path: Path) -> str:
            return f"sha256:{content_digest(path, where)}" if path.is_file() else str(path.resolve())

        return {**self.describe().plain(), "options": self._covered(content)}

    def check_files(self) -> None:
        """Look whether the files and folders that options name are there.

        Raises:
            UserError: one is not.
        """
        self._covered(lambda where, path: "")

    def _covered(self, content: Callable[[str, Path], str]) -> dict[str, object]:
        """The options with ``content`` of each path; it is told what users call the option."""
        schema = self.component.options()
        marked = {option.name for option in schema.fields if option.initial_weights is not None}

        def covered(option: str, path: Path) -> str:
            if option in marked:
                return str(path)
            where = f"{self.component.kind}.{option}"
            place = path.expanduser()
            if not place.exists():
                raise UserError(
                    f"{where}: there is no file or folder '{path}'", f"say where it is with --set {where}=PATH"
                )
            return content(where, place)

        return schema.covered(self.options, covered)

    def describe(self) -> Used:
        """What the record says of it.

        Raises:
            UserError: an option has a value that no record holds.
        """
        try:
            return Used(
                name=self.component.name,
                distribution=self.component.distribution,
                version=self.component.version,
                source=self.component.source_hash(),
                options=dict(self.options),
            )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise UserError(
                f"an option of {self.component.where} {complaint(first)}", "give a value that a record can hold"
            ) from error


@dataclass(frozen=True)
class JoinedDatasets(ChosenComponent):
    """Several datasets that a recipe joins with ``+``; the options are those of ``ferbench.data.union.Union``.

    Attributes:
        members: the datasets with their own options, by the names that the recipe gives them.
    """

    members: Mapping[str, ChosenComponent] = field(default_factory=dict)

    def describe(self) -> Used:
        used = super().describe()
        used.members = {name: member.describe() for name, member in self.members.items()}
        return used

    def origin(self) -> dict[str, object]:
        members = {name: member.origin() for name, member in self.members.items()}
        return {**super().origin(), "members": members}


@dataclass(frozen=True)
class ResolvedRecipe:
    """A recipe whose components are known.

    Attributes:
        recipe: the validated settings.
        components: by section.
        trackers: observers of the run's life.
        metrics: of plugins, that the recipe asks for: by ``evaluation.metrics``, ``training.select`` or an option.
        plugins: all that are loaded, whether the recipe uses them or not: each may change how the others work.
    """

    recipe: Recipe
    components: Mapping[str, ChosenComponent]
    trackers: tuple[ChosenComponent, ...] = ()
    metrics: tuple[ChosenComponent, ...] = ()
    plugins: tuple[PluginRecord, ...] = ()

    @property
    def used(self) -> tuple[Component, ...]:
        """The components that take part, the members of what is joined in place of the whole."""
        components: list[Component] = []
        for chosen in self.components.values():
            members = getattr(chosen, "members", {"": chosen}).values()
            components += [one.component for one in members]
        return tuple(components)

    @property
    def predicts_affect(self) -> bool:
        """The model predicts valence and arousal: one that can may have an option of that name that says whether."""
        spec = self.components["model"].component.spec
        return (
            isinstance(spec, ModelSpec) and spec.affect and bool(self.components["model"].options.get("affect", True))
        )

    @property
    def deciding(self) -> tuple[ChosenComponent, ...]:
        """Those of `metrics` that change the weights: epochs are selected by them, or a schedule or sampler hears."""
        named = _deciding(self.recipe, self.components)
        return tuple(metric for metric in self.metrics if metric.component.name in named)

    def describe(self) -> dict[str, Used]:
        """By section, what the record of a run says of the components."""
        return {section: chosen.describe() for section, chosen in self.components.items() if section in OF_RUNS}

    def loaded(self) -> list[LoadedPlugin]:
        """What the record says of the plugins."""
        return [
            LoadedPlugin(
                name=plugin.name,
                distribution=plugin.distribution,
                version=plugin.version,
                origin=plugin.origin if plugin.file is None else plugin.file.name,
                source=plugin.source_of(),
            )
            for plugin in self.plugins
        ]

    def identify(self) -> dict[str, dict[str, object]]:
        """By section, what the ids cover. A dataset acts through the rows that it yields."""
        return {section: self.components[section].identify() for section in IN_IDS if section in self.components}

    def identify_metrics(self) -> dict[str, dict[str, object]]:
        """By name, what the ids cover of metrics that change the weights."""
        return {metric.component.name: metric.identify() for metric in self.deciding}


def resolve(settings: Tables, registry: Registry) -> ResolvedRecipe:
    """Validate raw settings, find each component and check its options.

    Args:
        settings: tables of a recipe, as `ferbench.experiment.settings.grid` gives them.
        registry: the plugins.

    Raises:
        UserError: a field is unknown, of the wrong type or out of bounds; a component does not exist or is ambiguous or
            broken; an option is unknown, of the wrong type or out of bounds, or names a file that is not there;
            ``data.paths`` names a dataset that there is not; the loss needs what the model does not give, or
            a teacher that there is not.
    """
    recipe = build_recipe(settings)
    check_device(recipe.runtime.device)

    def choose(kind: str, asked: Asked) -> ChosenComponent:
        if kind == "dataset" and "+" in asked.name:
            return _join(asked, registry)
        if kind == "preprocessing" and "+" in asked.name:
            from ferbench.experiment.chain import chain

            return chain(asked, registry)
        component = registry.find(kind, asked.name)
        return ChosenComponent(component, component.options().validate(asked.options, kind))

    model = registry.find("model", recipe.components["model"].name)
    if is_estimator(model):
        recipe = fitted_recipe(recipe, settings, model)
    components = {section: choose(section, asked) for section, asked in recipe.components.items()}
    if is_estimator(model):
        refuse_hearing(components["sampler"].component, model)
    else:
        check_partners(components["loss"].component, model, registry)
        check_teacher(components["loss"].component, recipe.training.teacher)
    for name in recipe.data.paths or {}:
        registry.find("dataset", name)
    if recipe.start is not None:
        components["model"] = _started_elsewhere(components["model"], recipe.start)
    for section, chosen in components.items():
        if section != "dataset":  # which looks for its files itself
            chosen.check_files()
    loaded = tuple(plugin for plugin in registry.plugins if plugin.status == "ok")
    trackers = tuple(choose("tracker", asked) for asked in recipe.trackers)
    return ResolvedRecipe(recipe, components, trackers, _metrics(recipe, components, registry), loaded)


def find_metric(name: str, registry: Registry) -> ChosenComponent:
    """A metric of a plugin.

    Raises:
        UserError: there is none of that name, or it has options, which nobody could give.
    """
    if is_selectable(name) and name not in offered():
        raise UserError(
            f"evaluation.metrics = '{name}': that is computed always", "name metrics of plugins alone, or none"
        )
    component = registry.find("metric", name)
    options = component.options()
    if options.fields:
        raise UserError(
            f"{component.title} has the option {options.fields[0].name}, and metrics have none",
            "offer a spec of its own for each way to compute it",
        )
    return ChosenComponent(component, {})


def _metrics(
    recipe: Recipe, components: Mapping[str, ChosenComponent], registry: Registry
) -> tuple[ChosenComponent, ...]:
    """The metrics of plugins that a recipe asks for, each once."""
    asked = dict.fromkeys((*recipe.evaluation.metrics, *sorted(_deciding(recipe, components))))
    found = [find_metric(name, registry) for name in asked]
    return tuple({metric.component.qualified_name: metric for metric in found}.values())


def _deciding(recipe: Recipe, components: Mapping[str, ChosenComponent]) -> set[str]:
    """Names of metrics of plugins that epochs are selected by, or that an option of what hears scores names."""
    hearing = [components[section] for section in ("schedule", "sampler") if section in components]
    heard = [value for chosen in hearing for value in chosen.options.values()]
    return {name for name in (recipe.training.select, *heard) if isinstance(name, str) and name in offered()}


def _started_elsewhere(model: ChosenComponent, start: str) -> ChosenComponent:
    """A model whose weights are those of a run.

    Raises:
        UserError: the recipe names other initial weights too.
    """
    plain = model.without_initial_weights()
    for option, value in model.options.items():
        if value != plain.options[option]:
            raise UserError(
                f"model.{option} = {value!r} and from = '{start}' both say where the weights come from",
                "leave one of them out",
            )
    return plain


#: What joins datasets is no plugin; its options are read and recorded as a plugin's are.
_HARNESS = PluginRecord(
    name="ferbench",
    distribution="ferbench",
    version=__version__,
    origin="ferbench.data.union",
    module="ferbench.data.union",
)


def _join(asked: Asked, registry: Registry) -> JoinedDatasets:
    """The union that ``a+b`` names. A table of options under a member's name is that member's."""
    from ferbench.data.union import union_protocols

    names = [name.strip() for name in asked.name.split("+")]
    if len(set(names)) < len(names) or not all(names):
        raise UserError(f"dataset '{asked.name}' names a dataset twice, or none", "join datasets as in fer2013+raf-db")
    members = {}
    specs = []
    for name in names:
        component = registry.find("dataset", name)
        given = asked.options.get(name, {})
        if not isinstance(given, dict):
            raise UserError(f"dataset.{name} is no table", f"write the options of '{name}' under [dataset.{name}]")
        members[name] = ChosenComponent(component, component.options().validate(given, f"dataset.{name}"))
        assert isinstance(component.spec, DatasetSpec)
        specs.append((name, component.spec))
    own = {name: value for name, value in asked.options.items() if name not in members}
    spec = DatasetSpec(
        "+".join(names),
        build="ferbench.data.union:Union",
        protocols=union_protocols(specs, supplemented=own.get("supplement") is not None),
        synthetic=any(spec.synthetic for _, spec in specs),
    )
    component = Component("dataset", spec, _HARNESS)
    return JoinedDatasets(component, component.options().validate(own, "dataset"), members)
