"""Writes the pages of the reference that are made from the code: ``python docs/pages.py``, or ``make docs``.

``tests/docs/test_pages.py`` fails where a page no longer says what the code does.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click

import ferbench
from ferbench.api.audits import DataAudit, TableAudit
from ferbench.api.comparing import Comparison
from ferbench.api.evaluate import EvaluationResult
from ferbench.api.ranking import Board
from ferbench.api.results import Results, Run
from ferbench.api.tune import Best, Study
from ferbench.cli import COMMANDS, cli
from ferbench.cli.component_page import option_row
from ferbench.kinds import WITH_RULES, WITH_SCAFFOLD
from ferbench.plugin import hookspecs
from ferbench.plugin.discovery import load_registry
from ferbench.plugin.loading import HOOKS
from ferbench.plugin.signature import Option
from ferbench.plugin.specs import Spec
from ferbench.records.base import Record
from ferbench.records.epoch import Epoch
from ferbench.records.evaluation import Evaluation
from ferbench.records.run import Run as RunRecord
from ferbench.scaffold import plugin as scaffold

_EXAMPLES = Path(__file__).parent / "examples"
_REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by `make docs` from the code. Edits here are lost. -->\n"


def commands() -> str:
    """Every command with its help and options."""
    parts = [
        "# Commands\n",
        _NOTE,
        "What `ferbench COMMAND --help` says. Exit codes: 0 done, 1 failed, 2 the user's mistake, 128 and the number "
        "of the signal when one ended the command (130: Ctrl-C).\n",
    ]
    context = click.Context(cli, info_name="ferbench")
    added = load_registry(environ={"FERBENCH_PLUGINS": ""}).components("command")
    for name in [*COMMANDS, *(component.name for component in added)]:
        command = cli.get_command(context, name)
        assert command is not None
        parts.extend(_command(command, click.Context(command, info_name=name, parent=context), "##"))
    return "\n".join(parts)


def _command(command: click.Command, context: click.Context, heading: str) -> Iterator[str]:
    yield f"{heading} `{context.command_path}`\n"
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n"
    yield f"{_prose(command.help or '')}\n"
    shown = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if shown:
        yield _table(["option", "meaning"], [_parameter(option, context) for option in shown])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, click.Context(inner, info_name=name, parent=context), heading + "#")


def _parameter(option: click.Option, context: click.Context) -> list[str]:
    record = option.get_help_record(context)
    assert record is not None
    names, text = record
    flags, _, value = names.partition("  ") if "  " in names else (names, "", "")
    return [f"`{flags.strip()}`" + (f" {value}" if value else ""), text]


def _prose(text: str) -> str:
    """Help text as Markdown: click keeps lines after a ``\\b`` as they are; these become code."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            paragraphs.append("\n".join(f"    {line}" for line in paragraph.lstrip("\b\n").splitlines()))
        else:
            paragraphs.append(" ".join(paragraph.split()).replace("``", "`").replace("<", "\\<"))
    return "\n\n".join(paragraphs)


def options() -> str:
    """Every built-in component with its options."""
    parts = [
        "# Options of the built-in components\n",
        _NOTE,
        "What `ferbench plugins show NAME` says. An option is set in the recipe's section, or with "
        "`--set section.option=value`; the search range is what [`ferbench tune`](commands.md) tries by default.\n",
    ]
    registry = load_registry(environ={"FERBENCH_PLUGINS": ""})
    for kind in WITH_RULES:
        components = [one for one in registry.components(kind) if one.spec.kind == kind]
        if not components:
            continue
        parts.append(f"## {kind.capitalize()}\n")
        for component in components:
            parts += [f"### `{component.name}`\n", f"{component.spec.summary}.\n"]
            rows = [_option(option) for option in component.options().fields]
            columns = ["option", "type", "default", "bounds", "search range", "meaning"]
            parts.append(_table(columns, rows) if rows else "It has no options.\n")
    return "\n".join(parts)


def _option(option: Option) -> list[str]:
    name, kind, default, *rest = option_row(option)
    return [f"`{name}`", kind, default if option.required else f"`{default}`", *rest]


#: What builders are given, what they return, and what hooks speak of, in the order of the page.
_GIVEN = (
    "Task",
    "Outputs",
    "Targets",
    "LossValue",
    "Scores",
    "Predictions",
    "Draws",
    "Dataset",
    "Sample",
    "Fault",
    "Face",
    "Crop",
    "PixelText",
    "Protocol",
    "Tunable",
    "InitialWeights",
    "Inert",
    "Added",
    "Permission",
    "Table",
    "Column",
)


def hooks() -> str:
    """Every hook with what it yields and a whole plugin; then what builders are given."""
    parts = [
        "# Hooks\n",
        _NOTE,
        "A plugin is a module with any of these hooks. A hook gives descriptions; what they describe is imported when "
        "it is used, and built with its options, the keyword-only parameters of its builder. Each example is a whole "
        "plugin in one file. How to start one, check it and publish it: [plugins](plugins.md), and "
        "[your first plugin](../tutorial/first-plugin.md).\n",
        "Every description has\n",
        _fields(Spec, ()),
    ]
    for hook, spec in HOOKS.items():
        parts += [f"## `{hook}`\n", *_hook(hook, spec)]
    parts += ["## What builders are given\n", "And what they return. All of it is in `ferbench`.\n"]
    for name in _GIVEN:
        parts += [f"### `{name}`\n", *_described(getattr(ferbench, name))]
    return "\n".join(parts)


#: Functions of the page on Python, and the classes of what they return, in its order.
_FUNCTIONS = (
    "run",
    "load_results",
    "load_run",
    "leaderboard",
    "compare",
    "evaluate",
    "import_predictions",
    "tune",
    "load_study",
    "audit_table",
    "audit_data",
)
_CLASSES = (Results, Run, EvaluationResult, Board, Comparison, Study, Best, TableAudit, DataAudit)


def python() -> str:
    """Every function of the front door, and what they return."""
    parts = [
        "# Python\n",
        _NOTE,
        "What `import ferbench` gives to people who work in Python, as in [a notebook](../how-to/notebook.md); the "
        "commands are made of the same functions. Mistakes are `ferbench.UserError`, whose text says what to do. What "
        "plugins use of `ferbench` is in [hooks](hooks.md).\n",
    ]
    for name in _FUNCTIONS:
        parts += [f"## `{name}`\n", *_callable(f"ferbench.{name}", getattr(ferbench, name))]
    parts.append("## What they return\n")
    for thing in _CLASSES:
        text, attributes = _documented(thing)
        parts += [f"### `{thing.__name__}`\n", f"{_prose(text)}\n"]
        fields = [field.name for field in dataclasses.fields(thing)] if dataclasses.is_dataclass(thing) else []
        rows = [[f"`{name}`", _prose(attributes[name])] for name in fields]
        rows += [
            [f"`{name}`", _prose(_documented(member)[0])]
            for name, member in vars(thing).items()
            if not name.startswith("_") and isinstance(member, (property, functools.cached_property))
        ]
        parts += [_table(["attribute", "meaning"], rows)] if rows else []
        for name, member in vars(thing).items():
            function = getattr(member, "__func__", member)
            if not name.startswith("_") and inspect.isfunction(function) and function.__doc__:
                parts += [f"#### `{thing.__name__}.{name}`\n", *_callable(name, function)]
    return "\n".join(parts)


def _callable(name: str, function: Any) -> Iterator[str]:
    """A function's signature, prose, arguments, and what it raises."""
    text, arguments = _documented(function)
    yield "\n".join(["```python", *_shown_signature(name, inspect.signature(function)), "```\n"])
    yield f"{_prose(text)}\n"
    if arguments:
        yield _table(["argument", "meaning"], [[f"`{key}`", meaning] for key, meaning in arguments.items()])
    sections = dict(re.findall(r"^(Returns|Raises):\n((?: {4}.*\n?)+)", inspect.getdoc(function) or "", re.MULTILINE))
    if "Returns" in sections:
        yield f"Returns: {' '.join(sections['Returns'].split())}\n"
    if "Raises" in sections:
        yield f"Raises {' '.join(sections['Raises'].replace('UserError:', '`UserError` when').split())}\n"


def _shown_signature(name: str, signature: inspect.Signature) -> Iterator[str]:
    """A signature in one line, or, where that is long, with a line for each argument."""
    shown: list[str] = []
    for one in signature.parameters.values():
        if one.name in ("self", "cls"):
            continue
        if one.kind is one.KEYWORD_ONLY and not any(text.startswith("*") for text in shown):
            shown.append("*")
        stars = "**" if one.kind is one.VAR_KEYWORD else ""
        default = "" if one.default is one.empty else f" = {one.default!r}"
        shown.append(f"{stars}{one.name}: {one.annotation}{default}")
        if one.kind is one.POSITIONAL_ONLY:
            shown.append("/")
    end = f") -> {signature.return_annotation}"
    line = f"{name}({', '.join(shown)}{end}"
    if len(line) <= 100:
        yield line
    else:
        yield from (f"{name}(", *(f"    {text}," for text in shown), end)


def _hook(hook: str, spec: type[Spec]) -> Iterator[str]:
    first = inspect.getdoc(getattr(hookspecs, hook)).splitlines()[0]
    contract = _prose(_documented(spec)[0]).partition(". ")[2]
    yield f"{_prose(first)} `ferbench.{spec.__name__}` describes one. {contract}\n"
    shared = [field.name for field in dataclasses.fields(Spec)]
    if len(dataclasses.fields(spec)) > len(shared):
        yield _fields(spec, shared)
    name = f"my-{'section' if spec.kind == 'report-section' else spec.kind}"
    if spec.kind in WITH_SCAFFOLD:
        file, example = scaffold.single_file(spec.kind, name)
        data = " --data DIR" if spec.kind == "dataset" else ""
        yield f"`ferbench plugins new {spec.kind} {name} --single-file` writes `{file}`:\n"
        use = f"ferbench run --plugin {file} {scaffold.chosen_by(spec.kind, name)}{data}"
    else:
        file = f"{name.replace('-', '_')}.py"
        example = (_EXAMPLES / file).read_text(encoding="utf-8")
        yield f"`{file}`:\n"
        use = f"ferbench {name}" if spec.kind == "command" else f"ferbench report RUN --plugin {file}"
    yield f'```python title="{file}"\n{example}```\n'
    yield f"    {use}\n"


def _fields(spec: type[Spec], without: Sequence[str]) -> str:
    _, meanings = _documented(spec)
    fields = [field for field in dataclasses.fields(spec) if field.name not in without]
    rows = [[f"`{field.name}`", _default(field), meanings[field.name]] for field in fields]
    return _table(["field", "default", "meaning"], rows)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "required"
    return f"`{field.default!r}`" if len(repr(field.default)) < 30 else "train, test, validation"


def _described(thing: type) -> Iterator[str]:
    text, attributes = _documented(thing)
    yield f"{_prose(text)}\n"
    if attributes:
        rows = [[f"`{name}`", meaning] for name, meaning in attributes.items()]
        yield _table(["attribute", "meaning"], rows)
    methods = [
        [f"`{name}{_signature(one)}`", _prose(_documented(one)[0])]
        for name, one in vars(thing).items()
        if not name.startswith("_") and inspect.isfunction(one) and one.__doc__
    ]
    if methods:
        yield _table(["method", "what it does"], methods)


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [str(one).replace("'", "") for one in signature.parameters.values() if one.name != "self"]
    return f"({', '.join(parameters)}) -> {signature.return_annotation}"


def _documented(thing: Any) -> tuple[str, dict[str, str]]:
    """A docstring's prose, and the entries of its section on attributes or arguments."""
    text, _, section = re.sub(r"\n\n(Args|Attributes):\n", "\0", inspect.getdoc(thing) or "", count=1).partition("\0")
    section = re.split(r"\n(?=\S)", section)[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return re.split(r"\n\n(?:Returns|Raises):", text)[0], {name: " ".join(meaning.split()) for name, meaning in entries}


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|").replace("<", "\\<")


#: Where the part of a page begins that is made; what stands before it is written by hand.
_MADE = "<!-- Below this line `make docs` writes from the code. -->\n"

#: The files of a run directory, with the type of what is in each.
_FILES = {
    "run.json": (
        RunRecord,
        "One object. A field without a value is not written; readers know older versions of `schema` too.",
    ),
    "history.jsonl": (Epoch, "One object a line, for each epoch."),
    "metrics.json": (Evaluation, "Of one evaluation, in its directory. `run.json` has the first part of it."),
}


def run_directory() -> str:
    """What stands by hand, then every field of a run's files."""
    written, _, _ = (_REFERENCE / "run-directory.md").read_text(encoding="utf-8").partition(_MADE)
    parts = [f"{written}{_MADE}"]
    described: list[type[Record]] = []
    for file, (record, text) in _FILES.items():
        parts += [f"## Fields of `{file}`\n", f"{text}\n", _record_fields(record)]
        for inner in _inner_records(record, described):
            parts += [f"### {inner.__name__}\n", f"{_prose(inspect.getdoc(inner) or '')}\n", _record_fields(inner)]
    return "\n".join(parts)


def _inner_records(record: type[Record], described: list[type[Record]]) -> Iterator[type[Record]]:
    """The records that the fields of one are of, each once."""
    for inner in _records_in([field.annotation for field in record.model_fields.values()]):
        if inner not in described:
            described.append(inner)
            yield inner
            yield from _inner_records(inner, described)


def _records_in(annotations: Sequence[Any]) -> Iterator[type[Record]]:
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, Record):
            yield annotation
        yield from _records_in(get_args(annotation))


def _record_fields(record: type[Record]) -> str:
    rows = [
        [f"`{field.alias or name}`", _kind(field.annotation), field.description or ""]
        for name, field in record.model_fields.items()
    ]
    return _table(["field", "value", "meaning"], rows)


def _kind(annotation: Any) -> str:
    """A type of a record's field as a reader of JSON knows it."""
    arguments, origin = get_args(annotation), get_origin(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(_kind(one) for one in arguments if one is not NoneType)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin is list:
        return f"list: {_kind(arguments[0])}"
    if origin is dict:
        return "table" if arguments[1] is Any else f"by name: {_kind(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return names.get(annotation, "anything")


#: The pages by file name.
PAGES = {
    "commands.md": commands,
    "hooks.md": hooks,
    "options.md": options,
    "python.md": python,
    "run-directory.md": run_directory,
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (_REFERENCE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
