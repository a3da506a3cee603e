"""What ``ferbench plugins show`` says of a component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ferbench.cli.tables import show, table, terminal_width
from ferbench.plugin.specs import (
    DatasetSpec,
    EstimatorSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    OptimizerSpec,
    Protocol,
    SamplerSpec,
    Tunable,
)
from ferbench.wording import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ferbench.plugin.discovery import Component
    from ferbench.plugin.signature import Option
    from ferbench.training.layers import LayerTable

_OPTION = ("name", "type", "default", "required", "bounds")


def describe(component: Component) -> dict[str, Any]:
    """Everything about a component that needs no building, as JSON values."""
    spec = component.spec
    of_kind: tuple[str, ...] = ()
    if isinstance(spec, DatasetSpec):
        of_kind = ("needs_path", "synthetic", "protocols")
    if isinstance(spec, EstimatorSpec):
        of_kind = ("image_size", "image_sizes", "channels", "mean", "std", "trusted")
    elif isinstance(spec, ModelSpec):
        of_kind = ("image_size", "image_sizes", "channels", "mean", "std", "affect", "gives", "views")
    if isinstance(spec, LossSpec):
        of_kind = ("needs", "views")
    if isinstance(spec, SamplerSpec):
        of_kind = ("per_sample",)
    if isinstance(spec, OptimizerSpec):
        of_kind = ("closure",)
    if isinstance(spec, MetricSpec):
        of_kind = ("higher_is_better", "low", "high", "interval", "needs")
    about = asdict(spec)
    return {
        "name": component.name,
        "qualified_name": component.qualified_name,
        "kind": component.spec.kind,
        "summary": spec.summary,
        "distribution": component.distribution,
        "version": component.version,
        "api": component.api,
        "origin": component.plugin.origin,
        "build": spec.build,
        "options": [
            {
                **{key: getattr(option, key) for key in _OPTION},
                "tunable": None if option.tunable is None else asdict(option.tunable),
                "description": option.description,
            }
            for option in component.options().fields
        ],
        **{key: about[key] for key in of_kind},
    }


def show_page(component: Component, layers: LayerTable | None, built_for: str) -> None:
    """Print what a component is and offers.

    Args:
        component: the component.
        layers: of a model that could be built.
        built_for: the classes and images that the layers are for.
    """
    spec, options = component.spec, component.options().fields
    parts: list[RenderableType] = [Text(f"{spec.kind} {component.name}", style="bold")]
    if spec.summary:
        parts.append(Text(one_line(spec.summary)))
    parts += ["", table(["", ""], _facts(component), whole=("",)), ""]
    if options:
        columns = ["option", "type", "default", "bounds", "search range", "description"]
        parts.append(table(columns, [option_row(option) for option in options], whole=columns[:1]))
    else:
        parts.append(Text("It has no options."))
    if isinstance(spec, DatasetSpec):
        parts += ["", _protocols_table(spec.protocols)]
    if layers is not None:
        parts += ["", _layers_table(layers), "", Text(_totals(layers, built_for))]
    show(parts, terminal_width())


def _facts(component: Component) -> list[list[str]]:
    spec = component.spec
    facts = [
        ["plugin", f"{component.distribution} {component.version}, version {component.api} of the interface"],
        ["origin", component.plugin.origin],
        ["builder", spec.build],
    ]
    if isinstance(spec, DatasetSpec):
        facts.append(["files", "--data says where they are" if spec.needs_path else "none needed"])
        facts.append(["images", "generated" if spec.synthetic else "real"])
    if isinstance(spec, ModelSpec):
        colour = {1: "gray", 3: "RGB"}.get(spec.channels, f"{spec.channels} channels")
        also = f"; made for {', '.join(map(str, spec.image_sizes))} too" if spec.image_sizes else ""
        facts.append(["input", f"{spec.image_size}×{spec.image_size}, {colour}{also}"])
        facts.append(["normalised", f"mean {_numbers(spec.mean)}, standard deviation {_numbers(spec.std)}"])
        if isinstance(spec, EstimatorSpec):
            facts.append(["fitted", "at once, without epochs, loss, optimiser, schedule and augmentation"])
        else:
            facts.append(["affect head", "yes" if spec.affect else "no"])
            facts.append(["gives", ", ".join(["logits", *spec.gives])])
    if isinstance(spec, LossSpec):
        facts.append(["needs", ", ".join(["logits", *spec.needs])])
    if isinstance(spec, SamplerSpec):
        facts.append(["hears of", "each class and each sample" if spec.per_sample else "each class"])
    if isinstance(spec, OptimizerSpec):
        facts.append(["passes a step", _passes(component) if spec.closure else "1"])
    if isinstance(spec, MetricSpec):
        ends = ["−∞" if spec.low is None else f"{spec.low:g}", "∞" if spec.high is None else f"{spec.high:g}"]
        facts.append(["better", "higher values" if spec.higher_is_better else "lower values"])
        facts.append(["range", " to ".join(ends)])
        facts.append(["interval", "bootstrap over samples" if spec.interval == "bootstrap" else "none"])
        facts.append(["needs", ", ".join(["labels", "probabilities", *spec.needs])])
    if isinstance(spec, ModelSpec | LossSpec) and len(spec.views) > 1:
        facts.append(["views of a sample", ", ".join(spec.views)])
    return facts


def _passes(component: Component) -> str:
    """How often an optimiser that uses a closure calls it."""
    from ferbench.training.closure import passes

    options = component.options()
    if any(option.required for option in options.fields):
        return "several: it calls a closure"
    builder = component.builder()
    count = passes(lambda parameters: builder(parameters, **options.arguments(options.validate({}, component.kind))))
    return f"about {count:g}: it calls a closure, and a step takes as many times as long"


def option_row(option: Option) -> list[str]:
    """Name, type, default as ``--set`` takes it, bounds, search range and meaning of an option."""
    default = "required" if option.required else _value(option.default)
    return [option.name, option.type, default, option.bounds, _search_range(option.tunable), option.description]


def _protocols_table(protocols: Sequence[Protocol]) -> RenderableType:
    rows = [
        [
            protocol.name + (" (default)" if position == 0 else ""),
            ", ".join(protocol.train),
            _validation(protocol),
            ", ".join(protocol.test) or "none, for folds",
            protocol.summary,
        ]
        for position, protocol in enumerate(protocols)
    ]
    columns = ["protocol", "train", "validation", "test", "summary"]
    return table(columns, rows, whole=columns[:1])


def _validation(protocol: Protocol) -> str:
    if not protocol.validation:
        return "cut from train"
    return ", ".join(protocol.validation) + (" or cut from train" if protocol.cut_if_missing else "")


def _layers_table(layers: LayerTable) -> RenderableType:
    rows = [
        [
            layer.name or "(model)",
            layer.kind,
            "—" if layer.output_shape is None else "×".join(map(str, layer.output_shape)),
            f"{layer.parameters:,}",
            f"{layer.flops:,}",
        ]
        for layer in layers.rows
    ]
    columns = ["layer", "kind", "output", "parameters", "FLOPs"]
    return table(columns, rows, right=columns[3:])


def _totals(layers: LayerTable, built_for: str) -> str:
    frozen = f", {layers.frozen:,} frozen" if layers.frozen else ""
    statistics = f", {layers.statistics:,} running statistics" if layers.statistics else ""
    return (
        f"{layers.parameters:,} parameters ({layers.trainable:,} trainable{frozen}{statistics}) and "
        f"{layers.flops:,} FLOPs an image, for {built_for}"
    )


def _search_range(tunable: Tunable | None) -> str:
    """Where ``ferbench tune`` looks by default."""
    if tunable is None:
        return ""
    step = "" if tunable.step is None else f", step {tunable.step:g}"
    return f"{tunable.low:g} … {tunable.high:g}{', log' if tunable.log else ''}{step}"


def _value(default: object) -> str:
    if default is None or isinstance(default, bool):
        return str(default).lower()
    return repr(default) if isinstance(default, str) else str(default)


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
