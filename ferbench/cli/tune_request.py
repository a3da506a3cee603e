"""What the flags of ``ferbench tune`` and ``[tune]`` of a recipe ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.experiment.start import Start
    from ferbench.plugin.discovery import Registry
    from ferbench.tune.session import Session
    from ferbench.tune.settings import TuneSettings
    from ferbench.tune.study import StudyPlace


@dataclass(frozen=True)
class Places:
    """Where a study, its runs and its plugins are, as `ferbench.tune.session.Session` has them."""

    results: Path
    cache: Path
    plugins: tuple[str, ...]
    storage: str | None
    grace: float


def final_seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UserError(f"--seeds {text}: these are no seeds", "give whole numbers: --seeds 0,1,2")
    return tuple(dict.fromkeys(int(part) for part in parts))


def take_seeds(raw: dict[str, Any], table: dict[str, Any]) -> None:
    """A recipe's grid over seeds is over those of the final runs; any other grid is a search to be written as one."""
    grid = raw.pop("grid", {})
    for key, values in grid.items():
        if key != "training.seed":
            raise UserError(
                f"the recipe has a grid over {key}", f"write it as a search: --search {key}=… with --algorithm grid"
            )
        table.setdefault("seeds", list(values))


def searches_of(
    table: dict[str, Any], components: dict[str, Sequence[str]], sets: Sequence[str], flags: Sequence[str]
) -> list[tuple[str, Any, str]]:
    """(key, values, source), those that win last."""
    from ferbench.experiment.settings import parse_value
    from ferbench.kinds import SECTIONS

    found: list[tuple[str, Any, str]] = []
    for text in sets:  # checked already
        key, _, value = text.partition("=")
        section, _, field = key.strip().partition(".")
        if section in SECTIONS and section != "dataset" and field != "name":
            found.append((key.strip(), [parse_value(value.strip())], "--set"))
    found += [(key, value, "[tune.search]") for key, value in table.items()]
    if len(components["dataset"]) > 1:
        raise UserError("a study has one dataset", "tune on one, and run the best recipe on the others")
    found += [
        (section, list(names), f"--{section}")
        for section, names in components.items()
        if names and section != "dataset"
    ]
    for text in flags:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UserError(f"--search {text!r} is not KEY=VALUES", "for example --search model.dropout=0.1..0.6")
        found.append((key.strip(), value.strip(), "--search"))
    return found


def _kept_name(place: StudyPlace, label: str, *, given: bool) -> str:
    """What a study is called: what it was called when it began, whatever a later call says."""
    try:
        before = place.read().get("label")
    except UserError:
        return label
    if not isinstance(before, str) or before == label:
        return label
    if given:
        click.echo(f"warning: study {place.id} is called '{before}' already, and keeps that name", err=True)
    return before


def session_of(
    base: dict[str, Any],
    label: str,
    settings: TuneSettings,
    asked: list[tuple[str, Any, str]],
    registry: Registry,
    places: Places,
    start: Start | None,
    *,
    named: bool,
    quiet: bool,
) -> Session:
    """Everything that is known before the first trial.

    Args:
        base: the recipe's settings.
        label: the study's name for people.
        settings: ``[tune]`` with flags laid over it.
        asked: (key, values, source) of what is searched.
        registry: the plugins.
        places: where everything lies.
        start: the weights that every trial begins with.
        named: the user chose the name.
        quiet: show no progress of packing, and leave unsaid what the weights rule out.
    """
    from ferbench.cli.naming import warn_of_digits
    from ferbench.cli.packed import preparer
    from ferbench.experiment.plan import check_selection, single_update
    from ferbench.experiment.settings import check_run_name
    from ferbench.tune.algorithms import make_sampler, searched_by
    from ferbench.tune.length import keep_within
    from ferbench.tune.objectives import COSTS, read_objectives
    from ferbench.tune.session import Session
    from ferbench.tune.space import build_space
    from ferbench.tune.storage import check_shared
    from ferbench.tune.study import covers, place_of

    check_run_name(label)
    warn_of_digits(label, "study")
    if places.storage is not None:
        check_shared(places.storage)
    space = build_space(base, registry, searches=asked, only=settings.only)
    prepares = preparer(registry, places.results, places.cache, quiet=quiet)
    resolved = prepares.resolve(space.base)
    if resolved.recipe.runtime.devices > 1:
        raise UserError(
            "a search trains each trial on one device, but runtime.devices = "
            f"{resolved.recipe.runtime.devices} asks for more",
            "leave it out; --workers N runs N trials at a time, and 'ferbench run' of the best recipe takes --devices",
        )
    objectives = read_objectives(settings.objectives or (resolved.recipe.training.select,))
    by = searched_by(settings, objectives)
    make_sampler(settings.algorithm, objectives, 0)
    planned = prepares.plan(resolved, start)
    for objective in objectives:
        if objective.name not in COSTS:
            affect = planned.task.has_affect and planned.model_spec.affect
            check_selection(objective.name, planned.split.class_names, affect, "objective")
    space = keep_within(space, planned, registry)
    if start is not None:
        from ferbench.tune.weights import keep_fitting

        space, left_out = keep_fitting(space, planned, start, registry)
        if left_out and not quiet:
            click.echo(f"not searched, since the weights of {start.label} do not fit: {', '.join(left_out)}", err=True)
    warning = single_update(planned)
    if warning is not None and not {"training.batch_size", "training.accumulate"} & {
        one.key for one in space.dimensions
    }:
        click.echo(warning, err=True)
    place = place_of(places.results, covers(space, objectives, planned, by), by, objectives)
    return Session(place, _kept_name(place, label, given=named), settings, space, objectives, planned, **vars(places))
