"""From a recipe and what is laid over it to the combinations of a grid, for the command line and for Python."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.estimators import defaults_for
from ferbench.experiment.fold_axis import EVERY_PERSON, axis, refuse_more
from ferbench.experiment.known import remember
from ferbench.experiment.prepare import Combination, Preparer, resolve_all
from ferbench.experiment.recorded import flags_for, left_out_line, tracker_tables
from ferbench.experiment.run_names import name_runs
from ferbench.experiment.settings import Tables, grid, place, read_recipe, split_paths
from ferbench.experiment.start import Start, continued, said_of


def asked_tables(
    recipe: Path | None, start: str | None, trackers: Sequence[str], preparer: Preparer, told: Collection[str] = ()
) -> tuple[Tables, Start | None]:
    """The tables of a recipe, laid over the settings of the run that is started from, if any.

    Args:
        recipe: the TOML file.
        start: ``--from``, over ``from`` in the recipe.
        trackers: added to the recipe's own, as ``NAME`` or ``NAME,OPTION=VALUE``.
        preparer: finds that run, and warns of what its record does not decide.
        told: keys and sections that are laid over all of it.

    Raises:
        UserError: the recipe cannot be read, or there is no such run or point.
    """
    raw = read_recipe(recipe) if recipe is not None else {}
    given = start if start is not None else raw.get("from")
    found = None
    if given is not None:
        if not isinstance(given, str) or not given:
            raise UserError(f"from = {given!r} names no run", 'write from = "RUN" or from = "RUN@12"')
        assert preparer.find_start is not None
        found = preparer.find_start(given)
        remember(*said_of(found.directory))
        parent = found.directory.load()
        settings, left = continued(parent, raw, preparer.registry, {*told, *(["trackers"] if trackers else [])})
        if left:
            again = shlex.join(flags_for(left, parent))
            preparer.warn(left_out_line(found.directory.path.name, left, f"add {again}"))
        raw = {**settings, "from": found.given}
    if trackers:
        raw["trackers"] = [*raw.get("trackers", []), *tracker_tables(trackers)]
    return raw, found


@dataclass(frozen=True)
class Flags:
    """What a command lays over a recipe.

    Attributes:
        components: names by section; more than one is an axis.
        data: ``--data`` texts.
        sets: ``--set`` texts.
        values: values by dotted key, where they are no texts.
        axes: ``--grid`` texts.
        fields: other flags by dotted key; more than one value is an axis.
        no_folds: what to do instead of ``training.folds``, where there can be no grid.
        skip_faulty: leave faulty samples out.
        variants: names of those of the recipe's variants that are wanted; empty: all.
    """

    components: Mapping[str, Sequence[str]]
    data: Sequence[str] = ()
    sets: Sequence[str] = ()
    values: Mapping[str, Any] | None = None
    axes: Sequence[str] = ()
    fields: Mapping[str, Sequence[Any]] | None = None
    no_folds: str | None = None
    skip_faulty: bool = False
    variants: Sequence[str] = ()

    @property
    def keys(self) -> set[str]:
        """Keys and sections that they say."""
        texts = {text.partition("=")[0].strip() for text in (*self.sets, *self.axes)}
        named = {key for key, chosen in (self.fields or {}).items() if chosen} | set(self.values or {})
        places = {"data.path", "data.paths"} if self.data else set()
        return {*texts, *named, *places, *(section for section, names in self.components.items() if names)}

    def over(self, raw: Mapping[str, Any]) -> list[Tables]:
        """Every combination that they and a recipe ask for, as raw settings.

        Args:
            raw: tables of the recipe, empty without one.

        Raises:
            UserError: something is asked for that there is not.
        """
        path, paths = split_paths(self.data)
        more: dict[str, Sequence[Any]] = {
            **(self.fields or {}),
            "data.path": [path] if path is not None else [],
            "data.skip_faulty": [True] if self.skip_faulty else [],
        }
        settings = grid(
            raw,
            sets=self.sets,
            values=self.values,
            axes=self.axes,
            components=self.components,
            fields=more,
            no_folds=self.no_folds,
            variants=self.variants,
        )
        place(settings, paths)
        return settings


def asked_combinations(
    preparer: Preparer,
    components: Mapping[str, Sequence[str]],
    *,
    recipe: Path | None = None,
    trackers: Sequence[str] = (),
    data: Sequence[str] = (),
    start: str | None = None,
    name: str | None = None,
    **laid_over: Any,
) -> list[Combination]:
    """The combinations that are asked for, with everything checked that needs no data.

    Args:
        preparer: prepares them, and finds the run that is started from.
        components: names by section; more than one is an axis.
        recipe: the TOML file.
        trackers: added to the recipe's own.
        data: ``--data`` texts.
        start: the weights to start from, ``RUN@POINT``.
        name: of the run; in a grid with what varies behind it.
        laid_over: the rest of `Flags`.

    Raises:
        UserError: something of it is wrong, or no combination makes sense.
    """
    flags = Flags(components, data, **laid_over)
    raw, found = asked_tables(recipe, start, trackers, preparer, flags.keys)
    settings = every_person(flags.over(raw), preparer)
    asked = name_runs(settings, name, [defaults_for(tables, preparer.registry) for tables in settings])
    combinations = resolve_all(settings, preparer)
    for combination, called in zip(combinations, asked, strict=True):
        combination.start, combination.asked_name = found, called
    return combinations


def every_person(settings: Sequence[Tables], preparer: Preparer) -> list[Tables]:
    """The settings with a fold for each person where ``data.test_fold`` is every person: how many there are, only the
    data know. What cannot be prepared stays as it is, and is refused later.

    Raises:
        UserError: there are too many of them, or who is shown is not known.
    """
    made: list[Tables] = []
    for tables in settings:
        if tables.get("data", {}).get("test_fold") != EVERY_PERSON:
            made.append(tables)
            continue
        try:
            count = preparer.people(tables)
        except UserError:
            if len(settings) == 1:
                raise
            made.append(tables)
            continue
        refuse_more(len(made) + count, "runs, one for each person,")
        made += [{**tables, "data": {**tables["data"], "test_fold": fold}} for fold in axis(count)]
    return made
