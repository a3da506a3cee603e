"""The flags by which a command is told of a recipe, and the settings that they and the recipe make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ferbench.cli.completion import ComponentType, RunPointType, SettingType
from ferbench.errors import UserError
from ferbench.kinds import BY_NAME, SECTIONS

if TYPE_CHECKING:
    from ferbench.experiment.start import Start

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _component_option(kind: str, text: str) -> Callable[[_Command], _Command]:
    """The flag of a kind, which may be repeated; its names arrive as ``KIND_names``."""
    return click.option(
        f"--{kind}", f"{kind}_names", type=ComponentType(kind), multiple=True, metavar="NAME", help=text
    )


def recipe_options(repeated: str) -> Callable[[_Command], _Command]:
    """Give a command RECIPE, a flag for each component, ``--tracker`` and ``--data``.

    They arrive as ``recipe``, ``dataset_names`` …, ``tracker_names`` and ``data``.

    Args:
        repeated: what the first flag's help says of repeating it.
    """

    def decorate(command: _Command) -> _Command:
        options = [click.argument("recipe", required=False, type=click.Path(path_type=Path, dir_okay=False))]
        for kind in SECTIONS:
            text = f"{BY_NAME[kind].noun.capitalize()} plugin." + (f" {repeated}" if kind == SECTIONS[0] else "")
            options.append(_component_option(kind, text))
        options += [
            _component_option("tracker", "Also tell these."),
            click.option(
                "--data",
                type=click.Path(),
                multiple=True,
                metavar="[NAME=]DIR",
                help="Where the dataset's files are; with several datasets, NAME=DIR for each.",
            ),
        ]
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


set_option: Any = click.option(
    "--set",
    "sets",
    type=SettingType(),
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a field, e.g. training.epochs=10.",
)

start_option: Any = click.option(
    "--from",
    "start",
    type=RunPointType(),
    metavar="RUN[@POINT]",
    help="Start from the weights of a run, with its settings where nothing else is said. POINT: last (default), best, "
    "12 (the end of epoch 12) or step3400.",
)

skip_faulty_option: Any = click.option(
    "--skip-faulty", is_flag=True, help="Leave faulty samples out, and record how many."
)


def add_trackers(raw: dict[str, Any], names: Sequence[str]) -> None:
    """Lay ``--tracker`` over a recipe's own trackers."""
    if names:
        raw["trackers"] = [*raw.get("trackers", []), *({"name": one} for one in names)]


def asked_settings(
    raw: Mapping[str, Any],
    components: Mapping[str, Sequence[str]],
    data: Sequence[str],
    *,
    sets: Sequence[str],
    axes: Sequence[str] = (),
    fields: Mapping[str, Sequence[Any]] | None = None,
    no_folds: str | None = None,
    skip_faulty: bool,
) -> list[dict[str, Any]]:
    """Every combination that a recipe and flags ask for, as raw settings.

    Args:
        raw: tables of the recipe, empty without one.
        components: the component flags' names by section.
        data: ``--data`` texts.
        sets: ``--set`` texts.
        axes: ``--grid`` texts.
        fields: other flags by dotted key.
        no_folds: what to do instead of ``training.folds``, where there can be no grid.
        skip_faulty: ``--skip-faulty``.

    Raises:
        UserError: a flag asks for what there is not.
    """
    from ferbench.experiment.settings import grid, place, split_paths

    path, paths = split_paths(data)
    more: dict[str, Sequence[Any]] = {
        **(fields or {}),
        "data.path": [path] if path is not None else [],
        "data.skip_faulty": [True] if skip_faulty else [],
    }
    settings = grid(raw, sets=sets, axes=axes, components=components, fields=more, no_folds=no_folds)
    place(settings, paths)
    return settings


def asked_start(raw: dict[str, Any], flag: str | None, results: Path) -> Start | None:
    """The weights that ``--from`` names, or ``from`` in the recipe."""
    given = flag if flag is not None else raw.get("from")
    if given is None:
        return None
    if not isinstance(given, str) or not given:
        raise UserError(f"from = {given!r} names no run", 'write from = "RUN" or from = "RUN@12"')
    from ferbench.training.starting import find_start

    return find_start(results, given)
