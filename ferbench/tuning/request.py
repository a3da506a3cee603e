"""What a search is asked to do, and everything that is known of it before its first trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.experiment.plan import Plan, check_selection, plan
from ferbench.experiment.resolve import ResolvedRecipe, resolve
from ferbench.experiment.settings import (
    check_run_name,
    grid,
    parse_value,
    place,
    read_recipe,
    split_paths,
)
from ferbench.experiment.start import Start, continued
from ferbench.kinds import SECTIONS
from ferbench.plugin.discovery import load_registry
from ferbench.tuning.algorithms import Strategy, make_sampler
from ferbench.tuning.length import keep_within
from ferbench.tuning.objectives import Objective, read_objectives
from ferbench.tuning.session import Session
from ferbench.tuning.settings import read_tune
from ferbench.tuning.space import Settings, build_space
from ferbench.tuning.storage import check_shared
from ferbench.tuning.study import covers, place_of

if TYPE_CHECKING:
    from ferbench.data.pack import Pack

_NO_FOLDS = "search on one split, or one fold (data.fold=1/5); then run every fold: 'ferbench run best.toml --folds 5'"


@dataclass(frozen=True)
class Request:
    """What is asked for; None, or empty: nothing is said.

    Attributes:
        recipe: a TOML file.
        components: names by section; of several for one section the trials choose.
        trackers: that the final runs also report to.
        data: where the dataset's files are, as ``--data`` has it.
        sets: fields of the recipe, as ``--set`` has them.
        searches: (key, values) of what is searched.
        tune: fields of ``[tune]``, over those of the recipe.
        start: whose weights every trial starts from, as ``--from`` has it.
        name: of the study.
        skip_faulty: leave faulty samples out.
        results: the results directory.
        cache: where packed datasets are.
        plugins: as ``--plugin`` names them.
        storage: a database's url; None: a file beside the study.
        grace: seconds of silence after which another host's trials are taken over.
    """

    results: Path
    cache: Path
    recipe: Path | None = None
    components: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trackers: Sequence[str] = ()
    data: Sequence[str] = ()
    sets: Sequence[str] = ()
    searches: Sequence[tuple[str, Any]] = ()
    tune: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    name: str | None = None
    skip_faulty: bool = False
    plugins: tuple[str, ...] = ()
    storage: str | None = None
    grace: float = 60.0

    def session(self, pack: Callable[[ResolvedRecipe], Pack]) -> Session:
        """Everything that is known before the first trial.

        Args:
            pack: gives the pack of a recipe's dataset.

        Raises:
            UserError: something that is asked for makes no sense, or the dataset cannot be read.
        """
        registry = load_registry(self.plugins)
        raw = read_recipe(self.recipe) if self.recipe is not None else {}
        start = self._start(raw)
        if start is not None:
            raw = {**continued(start.directory.load(), raw, registry), "from": start.given}
        if self.trackers:
            raw["trackers"] = [*raw.get("trackers", []), *({"name": name} for name in self.trackers)]
        table = dict(raw.get("tune", {}))
        _take_seeds(raw, table)
        settings = read_tune(table, self.tune)
        path, paths = split_paths(self.data)
        (base,) = grid(
            raw,
            sets=self.sets,
            components={section: names[:1] for section, names in self.components.items()},
            fields={
                "data.path": [path] if path is not None else [],
                "data.skip_faulty": [True] if self.skip_faulty else [],
            },
            no_folds=_NO_FOLDS,
        )
        place([base], paths)
        called = base.pop("name", None)
        label = str(called or "tune") if self.name is None else self.name
        check_run_name(label)
        if self.storage is not None:
            check_shared(self.storage)
        space = build_space(base, registry, searches=self._searches(settings.search), only=settings.only)
        resolved = resolve(space.base, registry)
        objectives = read_objectives(settings.objectives or (resolved.recipe.training.select,))
        by = Strategy.of(settings, objectives)
        make_sampler(settings.algorithm, objectives, 0)
        planned = _planned(resolved, objectives, pack, start)
        space = keep_within(space, planned, registry)
        left_out: list[str] = []
        if start is not None:
            from ferbench.tuning.weights import keep_fitting

            space, left_out = keep_fitting(space, planned, start, registry)
        directory = place_of(self.results, covers(space, objectives, planned, by), by, objectives)
        known = directory.load_or_none()
        return Session(
            place=directory,
            label=label if known is None else known.label,  # what it was called when it began
            settings=settings,
            space=space,
            objectives=objectives,
            by=by,
            base=planned,
            results=self.results,
            cache=self.cache,
            plugins=self.plugins,
            storage=self.storage,
            grace=self.grace,
            left_out=tuple(left_out),
        )

    def _start(self, raw: Mapping[str, Any]) -> Start | None:
        """The weights that are asked for, or ``from`` in the recipe."""
        given = self.start if self.start is not None else raw.get("from")
        if given is None:
            return None
        if not isinstance(given, str) or not given:
            raise UserError(f"from = {given!r} names no run", 'write from = "RUN" or from = "RUN@12"')
        from ferbench.training.starting import find_start

        return find_start(self.results, given)

    def _searches(self, table: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
        """(key, values, source), those that win last."""
        if len(self.components.get("dataset", ())) > 1:
            raise UserError("a study has one dataset", "tune on one, and run the best recipe on the others")
        searches: list[tuple[str, Any, str]] = []
        for text in self.sets:  # checked already
            key, _, value = text.partition("=")
            section, _, name = key.strip().partition(".")
            if section in SECTIONS and section != "dataset" and name != "name":
                searches.append((key.strip(), [parse_value(value.strip())], "--set"))
        searches += [(key, value, "[tune.search]") for key, value in table.items()]
        searches += [
            (section, list(names), f"--{section}")
            for section, names in self.components.items()
            if names and section != "dataset"
        ]
        return searches + [(key, values, "--search") for key, values in self.searches]


def _take_seeds(raw: Settings, table: Settings) -> None:
    """A recipe's grid over seeds is over those of the final runs; any other grid is a search to be written as one."""
    for key, values in raw.pop("grid", {}).items():
        if key != "training.seed":
            raise UserError(
                f"the recipe has a grid over {key}", f"write it as a search: --search {key}=… with --algorithm grid"
            )
        table.setdefault("seeds", list(values))


def _planned(
    resolved: ResolvedRecipe,
    objectives: Sequence[Objective],
    pack: Callable[[ResolvedRecipe], Pack],
    start: Start | None,
) -> Plan:
    """The recipe's own plan.

    Raises:
        UserError: no trial can be made of it, or it has not what an objective needs.
    """
    if resolved.recipe.runtime.devices > 1:
        raise UserError(
            "a search trains each trial on one device, but runtime.devices = "
            f"{resolved.recipe.runtime.devices} asks for more",
            "leave it out; --workers N runs N trials at a time, and 'ferbench run' of the best recipe takes --devices",
        )
    planned = plan(resolved, pack(resolved), start)
    for objective in objectives:
        if objective.is_metric:
            affect = planned.task.has_affect and planned.model_spec.affect
            check_selection(objective.name, planned.split.class_names, affect, "objective")
    return planned
