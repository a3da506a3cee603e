"""What the runs of a grid are called: the name that was asked for, and what varies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.experiment.differences import FOLDS, SEED, named_settings, telling, text
from ferbench.experiment.fold_axis import fold_suffix, unfolded_key
from ferbench.experiment.settings import Tables, check_run_name
from ferbench.kinds import DEFAULTS, SECTIONS
from ferbench.runs import index
from ferbench.runs.directory import RunDirectory, run_path
from ferbench.runs.find import in_words
from ferbench.wording import one_line

if TYPE_CHECKING:
    from ferbench.experiment.prepare import Combination, Preparer

#: Sections in which one training may be asked for several times.
_NO_TRAINING = ("evaluation", "postprocessing", "runtime")

_MOST_LETTERS = 60  # of a name that says what varies


def name_runs(
    settings: Sequence[Tables], name: str | None, defaults: Sequence[Mapping[str, str]] | None = None
) -> list[str]:
    """Name the runs of a grid as is asked for, or as the recipe and its variants say. Several of one name have what
    varies among them behind it, ``cmp-cnn4-s0``, or where that is too long or the same, their number. The folds of a
    test share a name and have their place behind it, without which it is that of all folds together.

    Args:
        settings: raw settings of each.
        name: what is asked for; None: as the recipe has it.
        defaults: the components of each that names none, by section.

    Returns:
        What was asked for, for each; empty for those without a name.

    Raises:
        UserError: a name cannot name a run.
    """
    named: dict[str, dict[str, list[int]]] = {}
    asked = []
    for place, tables in enumerate(settings):
        chosen = name if name is not None else tables.get("name")
        asked.append(chosen or "")
        if chosen is not None:
            check_run_name(chosen)
            of_one = named.setdefault(chosen, {})
            of_one.setdefault(unfolded_key(tables) or str(len(of_one)), []).append(place)
    for chosen, several in named.items():
        first = [places[0] for places in several.values()]
        own = [DEFAULTS if defaults is None else defaults[place] for place in first]
        for called, places in zip(
            _called(chosen, [settings[place] for place in first], own), several.values(), strict=True
        ):
            for place in places:
                suffix = fold_suffix(settings[place])  # which the recipe of a job has already
                settings[place]["name"] = called if called.endswith(suffix) else called + suffix
    return asked


def _called(name: str, settings: Sequence[Tables], defaults: Sequence[Mapping[str, str]]) -> list[str]:
    if len(settings) == 1:
        return [name]
    several = named_settings(settings, defaults)
    keys = telling(several, ignored=("data.path", "data.paths"))
    keys = [key for key in keys if key not in FOLDS and key.partition(".")[0] not in _NO_TRAINING]
    keys.sort(key=lambda key: key == SEED)  # which stands last, as what a configuration repeats
    called = ["-".join([name, *filter(None, (_piece(key, each.get(key)) for key in keys))]) for each in several]
    if len({each.lower() for each in called}) == len(called) and max(map(len, called)) <= _MOST_LETTERS:
        return called
    digits = len(str(len(settings)))
    return [f"{name}-{number:0{digits}}" for number in range(1, len(settings) + 1)]


def _piece(key: str, value: Any) -> str:
    """``cnn4`` of a model, ``s0`` of a seed, ``lr0.001`` of ``optimizer.lr``; empty for what is not set."""
    if value is None:
        return ""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", text(value)).strip("-.")
    return (
        f"s{plain}" if key == SEED else plain if key in SECTIONS else key.rpartition(".")[2].replace("_", "-") + plain
    )


def number_taken(combinations: Sequence[Combination], preparer: Preparer, results: Path) -> None:
    """Give a number to a name that a run of another configuration has already, and say which: ``cmp-2``, and in a grid
    ``cmp-2-cnn4-s0``. Seeds of one configuration may share a name: `ferbench.ranking.sides.find_side`.

    Args:
        combinations: of a grid, with plans.
        preparer: warns.
        results: the results directory.
    """
    asked: dict[str, list[Combination]] = {}
    for combination in combinations:
        if combination.plan is not None and combination.asked_name:
            asked.setdefault(combination.asked_name, []).append(combination)
    known = [run for run in index.summaries(results) if run.name] if asked else []
    for name, several in asked.items():
        before = [str(combination.settings["name"]) for combination in several]

        def others(called: Sequence[str], several: Sequence[Combination] = several) -> list[str]:
            """Runs of other configurations that have one of these names."""
            plans = [combination.plan for combination in several]
            return [
                run.run
                for each, plan in zip(called, plans, strict=True)
                if plan is not None
                for run in known
                if run.name == each and run.config != plan.config_id and run.training != plan.training_id
            ]

        taken, number, called = others(before), 1, before
        while others(called):
            number += 1
            called = [f"{name}-{number}{each.removeprefix(name)}" for each in before]
        if not taken:
            continue
        there = "; ".join(in_words(RunDirectory(run_path(results, run))) for run in taken[:3])
        more = f"; and {len(taken) - 3} more" if len(taken) > 3 else ""
        preparer.warn(one_line(f"the name '{name}' is taken: {there}{more}; the new name is {name}-{number}"))
        for combination, each in zip(several, called, strict=True):
            _rename(combination, each)


def _rename(combination: Combination, name: str) -> None:
    try:
        check_run_name(name)
    except UserError as error:
        raise UserError(f"{error.message}; the shorter one is taken", "choose another name") from None
    assert combination.resolved is not None
    assert combination.plan is not None
    combination.settings = {**combination.settings, "name": name}
    recipe = combination.resolved.recipe.model_copy(update={"name": name})
    combination.resolved = replace(combination.resolved, recipe=recipe)
    planned = combination.plan.resolved
    resolved = replace(planned, recipe=planned.recipe.model_copy(update={"name": name}))
    combination.plan = replace(combination.plan, resolved=resolved)
