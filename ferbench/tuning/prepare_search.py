"""What a search is asked to do, and everything that is known of it before its first trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.plan import check_selection
from ferbench.experiment.prepare import Preparer
from ferbench.experiment.request import Flags, asked_tables
from ferbench.experiment.settings import check_run_name, parse_value
from ferbench.metrics.measures import offered
from ferbench.tuning.algorithms import Strategy, make_sampler
from ferbench.tuning.database import check_shared
from ferbench.tuning.length import keep_within
from ferbench.tuning.objectives import read_objectives
from ferbench.tuning.session import Session
from ferbench.tuning.space import SEARCHED, build_space
from ferbench.tuning.study import covers, place_of
from ferbench.tuning.tune_settings import read_tune

_NO_FOLDS = "search on one split, or one fold (data.fold=1/5); then run every fold: 'ferbench run best.toml --folds 5'"


def prepare_search(
    preparer: Preparer,
    results: Path,
    cache: Path,
    *,
    components: Mapping[str, Sequence[str]],
    recipe: Path | None = None,
    trackers: Sequence[str] = (),
    data: Sequence[str] = (),
    sets: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    searches: Sequence[tuple[str, Any]] = (),
    tune: Mapping[str, Any] | None = None,
    start: str | None = None,
    name: str | None = None,
    skip_faulty: bool = False,
    plugins: Sequence[str] = (),
    storage: str | None = None,
    grace: float = 60.0,
) -> Session:
    """Everything that is known of a search before its first trial.

    Args:
        preparer: prepares the recipe, and finds the run whose weights trials start from.
        results: the results directory.
        cache: where packed datasets are.
        components: names by section; of several for one section the trials choose.
        recipe: a TOML file.
        trackers: that the final runs also report to.
        data: where the dataset's files are, as ``--data`` has it.
        sets: fields of the recipe, as ``--set`` has them.
        values: the same as values by dotted key.
        searches: (key, values) of what is searched.
        tune: fields of ``[tune]``, over those of the recipe; None and empty ones are not given.
        start: whose weights every trial starts from, as ``--from`` has it.
        name: of the study; None: the recipe's.
        skip_faulty: leave faulty samples out.
        plugins: as ``--plugin`` names them.
        storage: a database's url; None: a file beside the study.
        grace: seconds of silence after which another host's trials are taken over.

    Raises:
        UserError: something that is asked for makes no sense, or the dataset cannot be read.
    """
    first = {section: names[:1] for section, names in components.items()}
    flags = Flags(first, data, sets=sets, values=values, no_folds=_NO_FOLDS, skip_faulty=skip_faulty)
    raw, begun = asked_tables(recipe, start, trackers, preparer, flags.keys)
    table = dict(raw.get("tune", {}))
    if "variants" in raw:
        raise UserError(
            "the recipe has variants, and a search has one recipe", "write one of them into a recipe of its own"
        )
    for key, seeds in raw.pop("grid", {}).items():
        if key != "training.seed":  # those of the final runs
            raise UserError(
                f"the recipe has a grid over {key}", f"write it as a search: --search {key}=… with --algorithm grid"
            )
        table.setdefault("seeds", list(seeds))
    settings = read_tune(table, tune or {})
    (base,) = flags.over(raw)
    called = base.pop("name", None)
    label = str(called or "tune") if name is None else name
    check_run_name(label)
    if storage is not None:
        check_shared(storage)
    if len(components.get("dataset", ())) > 1:
        raise UserError("a study has one dataset", "tune on one, and run the best recipe on the others")
    fixed = {key.strip(): parse_value(value.strip()) for key, _, value in (text.partition("=") for text in sets)}
    asked = [
        *((key, [value], "--set") for key, value in _of_components({**fixed, **(values or {})})),
        *((key, value, "[tune.search]") for key, value in settings.search.items()),
        *(
            (section, list(names), f"--{section}")
            for section, names in components.items()
            if names and section != "dataset"
        ),
        *((key, value, "--search") for key, value in searches),
    ]
    if of_plugins := [name for name in settings.objectives if name in offered()]:
        evaluation = dict(base.get("evaluation", {}))
        evaluation["metrics"] = list(dict.fromkeys([*_listed(evaluation.get("metrics", ())), *of_plugins]))
        base["evaluation"] = evaluation
    space = build_space(base, preparer, searches=asked, only=settings.only)
    if settings.algorithm == "grid":
        space.refuse_large_grid()
    resolved = preparer.resolve(space.base)
    objectives = read_objectives(settings.objectives or (resolved.recipe.training.select,))
    by = Strategy.of(settings, objectives)
    make_sampler(settings.algorithm, objectives, 0)  # which refuses some
    devices = resolved.recipe.runtime.devices
    if devices > 1:
        raise UserError(
            f"a search trains each trial on one device, but runtime.devices = {devices} asks for more",
            "leave it out; --workers N runs N trials at a time, and 'ferbench run' of the best recipe takes --devices",
        )
    planned = preparer.plan(resolved, begun)
    for objective in objectives:
        if objective.is_metric:
            affect = planned.task.has_affect and planned.model_spec.affect
            check_selection(objective.name, planned.split.class_names, affect, "objective")
    space = keep_within(space, planned, preparer)
    left_out: list[str] = []
    if begun is not None:
        from ferbench.tuning.fitting_weights import keep_fitting

        space, left_out = keep_fitting(space, planned, begun, preparer)
    directory = place_of(results, covers(space, objectives, planned, by), by, objectives)
    known = directory.load_or_none()
    return Session(
        place=directory,
        label=label if known is None else known.label,  # what it was called when it began
        settings=settings,
        space=space,
        objectives=objectives,
        by=by,
        base=planned,
        results=results,
        cache=cache,
        plugins=tuple(plugins),
        storage=storage,
        grace=grace,
        left_out=tuple(left_out),
    )


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, str) else list(given)


def _of_components(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Options of components that can be searched: to say what they are takes them out of the search."""
    for key, value in values.items():
        section, _, field = key.partition(".")
        if section in SEARCHED and field != "name":
            yield key, value
