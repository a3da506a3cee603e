"""What the record of a run may say in a new command.

A record is data: whoever gives a results directory away has written it. What can have an effect outside the results
directory and the cache is taken from the user alone; `ferbench.plugin.consent` tells by a setting's type which that is.
"""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferbench.errors import UserError
from ferbench.experiment.known import is_known, remember
from ferbench.experiment.recipe import Recipe
from ferbench.experiment.settings import FIELDS, Tables, parse_value, split_commas
from ferbench.kinds import BY_NAME, DEFAULTS
from ferbench.plugin.component import Component
from ferbench.plugin.consent import Consent, consent_for
from ferbench.plugin.discovery import Registry
from ferbench.plugin.signature import Option
from ferbench.records.run import Run
from ferbench.wording import one_line


@dataclass(frozen=True)
class Reaching:
    """A setting with a value that can have an effect outside.

    Attributes:
        path: where it stands in the tables of a recipe.
        value: as the tables have it.
        consent: whose word it needs.
        owner: what the value belongs to, so that it means the same elsewhere: the component, ``distribution:name``, or
            the section.
        idle: it is a permission for an option that is at its default, so that nobody misses it.
    """

    path: tuple[str, ...]
    value: Any
    consent: Consent
    owner: str
    idle: bool = False

    @property
    def key(self) -> str:
        """What users call it."""
        return ".".join(self.path)

    @property
    def said(self) -> tuple[Any, ...]:
        """What is remembered of it: paths wherever they are seen from."""
        return self.owner, self.path[-1], _absolute(self.value)

    def flags(self, tables: Tables) -> list[tuple[str, str]]:
        """Options of a command that give it again, with their values.

        Args:
            tables: that it stands in.
        """
        match self.path:
            case ("data", "path"):
                return [("--data", str(self.value))]
            case ("data", "paths", name):
                return [("--data", f"{name}={self.value}")]
            case ("trackers",):
                return [("--tracker", tracker_text(tracker)) for tracker in self.value]
            case (section, "name"):
                return [(f"--{section}", str(self.value))]
            case (section, member, _):  # of a dataset that is joined of several
                return [("--set", f"{section}.{member}={_toml(tables[section][member])}")]
            case _:
                return [("--set", f"{self.key}={_toml(self.value)}")]


def reaching(tables: Tables, registry: Registry) -> list[Reaching]:
    """The settings of a recipe with values that can have an effect outside; none is at its default.

    Args:
        tables: of a recipe; what is wrong with them is for others to say.
        registry: where the options of components are looked up.
    """
    return [one for key, value in tables.items() for one in _reaching(key, value, registry)]


def _reaching(key: str, value: Any, registry: Registry) -> Iterator[Reaching]:
    if key in FIELDS and isinstance(value, Mapping):
        section: Any = Recipe.model_fields[key].annotation
        for field, about in section.model_fields.items():
            consent = consent_for(about.annotation, about.metadata)
            if (key, field) == ("training", "teacher") and _IN_RESULTS.fullmatch(str(value.get(field))):
                continue
            if consent and value.get(field) not in (None, about.default):
                if isinstance(value[field], Mapping):
                    yield from (Reaching((key, field, name), one, consent, key) for name, one in value[field].items())
                else:
                    yield Reaching((key, field), value[field], consent, key)
    elif key in DEFAULTS and isinstance(value, Mapping):
        name = str(value.get("name", DEFAULTS[key]))
        if not BY_NAME[key].recorded and name != DEFAULTS[key]:
            yield Reaching((key, "name"), name, Consent.NOW, key)
        if key == "dataset" and value.get("exclude") is not None:  # which a recipe may say there, too
            yield Reaching((key, "exclude"), value["exclude"], Consent.BEFORE, "data")
        for part in [part.strip() for part in name.split("+")]:
            own = value.get(part) if "+" in name else value
            options = list(_options(key, part, registry))
            defaults = {option.name: option.default for option, _ in options}
            for option, owner in options:
                if option.consent and isinstance(own, Mapping) and own.get(option.name) not in (None, option.default):
                    path = (key, part, option.name) if "+" in name else (key, option.name)
                    about = option.permits
                    idle = about is not None and own.get(about) in (None, defaults.get(about))
                    yield Reaching(path, own[option.name], option.consent, owner, idle)
    elif key in _ROOT and _ROOT[key] and value:
        yield Reaching((key,), value, _ROOT[key], key)


#: A teacher that is no path: the average of the run's own weights, or another run of the results directory.
_IN_RESULTS = re.compile(r"ema|[0-9a-f]+@\w+")

#: Of the settings that stand in no section. Those of a section are its fields'.
_ROOT = {
    about.alias or key: consent_for(about.annotation, about.metadata)
    for key, about in Recipe.model_fields.items()
    if key not in FIELDS
}


def _options(kind: str, name: str, registry: Registry) -> Iterator[tuple[Option, str]]:
    try:
        component = registry.find(kind, name)
        yield from ((option, component.qualified_name) for option in component.options().fields)
    except UserError:  # whoever wants the component will hear of it
        return


def remember_said(tables: Tables, registry: Registry) -> None:
    """Keep what the settings of a user's own command name outside, for records that name the same."""
    for one in reaching(tables, registry):
        if one.key not in _ROOT:
            remember(*one.said)


def taken(record: Run, registry: Registry, told: Collection[str]) -> tuple[Tables, list[Reaching]]:
    """The settings of a recorded run for a new command, and what is left out of them.

    Args:
        record: of the run.
        registry: where the options of its components are looked up.
        told: keys, or the sections of such, that the command says itself: they are not missed.
    """
    tables = recorded_tables(record)
    left = []
    for one in reaching(tables, registry):
        if one.consent is Consent.BEFORE and is_known(*one.said):
            continue
        *way, last = one.path
        table = tables
        for step in way:
            table = table[step]
        del table[last]
        if not one.idle and not any(".".join(one.path[: i + 1]) in told for i in range(len(one.path))):
            left.append(one)
    return tables, left


def recorded_tables(record: Run) -> Tables:
    """The recipe that a run was asked with: what a recipe has, without what was not set."""
    given: Tables = {}
    for key, value in record.recipe.plain().items():
        if value is not None and (key in FIELDS or key in DEFAULTS or key in _ROOT):
            given[key] = value
            if isinstance(value, dict):
                given[key] = {field: copy.deepcopy(each) for field, each in value.items() if each is not None}
    return given


def flags_for(left: Sequence[Reaching], record: Run) -> list[str]:
    """Arguments of a command that give again what was left out of a record."""
    tables = recorded_tables(record)
    pairs = dict.fromkeys(pair for one in left for pair in one.flags(tables))
    return [part for pair in pairs for part in pair]


def left_out_line(run: str, left: Sequence[Reaching], remedy: str) -> str:
    """One line on what a record does not decide.

    Args:
        run: what the run is called.
        left: what was left out; not empty.
        remedy: how to say it, after "to have it, ".
    """
    keys = ", ".join(f"{one.key} = {_toml(one.value)}" for one in left)
    return one_line(
        f"the record of run {run} does not decide what reaches outside: without {keys}; to have it, {remedy}"
    )


def tracker_tables(texts: Sequence[str]) -> list[Tables]:
    """``--tracker NAME`` or ``NAME,OPTION=VALUE,…`` as the tables of a recipe.

    Raises:
        UserError: something behind a comma is no option with a value.
    """
    tables = []
    for text in texts:
        name, *options = split_commas(text)
        table: Tables = {"name": name.strip()}
        for option in options:
            key, equals, value = option.partition("=")
            if not equals or not key.strip():
                raise UserError(f"tracker {text!r} is not NAME,OPTION=VALUE,…", "for example tensorboard,logdir=DIR")
            table[key.strip()] = parse_value(value.strip())
        tables.append(table)
    return tables


def tracker_text(table: Mapping[str, Any]) -> str:
    """The text of ``--tracker`` that gives a table of a recipe."""
    options = [f"{key}={_toml(value)}" for key, value in table.items() if key != "name"]
    return ",".join([str(table.get("name")), *options])


_BARE = re.compile(r"[A-Za-z_./~][\w./~+@-]*")


def _toml(value: Any) -> str:
    """A value as ``--set`` takes it; a text that nothing else could mean without quotes."""
    if isinstance(value, str) and _BARE.fullmatch(value) and value not in ("true", "false", "inf", "nan"):
        return value
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{json.dumps(str(key), ensure_ascii=False)} = {_quoted(one)}" for key, one in value.items())
            + "}"
        )
    return _quoted(value)


def _quoted(value: Any) -> str:
    if isinstance(value, Mapping):
        return _toml(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_quoted, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(one) for one in value]
    if isinstance(value, str):
        path = Path(value).expanduser()
        try:
            return str(path.resolve()) if path.exists() else value
        except (OSError, ValueError, RuntimeError):
            return value
    return value


def options_of_record(chosen: Component, recorded: Mapping[str, Any], run: str) -> Mapping[str, Any]:
    """The recorded options of a component that is built again without a word of the user's.

    Args:
        chosen: the component.
        recorded: its options.
        run: what the run is called.

    Returns:
        The options; permissions that the user has never given are at their defaults.

    Raises:
        UserError: one names something that the user has never named.
    """
    kept = dict(recorded)
    for option in chosen.options().fields:
        one = Reaching((chosen.kind, option.name), recorded.get(option.name), option.consent, chosen.qualified_name)
        at_default = option.initial_weights is not None and not option.required
        if not option.consent or at_default or one.value in (None, option.default) or is_known(*one.said):
            continue
        if option.consent is Consent.NOW and not option.required:
            del kept[option.name]
            continue
        said = [f"--{chosen.kind}", chosen.qualified_name, *one.flags({})[0], "--dry-run"]
        raise UserError(
            one_line(
                f"the record of run {run} names {one.key} = {_toml(one.value)}, which you have not named here before"
            ),
            f"if you trust it, name it once: {one_line(shlex.join(['ferbench', 'run', *said]))}",
        )
    return kept
