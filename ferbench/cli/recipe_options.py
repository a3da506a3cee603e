"""The flags that say what is to be run: a recipe, and what is laid over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from ferbench.cli.completion import ComponentType, RunPointType, SettingType
from ferbench.cli.places import PathType
from ferbench.errors import UserError
from ferbench.kinds import BY_NAME, SECTIONS

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _component_option(kind: str, text: str) -> Callable[[_Command], _Command]:
    """The flag of a kind, which may be repeated; its names arrive as ``KIND_names``."""
    return click.option(
        f"--{kind}", f"{kind}_names", type=ComponentType(kind), multiple=True, metavar="NAME", help=text
    )


tracker_option: Any = click.option(
    "--tracker",
    "tracker_names",
    type=ComponentType("tracker"),
    multiple=True,
    metavar="NAME[,OPTION=VALUE]",
    help="Also tell these.",
)


def recipe_options(repeated: str) -> Callable[[_Command], _Command]:
    """Give a command RECIPE, a flag for each component, ``--tracker`` and ``--data``.

    They arrive as ``recipe``, ``dataset_names`` …, ``tracker_names`` and ``data``.

    Args:
        repeated: what the first flag's help says of repeating it.
    """

    def decorate(command: _Command) -> _Command:
        options = [click.argument("recipe", required=False, type=PathType(dir_okay=False))]
        for kind in SECTIONS:
            text = f"{BY_NAME[kind].noun.capitalize()} plugin." + (f" {repeated}" if kind == SECTIONS[0] else "")
            options.append(_component_option(kind, text))
        options += [
            tracker_option,
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


def sets_option(text: str) -> Any:
    """``--set``, whose texts arrive as ``sets``, with that help."""
    return click.option("--set", "sets", type=SettingType(), multiple=True, metavar="KEY=VALUE", help=text)


set_option: Any = sets_option("Set a field, e.g. training.epochs=10.")

start_option: Any = click.option(
    "--from",
    "start",
    type=RunPointType(),
    metavar="RUN[@POINT]",
    help="Start from the weights of a run, with its settings where nothing else is said. POINT: last (default), best, "
    "12 (the end of epoch 12) or step3400.",
)

#: Short forms of settings that everybody types, by the parameter that they arrive as.
SHORT_FORMS = {"epochs": "training.epochs", "lr": "optimizer.lr", "batch_size": "training.batch_size"}


def short_forms(repeated: str) -> Callable[[_Command], _Command]:
    """Give a command ``--epochs``, ``--lr`` and ``--batch-size``, which arrive as tuples.

    Args:
        repeated: what the first one's help says of repeating it.
    """

    def decorate(command: _Command) -> _Command:
        for option in (
            click.option("--batch-size", type=click.IntRange(min=1), multiple=True, help="training.batch_size."),
            click.option("--lr", type=click.FloatRange(min=0), multiple=True, help="Learning rate: optimizer.lr."),
            click.option(
                "--epochs", type=click.IntRange(min=0), multiple=True, help=f"training.epochs. {repeated}".rstrip()
            ),
        ):
            command = option(command)
        return command

    return decorate


def take_short_forms(given: dict[str, Any], said: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
    """The values of the short forms by dotted key; they are taken out of what is ``given``.

    Args:
        given: parameters of a command.
        said: ``KEY=VALUE`` texts of its other options, by flag.

    Raises:
        UserError: another option is about the same setting.
    """
    values = {}
    for parameter, key in SHORT_FORMS.items():
        if not (chosen := given.pop(parameter, ())):
            continue
        short = f"--{parameter.replace('_', '-')}"
        for flag, texts in said.items():
            for text in texts:
                if text.partition("=")[0].strip() == key:
                    raise UserError(
                        f"{short} {chosen[0]:g} and {flag} {text} are about one setting", "leave one of them out"
                    )
        values[key] = list(chosen)
    return values


skip_faulty_option: Any = click.option(
    "--skip-faulty", is_flag=True, help="Leave faulty samples out, and record how many."
)
