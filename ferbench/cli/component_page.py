"""What ``ferbench plugins show`` says of a component."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ferbench.cli import tables
from ferbench.plugin.specs import DatasetSpec, ModelSpec
from ferbench.wording import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ferbench.plugin.discovery import Component
    from ferbench.plugin.options import OptionSchema
    from ferbench.plugin.signature import Option


def describe(component: Component, options: OptionSchema) -> dict[str, Any]:
    """Everything about a component that needs no building, as JSON values."""
    spec = component.spec
    record: dict[str, Any] = {
        "name": component.name,
        "qualified_name": component.qualified_name,
        "kind": component.kind,
        "summary": spec.summary,
        "distribution": component.distribution,
        "version": component.version,
        "origin": component.plugin.origin,
        "build": spec.build,
        "options": [_option(option) for option in options.fields],
    }
    if isinstance(spec, DatasetSpec):
        record["needs_path"] = spec.needs_path
        record["synthetic"] = spec.synthetic
        record["protocols"] = [asdict(protocol) for protocol in spec.protocols]
    if isinstance(spec, ModelSpec):
        record["image_size"] = spec.image_size
        record["image_sizes"] = list(spec.image_sizes)
        record["channels"] = spec.channels
        record["mean"] = list(spec.mean)
        record["std"] = list(spec.std)
        record["affect"] = spec.affect
    return record


def show(record: dict[str, Any]) -> None:
    """Print what `describe` gave, and the layers where the command added them."""
    width = tables.terminal_width()
    parts: list[RenderableType] = [Text(f"{record['kind']} {record['name']}", style="bold")]
    if record["summary"]:
        parts.append(Text(one_line(record["summary"])))
    parts += ["", tables.table(["", ""], _facts(record), whole=("",)), ""]
    parts.append(_options_table(record["options"]) if record["options"] else Text("It has no options."))
    if "protocols" in record:
        parts += ["", _protocols_table(record["protocols"])]
    if "layers" in record:
        parts += ["", _layers_table(record["layers"]), "", Text(_totals(record["layers"]))]
    tables.show(parts, width)


def _option(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "type": option.type,
        "default": option.default,
        "required": option.required,
        "bounds": option.bounds,
        "tunable": None if option.tunable is None else asdict(option.tunable),
        "description": option.description,
    }


def _facts(record: dict[str, Any]) -> list[list[str]]:
    facts = [
        ["plugin", f"{record['distribution']} {record['version']}"],
        ["origin", record["origin"]],
        ["builder", record["build"]],
    ]
    if record["kind"] == "dataset":
        facts.append(["files", "--data says where they are" if record["needs_path"] else "none needed"])
        facts.append(["images", "generated" if record["synthetic"] else "real"])
    if record["kind"] == "model":
        colour = {1: "gray", 3: "RGB"}.get(record["channels"], f"{record['channels']} channels")
        also = f"; made for {', '.join(map(str, record['image_sizes']))} too" if record["image_sizes"] else ""
        facts.append(["input", f"{record['image_size']}×{record['image_size']}, {colour}{also}"])
        facts.append(["normalised", f"mean {_numbers(record['mean'])}, standard deviation {_numbers(record['std'])}"])
        facts.append(["affect head", "yes" if record["affect"] else "no"])
    return facts


def _options_table(options: list[dict[str, Any]]) -> RenderableType:
    rows = [
        [
            option["name"],
            option["type"],
            "required" if option["required"] else shown_value(option["default"]),
            option["bounds"],
            search_range(option["tunable"]),
            option["description"],
        ]
        for option in options
    ]
    columns = ["option", "type", "default", "bounds", "search range", "description"]
    return tables.table(columns, rows, whole=columns[:1])


def _protocols_table(protocols: list[dict[str, Any]]) -> RenderableType:
    rows = [
        [
            protocol["name"] + (" (default)" if position == 0 else ""),
            ", ".join(protocol["train"]),
            _validation(protocol),
            ", ".join(protocol["test"]) or "none, for folds",
            protocol["summary"],
        ]
        for position, protocol in enumerate(protocols)
    ]
    columns = ["protocol", "train", "validation", "test", "summary"]
    return tables.table(columns, rows, whole=columns[:1])


def _validation(protocol: dict[str, Any]) -> str:
    if not protocol["validation"]:
        return "cut from train"
    return ", ".join(protocol["validation"]) + (" or cut from train" if protocol["cut_if_missing"] else "")


def _layers_table(layers: dict[str, Any]) -> RenderableType:
    rows = [
        [
            layer["name"] or "(model)",
            layer["kind"],
            "—" if layer["output_shape"] is None else "×".join(map(str, layer["output_shape"])),
            f"{layer['parameters']:,}",
            f"{layer['flops']:,}",
        ]
        for layer in layers["rows"]
    ]
    columns = ["layer", "kind", "output", "parameters", "FLOPs"]
    return tables.table(columns, rows, right=columns[3:])


def _totals(layers: dict[str, Any]) -> str:
    frozen = f", {layers['frozen']:,} frozen" if layers["frozen"] else ""
    statistics = f", {layers['statistics']:,} running statistics" if layers["statistics"] else ""
    return (
        f"{layers['parameters']:,} parameters ({layers['trainable']:,} trainable{frozen}{statistics}) and "
        f"{layers['flops']:,} FLOPs an image, for {layers['classes']} classes at "
        f"{layers['image_size']}×{layers['image_size']}"
    )


def search_range(tunable: dict[str, Any] | None) -> str:
    """Where ``ferbench tune`` looks by default, as text."""
    if tunable is None:
        return ""
    step = "" if tunable["step"] is None else f", step {tunable['step']:g}"
    return f"{tunable['low']:g} … {tunable['high']:g}{', log' if tunable['log'] else ''}{step}"


def shown_value(default: object) -> str:
    """A default as ``--set`` takes it."""
    if default is None or isinstance(default, bool):
        return str(default).lower()
    return repr(default) if isinstance(default, str) else str(default)


def _numbers(values: list[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
