"""From TOML files, ``--set``, ``--grid`` and flags to the recipes of a grid.

Precedence: defaults < recipe < ``--set`` < flags; a grid's axes are laid over all of them.
"""

from __future__ import annotations

import copy
import datetime
import itertools
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ferbench.bounded import DEEPEST, Damaged, read_given, refuse_deep
from ferbench.errors import UserError
from ferbench.experiment import fold_axis
from ferbench.experiment.recipe import (
    DataSettings,
    EvaluationSettings,
    Recipe,
    RuntimeSettings,
    TrainingSettings,
)
from ferbench.kinds import DEFAULTS, NONE, SECTIONS
from ferbench.plugin.refusals import complaint, shown, unknown_option, wrong_value
from ferbench.runs.names import refuse_id
from ferbench.wording import did_you_mean

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: Tables of a recipe by section, as TOML has them: raw settings, of which nothing is checked yet.
Tables = dict[str, Any]

#: The harness's own sections and their fields.
FIELDS = {
    "data": tuple(DataSettings.model_fields),
    "training": tuple(TrainingSettings.model_fields),
    "evaluation": tuple(EvaluationSettings.model_fields),
    "runtime": tuple(RuntimeSettings.model_fields),
}
_ALL_SECTIONS = (*SECTIONS, *FIELDS)
# Bytes of a recipe, and dots in a line of it.
_LARGEST, _MOST_DOTS = 2**20, 1000
_DATASET_NAME = re.compile(r"([A-Za-z0-9._-]+:)?[a-z0-9]+(-[a-z0-9]+)*")
_RUN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}")


def read_recipe(path: Path) -> Tables:
    """The tables of a recipe file.

    Raises:
        UserError: the file cannot be read, is no TOML, or names a section that there is not.
    """
    try:
        text = read_given(path, largest=_LARGEST).decode("utf-8")  # TOML has an opinion on line endings
    except (OSError, Damaged, UnicodeDecodeError) as error:
        why = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None)
        raise UserError(f"cannot read recipe {path}: {why or error}", "give the path of a TOML recipe") from error
    try:
        raw = _toml(text)
    except ValueError as error:
        raise UserError(f"recipe {path} is not valid TOML: {error}", "correct that line of the recipe") from error
    for key, value in raw.items():
        if key == "grid":
            raw[key] = _grid_axes(path, value)
        elif key == "tune":
            if not isinstance(value, dict):
                raise UserError(f"recipe {path}: 'tune' is not a table", "write it as a section: [tune]")
        elif key == "trackers":
            if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
                raise UserError(f"recipe {path}: 'trackers' is not a list of tables", "write each as [[trackers]]")
        elif key == "variants":
            raw[key] = _variants(path, value)
        elif key not in ("name", "from"):
            raw[key] = _section(key, value, f"recipe {path}", f"[{key}]")
    return raw


def _section(key: str, value: object, where: str, heading: str) -> Tables:
    """The table of a section; a component may be a name alone."""
    _check_section(key, where)
    if key in SECTIONS and isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict):
        raise UserError(f"{where}: '{key}' is not a table", f"write it as a section: {heading}")
    return value


def _variants(path: Path, table: object) -> dict[str, Tables]:
    """The variants of a recipe by name, each of the tables that it lays over the recipe's own."""
    if not isinstance(table, dict) or not table:
        raise UserError(f"recipe {path}: 'variants' is no table of tables", "write each as [variants.NAME]")
    variants: dict[str, Tables] = {}
    for name, tables in table.items():
        check_run_name(name)
        where = f"recipe {path}: variant '{name}'"
        if not isinstance(tables, dict):
            raise UserError(f"{where} is not a table", f"write it as [variants.{name}]")
        sections = {key: _section(key, value, where, f"[variants.{name}.{key}]") for key, value in tables.items()}
        for section, fields in sections.items():
            for field in fields:
                _check_key(f"{section}.{field}", where)
                if (key := f"{section}.{field}") in fold_axis.AXES:
                    raise UserError(f"{where} asks for folds of its own", f"give {key} to the whole recipe")
        variants[name] = sections
    return variants


def _chosen(variants: Mapping[str, Tables], wanted: Sequence[str]) -> dict[str, Tables]:
    """Those of the variants that are asked for, in their order; all of them where none is."""
    for name in wanted:
        if name not in variants:
            there = suggestion(name, variants, "variants") if variants else "leave --variant out"
            raise UserError(f"the recipe has no variant '{name}'", there)
    return {name: tables for name, tables in variants.items() if name in wanted or not wanted}


def _toml(text: str) -> Tables:
    """The tables of a TOML text.

    Raises:
        Damaged: it nests deeper than a recipe may.
        ValueError: it is none, such as with a number of thousands of digits.
    """
    longest = max((line.count(".") for line in text.splitlines()), default=0)
    if longest > _MOST_DOTS:  # the time that a dotted key takes grows with the square of its length
        raise Damaged(f"a line with {longest:,} dots, {_MOST_DOTS:,} at most")
    try:
        tables = tomllib.loads(text)
    except RecursionError as error:
        raise Damaged(f"more than {DEEPEST} levels of lists and tables") from error
    refuse_deep(tables)
    return tables


def _grid_axes(path: Path, table: object) -> dict[str, list[Any]]:
    """Axes by dotted key, whether the recipe quotes the key or not."""
    axes: dict[str, Any] = {}
    for key, value in table.items() if isinstance(table, dict) else [("", None)]:
        axes |= {f"{key}.{field}": one for field, one in value.items()} if isinstance(value, dict) else {key: value}
    if not all(isinstance(values, list) and values for values in axes.values()):
        raise UserError(
            f"recipe {path}: [grid] takes lists of values", "write each axis as section.field = [value, value]"
        )
    return axes


def _check_section(section: str, where: str) -> None:
    if section not in _ALL_SECTIONS:
        raise UserError(f"{where}: there is no section '{section}'", suggestion(section, _ALL_SECTIONS, "sections"))


def suggestion(name: str, choices: Iterable[str], what: str) -> str:
    """A remedy for a mistyped name: the nearest choice when there is one, and all of them."""
    choices = list(choices)
    return f"{did_you_mean(name, choices)}{what}: {', '.join(choices)}"


def parse_value(text: str) -> Any:
    """The value of a ``--set``: TOML, lists of bare words (``[neutral,happy]``), or else the text itself."""
    try:
        return _toml(f"value = {text}")["value"]
    except Damaged as error:
        raise UserError(f"a value is not valid TOML: {error}", "write it with fewer brackets") from error
    except ValueError:
        pass
    if text.startswith("[") and text.endswith("]"):
        return [parse_value(part.strip()) for part in split_commas(text[1:-1]) if part.strip()]
    return text


def split_commas(text: str) -> list[str]:
    """Split at the commas that stand outside brackets, braces and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return parts


def split_assignment(text: str, flag: str) -> tuple[str, str]:
    """``section.field=value`` as (key, value text).

    Raises:
        UserError: there is no ``=``, or the key names no section.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or key.count(".") != 1 or not all(key.split(".")):
        raise UserError(f"{flag} {text!r} is not section.field=value", f"for example {flag} training.epochs=10")
    _check_key(key, flag)
    return key, value.strip()


def assignments(sets: Sequence[str]) -> dict[str, Any]:
    """``--set`` texts as values by dotted key.

    Raises:
        UserError: as `split_assignment`.
    """
    return {key: parse_value(value) for key, value in (split_assignment(text, "--set") for text in sets)}


def _check_key(key: str, where: str) -> None:
    section, _, field = key.partition(".")
    _check_section(section, where)
    fields = FIELDS.get(section)
    if fields is not None and field not in fields and key not in fold_axis.AXES:
        choices = (*fields, "folds", "test_folds") if section == "training" else fields
        raise unknown_option(field, choices, f"[{section}]")


def split_paths(given: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """``--data`` texts as (directory, directories by name of the dataset); of two for the same, the last counts.

    ``NAME=DIR`` is for one dataset; a directory whose name looks so can be written ``./name=dir``.
    """
    plain = None
    named: dict[str, str] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if equals and path and _DATASET_NAME.fullmatch(name):
            named[name] = path
        else:
            plain = text
    return plain, named


def place(settings: Sequence[Tables], paths: Mapping[str, str]) -> None:
    """Write directories by name of the dataset into settings, over what these say.

    There may be more than are asked for, so that one list of places serves many commands.
    """
    keys: dict[str, str] = {}
    for tables in settings:
        name = tables.get("dataset", {}).get("name", DEFAULTS["dataset"])
        members = [part.strip() for part in str(name).split("+")]
        for member in members:
            bare = member.rpartition(":")[2]
            key = member if len(members) > 1 else bare
            keys.update({member: key, bare: key})
    named = {keys.get(name, name): path for name, path in paths.items()}
    for tables in settings if named else []:
        section = tables.setdefault("data", {})
        section["paths"] = {**(section.get("paths") or {}), **named}


def grid(
    raw: Mapping[str, Any],
    *,
    sets: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    axes: Sequence[str] = (),
    components: Mapping[str, Sequence[str]] | None = None,
    fields: Mapping[str, Sequence[Any]] | None = None,
    no_folds: str | None = fold_axis.ELSEWHERE,
    variants: Sequence[str] = (),
) -> list[Tables]:
    """Every combination that a recipe and flags ask for, as raw settings in a stable order.

    Args:
        raw: tables of a recipe (``read_recipe``), empty without one; its ``[grid]`` is an axis list of its own, and
            each of its ``[variants.NAME]`` is laid over the rest of it and names its runs.
        sets: ``--set`` texts.
        values: the same as values by dotted key.
        axes: ``--grid`` texts.
        components: component flags; more than one name is an axis.
        fields: other flags by dotted key (``training.seed``); more than one value is an axis.
        no_folds: what to do instead of ``training.folds``, where there can be no grid; None: it is an axis.
        variants: names of those that are wanted; empty: all.
    """
    base = copy.deepcopy(dict(raw))
    base.pop("tune", None)  # how `ferbench tune` searches, nothing of a run
    chosen_variants = _chosen(base.pop("variants", {}), variants)
    varied: dict[str, list[Any]] = {}
    for key, choices in base.pop("grid", {}).items():
        _check_key(key, "[grid]")
        varied[key] = list(choices)
    assigned = assignments(sets)
    for key, value in (values or {}).items():
        _check_key(key, "settings")
        assigned[key] = value
    for key, value in assigned.items():
        _refuse_unheld(key, value)
        _assign(base, key, value)
        varied.pop(key, None)
    for text in axes:
        key, value = split_assignment(text, "--grid")
        if not value:
            raise UserError(f"--grid {text} has no values", f"for example --grid {key}=v1,v2")
        varied[key] = [parse_value(part.strip()) for part in split_commas(value)]
    flags = {f"{section}.name": names for section, names in (components or {}).items()} | dict(fields or {})
    for key, choices in flags.items():
        if choices:
            _check_key(key, "grid")
            fold_axis.refuse_more(len(choices), f"values of {key}")
            _refuse_unheld(key, choices)
            varied[key] = [value for place, value in enumerate(choices) if value not in choices[:place]]
    fold_axis.take_folds(base, varied, fields or {}, refused=no_folds)

    longest = max(varied, key=lambda key: len(varied[key]), default="")
    count = math.prod(map(len, varied.values())) * max(1, len(chosen_variants))
    fold_axis.refuse_more(count, f"combinations, {len(varied.get(longest, ())):,} values of {longest} among them")

    set_keys = {*assigned, *varied}
    combinations = []
    for variant, tables in chosen_variants.items() or [(None, {})]:
        own = {f"{section}.{field}": value for section, fields in tables.items() for field, value in fields.items()}
        if both := sorted(own.keys() & varied.keys()):
            raise UserError(
                f"variant '{variant}' sets {both[0]}, which a grid varies", "leave it out of one of the two"
            )
        for chosen in itertools.product(*varied.values()):
            settings = copy.deepcopy(base)
            if variant is not None:
                settings["name"] = variant
            for key, value in own.items():
                _assign(settings, key, assigned.get(key, copy.deepcopy(value)))
            for key, value in zip(varied, chosen, strict=True):
                _assign(settings, key, value)
            for section in SECTIONS:
                _drop_options_of_another(settings, raw, section, {*set_keys, *own})
            combinations.append(settings)
    return combinations


def _assign(settings: Tables, key: str, value: Any) -> None:
    section, _, field = key.partition(".")
    settings.setdefault(section, {})[field] = value


def _drop_options_of_another(settings: Tables, raw: Mapping[str, Any], section: str, set_keys: set[str]) -> None:
    """A flag that names another component than the recipe's leaves the recipe's options for the recipe's behind."""
    written = raw.get(section, {})
    chosen = settings.get(section, {})
    if "name" in chosen and chosen["name"] != written.get("name", DEFAULTS[section]):
        for option in written:
            if option != "name" and f"{section}.{option}" not in set_keys:
                chosen.pop(option, None)


def check_run_name(name: object) -> None:
    """Refuse what cannot name a run.

    Raises:
        UserError: it is no text, too long, has characters that file names and shells do not like, or is an id.
    """
    if not (isinstance(name, str) and _RUN_NAME.fullmatch(name)):
        raise UserError(
            f"run name {str(name)[:100]!r} is not usable",
            "use 1 to 80 letters, digits, '.', '_' and '-', not starting with a dot",
        )
    refuse_id(name)


def build_recipe(settings: Mapping[str, Any]) -> Recipe:
    """Validate raw settings.

    Raises:
        UserError: a field is unknown, of the wrong type or out of bounds.
    """
    complete = dict(settings)
    for section in SECTIONS:
        complete[section] = {"name": DEFAULTS[section], **complete.get(section, {})}
        if complete[section]["name"] == NONE == DEFAULTS[section]:
            _refuse_options_of_none(section, complete.pop(section))
    if "exclude" in complete["dataset"]:  # people look for it beside the dataset's own options
        complete["data"] = {**complete.get("data", {}), "exclude": complete["dataset"].pop("exclude")}
    if complete.get("name") is not None:
        check_run_name(complete["name"])
    for section, fields in complete.items():
        for field, value in fields.items() if isinstance(fields, dict) else [("", fields)]:
            _refuse_unheld(f"{section}.{field}".rstrip("."), value)
    try:
        document = json.dumps(complete)
    except (TypeError, ValueError) as error:
        raise UserError(f"the recipe holds what no field takes: {error}", "use numbers, text and lists") from error
    try:
        return Recipe.model_validate_json(document)
    except ValidationError as error:
        raise _mistake(error.errors(include_url=False)) from error


def _refuse_options_of_none(section: str, chosen: Mapping[str, Any]) -> None:
    """Refuse options of a section that names no component."""
    for option in chosen:
        if option != "name":
            raise UserError(
                f"{section}.{option} is an option of no {section}", f"name one with --set {section}.name=NAME"
            )


def _refuse_unheld(key: str, value: object) -> None:
    """Refuse what TOML and Python have, and no record can hold."""
    if isinstance(value, (list, tuple)):
        for one in value:
            _refuse_unheld(key, one)
    elif isinstance(value, Mapping):
        for one in value.values():
            _refuse_unheld(key, one)
    elif isinstance(value, (datetime.date, datetime.time)):
        raise UserError(f"{key} = {value}: not a date or time", "use a number, text or a list")
    elif isinstance(value, int) and not -(2**63) < value < 2**63:
        raise UserError(f"{key}: a whole number of {value.bit_length()} bits", "give a number below 2^63")
    elif isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise UserError(f"{key}: {shown(value)} is no text in UTF-8", "rename the file or folder, or link to it")


def _mistake(errors: list[ErrorDetails]) -> UserError:
    first = errors[0]
    section, *below = first["loc"]
    if section in FIELDS and below:
        field = str(below[0])
        if first["type"] == "extra_forbidden":
            return unknown_option(field, FIELDS[str(section)], f"[{section}]")
        about = Recipe.model_fields[str(section)].annotation.model_fields[field]  # type: ignore[union-attr]
        same = [error for error in errors if error["loc"][:2] == first["loc"][:2]]
        return wrong_value(same, f"{section}.{field}", 2, about.annotation, about.metadata, f"[{section}]")
    key = ".".join(map(str, first["loc"]))
    remedy = f"change {key} in the recipe or with --set"
    if below == ["name"]:
        remedy = f"change {key} to the name of a {section}"
    return UserError(f"{key} = {shown(first['input'])}: {complaint(first)}", remedy)
