"""``KEY=VALUE``: which runs a list is about."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.kinds import IN_IDS
from ferbench.runs.summary import Summary
from ferbench.wording import did_you_mean

#: What a condition may ask for beside the dotted settings; ``None`` where a run has no such thing.
KEYS: dict[str, Callable[[Summary], Any]] = {
    "dataset": lambda run: run.data.dataset,
    "protocol": lambda run: run.data.protocol,
    **{section: lambda run, section=section: run.settings.get(section) for section in IN_IDS},  # type: ignore[misc]
    "seed": lambda run: run.seed,
    "name": lambda run: run.name,
    "run": lambda run: run.run,
    "config": lambda run: short(run.unfolded or run.config) or None,
    "status": lambda run: run.status,
}

_MOST_CHOICES = 20


@dataclass(frozen=True, slots=True)
class Condition:
    """One key and the values that are looked for, any of them.

    Attributes:
        key: one of `KEYS`, or a dotted setting.
        wanted: texts; ``*`` and ``?`` stand for any text and any character, numbers are compared as numbers.
    """

    key: str
    wanted: tuple[str, ...]


def parse(texts: Iterable[str]) -> list[Condition]:
    """Conditions from ``KEY=VALUE`` or ``KEY=VALUE,VALUE``; those with one key become one.

    Raises:
        UserError: a text is no ``KEY=VALUE``.
    """
    wanted: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        # Commas inside brackets belong to a value: data.classes=[happy,sad]
        alternatives = [value.strip() for value in re.split(r",(?![^\[]*\])", values)]
        if not equals or not key.strip() or not all(alternatives):
            raise UserError(
                f"--where '{text}' is no KEY=VALUE", "write model=linear, or for any of several model=linear,basic-cnn"
            )
        wanted.setdefault(key.strip(), []).extend(alternatives)
    return [Condition(key, tuple(values)) for key, values in wanted.items()]


def select(runs: Sequence[Summary], conditions: Sequence[Condition]) -> list[Summary]:
    """The runs that meet every condition.

    Raises:
        UserError: a key is unknown, no run has a value, or no run meets all conditions.
    """
    chosen = list(runs)
    if not chosen:
        return chosen
    for condition in conditions:
        values = {run.run: _values_of(run, condition.key) for run in runs}
        there = {as_text(value): value for several in values.values() for value in several}
        if not there and condition.key not in KEYS:
            raise _unknown(condition.key, runs)
        met: set[str] = set()
        for wanted in condition.wanted:
            matching = {text for text, value in there.items() if _matches(condition.key, text, value, wanted)}
            if not matching:
                raise _no_run(condition.key, wanted, list(there))
            met |= matching
        chosen = [run for run in chosen if any(as_text(value) in met for value in values[run.run])]
    if not chosen:
        asked = " ".join(f"{condition.key}={','.join(condition.wanted)}" for condition in conditions)
        raise UserError(f"no run meets all of: {asked}", "leave out a condition")
    return chosen


def keys(runs: Iterable[Summary]) -> list[str]:
    """Everything that a condition on these runs may ask for."""
    unlike = {id(run.settings): run.settings for run in runs}.values()
    return [*KEYS, *sorted({key for settings in unlike for key in settings if "." in key})]


def values(runs: Iterable[Summary], key: str) -> list[str]:
    """The values that these runs have for a key, as a condition writes them."""
    return sorted({as_text(value) for run in runs if (value := _value(run, key)) is not None})


def as_text(value: Any) -> str:
    """A stored value as one writes it: ``true``, ``[happy,sad]``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(as_text, value))}]"
    return str(value)


def _values_of(run: Summary, key: str) -> list[Any]:
    """What a run has for a key: of a fold also its own configuration id, which other folds do not share."""
    several = [_value(run, key), short(run.config) if key == "config" and run.unfolded else None]
    return [value for value in several if value is not None]


def _value(run: Summary, key: str) -> Any:
    if key in KEYS:
        return KEYS[key](run)
    if "." not in key or key not in run.settings:
        return None
    return "none" if run.settings[key] is None else run.settings[key]


def _matches(key: str, text: str, value: Any, wanted: str) -> bool:
    if text == wanted or (key in ("run", "config") and text.startswith(wanted.removeprefix("v1:")[:12])):
        return True
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(wanted) == value
        except ValueError:
            pass
    return any(mark in wanted for mark in "*?") and fnmatch.fnmatchcase(text, wanted.replace("[", "[[]"))


def _unknown(key: str, runs: Sequence[Summary]) -> UserError:
    choices = keys(runs)
    plain = ", ".join(KEYS)
    return UserError(
        f"--where: no run has a '{key}'",
        f"{did_you_mean(key, choices)}keys: {plain}, and settings such as optimizer.lr or data.protocol",
    )


def _no_run(key: str, wanted: str, there: list[str]) -> UserError:
    there = sorted(there)
    more = f" and {len(there) - _MOST_CHOICES} more" if len(there) > _MOST_CHOICES else ""
    others = f"runs have: {', '.join(there[:_MOST_CHOICES])}{more}" if there else f"no run has a {key}"
    return UserError(f"--where {key}={wanted}: no run has that", f"{did_you_mean(wanted, there)}{others}")
