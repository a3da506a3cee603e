"""``[tune]``: how a recipe is searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import annotated_types as at
from pydantic import ValidationError

from ferbench.errors import UserError
from ferbench.experiment.recipe import Section
from ferbench.plugin.refusals import complaint, shown, unknown_option

Algorithm = Literal["tpe", "cma-es", "gp", "random", "grid", "nsga-ii"]
PrunerName = Literal["auto", "median", "hyperband", "asha", "none"]


class TuneSettings(Section):
    """``[tune]`` of a recipe; flags win over it.

    Attributes:
        trials: how many trials the study has in all, those of earlier calls included; default: 50, for ``grid`` all.
        objectives: what is made better: validation metrics or costs; default: ``training.select``.
        algorithm: how trials are chosen.
        pruner: what ends hopeless trials early; ``auto``: median with one objective that every epoch has, else none.
        only: search nothing but what ``[tune.search]`` and ``--search`` name.
        seeds: of the runs that the best trials are repeated with and tested by.
        best: how many trials are repeated over the seeds; default: 1, with several objectives the Pareto front, at
            most 5.
        workers: processes on this host.
        seed: of the algorithm's own draws.
        search: by key, as ``--search`` has it.
    """

    trials: Annotated[int | None, at.Ge(1)] = None
    objectives: tuple[str, ...] = ()
    algorithm: Algorithm = "tpe"
    pruner: PrunerName = "auto"
    only: bool = False
    seeds: tuple[Annotated[int, at.Interval(ge=0, lt=2**32)], ...] = (0, 1, 2)
    best: Annotated[int | None, at.Ge(1)] = None
    workers: Annotated[int, at.Interval(ge=1, le=1024)] = 1
    seed: Annotated[int, at.Interval(ge=0, lt=2**32)] = 0
    search: dict[str, Any] = {}  # noqa: RUF012  pydantic copies it


def read_tune(table: Mapping[str, Any], flags: Mapping[str, Any]) -> TuneSettings:
    """``[tune]`` with flags laid over it.

    Args:
        table: the recipe's section, empty without one.
        flags: by field; None and empty ones were not given.

    Raises:
        UserError: a field is unknown, of the wrong type or out of bounds.
    """
    given = {name: value for name, value in flags.items() if value is not None and value is not False and value != ()}
    fields = tuple(TuneSettings.model_fields)
    for name in table:
        if name not in fields:
            raise unknown_option(name, fields, "[tune]")
    merged = {**table, **given}
    for name in ("objectives", "seeds"):  # TOML has lists only
        if isinstance(merged.get(name), list):
            merged[name] = tuple(merged[name])
    merged["search"] = dict(_flat(table.get("search", {})))
    try:
        return TuneSettings(**merged)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"tune.{key} = {shown(first['input'])}: {complaint(first)}", f"change {key} in [tune] or by its flag"
        ) from error


def _flat(table: Any, place: str = "") -> list[tuple[str, Any]]:
    """``[tune.search]`` by dotted key, whether the recipe quotes a key or not; a table with ``low`` is a range."""
    if not isinstance(table, Mapping):
        raise UserError(
            "[tune.search] is no table", 'write it as [tune.search] with lines like model.dropout = "0..0.5"'
        )
    values: list[tuple[str, Any]] = []
    for key, value in table.items():
        dotted = f"{place}.{key}" if place else key
        if isinstance(value, Mapping) and not {"low", "high"} & set(value):
            values += _flat(value, dotted)
        else:
            values.append((dotted, value))
    return values
