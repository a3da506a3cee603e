"""Shell completion: the script for a shell, and the names of components where a command takes one."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem, get_completion_class

from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.plugin.discovery import Registry

_Command = TypeVar("_Command", bound=Callable[..., Any])


class PluginType(click.ParamType):
    """What ``--plugin`` takes: a ``.py`` file or the name of an importable module."""

    name = "file_or_module"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class ComponentType(click.ParamType):
    """The name of a component: converts to the text itself, and completes to what the plugins offer.

    Args:
        kind: a kind of `ferbench.kinds`; None for all of them, or what ``--kind`` says.
    """

    name = "name"

    def __init__(self, kind: str | None = None) -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        kind = self.kind or ctx.params.get("kind")
        # Of datasets that are joined, the last is being typed.
        head, plus, incomplete = incomplete.rpartition("+") if self.kind == "dataset" else ("", "", incomplete)
        registry = silent_registry(ctx.params.get("plugin") or ())
        ambiguous = registry.ambiguous()
        items: dict[str, CompletionItem] = {}
        for component in registry.components(kind):
            qualified = ":" in incomplete or (component.kind, component.name) in ambiguous
            name = component.qualified_name if qualified else component.name
            if name.startswith(incomplete):
                items.setdefault(name, CompletionItem(head + plus + name, help=component.spec.summary or None))
        return list(items.values())


class SettingType(click.ParamType):
    """``section.field=value`` of ``--set`` and ``--grid``: completes the harness's own fields."""

    name = "setting"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ferbench.experiment.fold_axis import AXES
        from ferbench.experiment.settings import FIELDS

        keys = [f"{section}.{field}=" for section, fields in FIELDS.items() for field in fields]
        keys += [f"{key}=" for key in AXES]
        return [CompletionItem(key) for key in keys if key.startswith(incomplete)]


class RunType(click.ParamType):
    """A run by name, id or path: completes names and ids of the results directory."""

    name = "run"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ferbench.runs.index import summaries

        runs = summaries(Path(ctx.params.get("results") or "results"))
        words = [word for run in runs if run.status != "damaged" for word in (run.name, run.run)]
        return [CompletionItem(word) for word in dict.fromkeys(words) if word and word.startswith(incomplete)]


class RunPointType(RunType):
    """``RUN@POINT``: completes runs, and behind the sign the points that every run may have."""

    name = "run_point"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        run, sign, typed = incomplete.rpartition("@")
        if not sign:
            return super().shell_complete(ctx, param, incomplete)
        return [CompletionItem(f"{run}@{point}") for point in ("best", "last") if point.startswith(typed)]


def plugin_option(command: _Command) -> _Command:
    """Give a command ``--plugin FILE_OR_MODULE``, repeatable; it arrives as ``plugin: tuple[str, ...]``."""
    return click.option(
        "--plugin",
        multiple=True,
        type=PluginType(),
        metavar="FILE_OR_MODULE",
        is_eager=True,  # parsed first, so that names from it complete wherever it stands
        help="Load a local plugin: a .py file or an importable module. Repeatable.",
    )(command)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash:  ferbench completion bash > ~/.local/share/bash-completion/completions/ferbench
    zsh:   ferbench completion zsh > "${fpath[1]}/_ferbench"
    fish:  ferbench completion fish > ~/.config/fish/completions/ferbench.fish
    """
    from ferbench.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None  # click.Choice let it pass
    click.echo(kind(cli, {}, "ferbench", "_FERBENCH_COMPLETE").source())


def silent_registry(local: tuple[str, ...]) -> Registry:
    """The registry without any warning: what a plugin says must not end up in the user's half-typed line."""
    from ferbench.plugin.discovery import Registry, load_registry

    with contextlib.redirect_stderr(io.StringIO()):
        for names in (local, ()):
            try:
                return load_registry(names, warn=lambda line: None)
            except UserError:
                continue
    return Registry(())
