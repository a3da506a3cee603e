"""``ferbench plugins``: which plugins are there, and what does a component offer?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.check import check
from ferbench.cli.completion import ComponentType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.new_plugin import new_plugin
from ferbench.cli.option_values import assignments
from ferbench.errors import UserError
from ferbench.kinds import BY_NAME

if TYPE_CHECKING:
    from ferbench.plugin.discovery import Component, PluginRecord, Registry
    from ferbench.training.layers import LayerTable

_SLOW = 0.5  # seconds of import after which a plugin slows every command down noticeably

_kind_option = click.option("--kind", type=click.Choice(list(BY_NAME)), help="Only components of this kind.")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def plugins() -> None:
    """List the plugins, show what their components offer, and check that they do what they must."""


plugins.add_command(check)
plugins.add_command(new_plugin)


@plugins.command("list")
@_kind_option
@plugin_option
@_json_option
def list_plugins(kind: str | None, plugin: tuple[str, ...], as_json: bool) -> None:
    """List every component with the plugin that it comes from, and the plugins that could not be loaded."""
    from ferbench.plugin.discovery import load_registry

    registry = load_registry(plugin)
    if as_json:
        echo_json(_list_record(registry, kind))
        return
    from ferbench.cli.tables import show, terminal_width

    width = terminal_width()
    show(_list_table(registry, kind, width), width)
    for line in _notes(registry, kind):
        click.echo(line)


@plugins.command("show")
@click.argument("name", type=ComponentType())
@_kind_option
@plugin_option
@click.option("--classes", type=click.IntRange(min=1), default=7, show_default=True, help="Classes of a model.")
@click.option("--image-size", type=click.IntRange(min=1), help="Input of a model in pixels; default: its own.")
@click.option("--set", "sets", multiple=True, metavar="OPTION=VALUE", help="An option of a model. Repeatable.")
@_json_option
def show_component(
    name: str,
    kind: str | None,
    plugin: tuple[str, ...],
    classes: int,
    image_size: int | None,
    sets: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the options of the component NAME (or DISTRIBUTION:NAME).

    Of a model also the layers are shown, of a dataset the protocols.
    """
    from ferbench.cli import component_page
    from ferbench.plugin.discovery import load_registry
    from ferbench.plugin.specs import ModelSpec

    component = load_registry(plugin).find(kind, name)
    if component.spec.kind != "model" and (sets or image_size):
        raise UserError(f"{component.where} has no layers to compute", "leave --set and --image-size out")
    options = component.options()
    given = assignments(component, sets)
    lacking = [option.name for option in options.fields if option.required and option.name not in given]
    record, layers, built_for = component_page.describe(component), None, ""
    if component.spec.kind == "model" and not lacking:
        assert isinstance(component.spec, ModelSpec)
        size = image_size or component.spec.image_size
        settings = options.validate(given, "model")
        layers, built_for = _layers(component, settings, classes, size), f"{classes} classes at {size}×{size}"
        record["options_used"] = settings
        record["layers"] = {"classes": classes, "image_size": size, **layers.to_dict()}
    if as_json:
        echo_json(record)
        return
    component_page.show_page(component, layers, built_for)
    if component.spec.kind == "model" and lacking:
        click.echo(f"For the layers say {' '.join(f'--set {option}=…' for option in lacking)}")


def _list_record(registry: Registry, kind: str | None) -> dict[str, Any]:
    return {
        "plugins": [
            {
                "name": record.name,
                "distribution": record.distribution,
                "version": record.version,
                "origin": record.origin,
                "status": record.status,
                "cause": record.error or _slowness(record),
                "seconds": round(record.seconds, 4),
            }
            for record in registry.plugins
        ],
        "components": [
            {
                "name": component.name,
                "qualified_name": component.qualified_name,
                "kind": component.spec.kind,
                "distribution": component.distribution,
                "version": component.version,
                "api": component.api,
                "origin": component.plugin.origin,
                "status": status,
                "cause": cause,
                "build": component.spec.build,
                "summary": component.spec.summary,
            }
            for component in registry.components(kind)
            for status, cause in [_status(component, registry)]
        ],
        "left_out": list(registry.excluded),
    }


def _list_table(registry: Registry, kind: str | None, width: int | None) -> Any:
    from ferbench.cli.tables import fitting

    rows = []
    for component in registry.components(kind):
        status, cause = _status(component, registry)
        about = [
            component.name,
            component.spec.kind,
            component.distribution,
            component.version,
            component.plugin.origin,
        ]
        rows.append([*about, status, cause or component.spec.summary])
    for record in registry.broken():
        about = [record.name, "—", record.distribution, record.version, record.origin]
        rows.append([*about, "broken", record.error or ""])
    summary = "cause, or summary"
    columns = ["name", "kind", "distribution", "version", "origin", "status", summary]
    spare = ["origin", "version", "distribution", summary]
    return fitting(columns, rows, width, spare=spare, folded=summary)


def _status(component: Component, registry: Registry) -> tuple[str, str | None]:
    """``ok``, ``clash`` or ``slow``, and the cause."""
    if (component.kind, component.name) in registry.ambiguous():
        owners = [c for c in registry.components(component.kind) if c.name == component.name]
        others = ", ".join(c.distribution for c in owners if c.plugin is not component.plugin)
        return "clash", f"{others} has this name too; say {component.qualified_name}"
    slowness = _slowness(component.plugin)
    return ("slow", slowness) if slowness else ("ok", None)


def _slowness(record: PluginRecord) -> str | None:
    return f"takes {record.seconds:.1f} s to load" if record.seconds > _SLOW else None


def _notes(registry: Registry, kind: str | None) -> list[str]:
    from ferbench.wording import one_line

    notes = []
    for clashing_kind, name in sorted(registry.ambiguous()):
        owners = [c for c in registry.components(clashing_kind) if c.name == name]
        if kind in (None, clashing_kind):
            names = " or ".join(component.qualified_name for component in owners)
            notes.append(f"clash: {clashing_kind} '{name}' is offered by {len(owners)} plugins; say {names}")
    notes += [f"broken: {record.title}: {record.error}" for record in registry.broken()]
    notes += [
        f"slow: {record.title} {_slowness(record)}, at every command; leave heavy imports to the builders"
        for record in registry.plugins
        if _slowness(record)
    ]
    if registry.excluded:
        notes.append(f"left out by FERBENCH_PLUGINS: {', '.join(registry.excluded)}")
    return [one_line(note) for note in notes]


def _layers(component: Component, settings: Mapping[str, Any], classes: int, size: int) -> LayerTable:
    from ferbench.plugin.faults import describe
    from ferbench.plugin.specs import ModelSpec
    from ferbench.task import Task
    from ferbench.training.layers import layer_table

    spec = component.spec
    assert isinstance(spec, ModelSpec)
    task = Task(tuple(f"class-{k}" for k in range(classes)), spec.channels, size, size, (1,) * classes, spec.affect)
    builder = component.builder()
    try:
        return layer_table(builder(task, **component.options().arguments(settings)), task)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{component.title} cannot be built for {classes} classes and "
            f"{spec.channels}×{size}×{size} images: {describe(error)}",
            "try other --set, --classes or --image-size",
        ) from error
