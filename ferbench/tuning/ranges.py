"""What a dimension of a search may be: a range of numbers, or a choice among values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferbench.errors import UserError
from ferbench.experiment.settings import parse_value, split_commas

if TYPE_CHECKING:
    import optuna

    from ferbench.plugin.specs import Tunable


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        low: the smallest.
        high: the largest.
        log: they are drawn on a logarithmic scale.
        step: distance between two of them; None: 1 for whole numbers, else any number.
        whole: they are integers.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @classmethod
    def of(cls, tunable: Tunable, *, whole: bool) -> Range:
        """The range that a plugin's author declared."""
        return cls(tunable.low, tunable.high, tunable.log, tunable.step, whole)

    @property
    def top(self) -> float:
        """The largest that steps from ``low`` reach."""
        if self.step is None:
            return self.high
        return self.low + math.floor((self.high - self.low) / self.step + 1e-9) * self.step

    def suggest(self, trial: optuna.Trial, key: str) -> float:
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(key, int(self.low), int(self.top), step=step, log=self.log)
        return trial.suggest_float(key, self.low, self.top, step=self.step, log=self.log)

    def decode(self, value: Any) -> Any:
        return int(value) if self.whole else float(value)

    def points(self, key: str) -> list[float]:
        """All of them.

        Raises:
            UserError: they are continuous.
        """
        step = self._grid_step(key)
        return [self.decode(round(self.low + i * step, 12)) for i in range(self.count(key))]

    def count(self, key: str) -> int:
        """How many `points` there are.

        Raises:
            UserError: they are continuous.
        """
        return round((self.top - self.low) / self._grid_step(key)) + 1

    def _grid_step(self, key: str) -> float:
        step = 1 if self.step is None and self.whole else self.step
        if step is None:
            raise UserError(
                f"a grid needs single values, and {key} is continuous",
                f"name values (--search {key}=v1,v2,v3) or a step (--search {key}={self.low:g}..{self.high:g}:step=…)",
            )
        return step

    def extremes(self) -> list[float]:
        return [self.decode(self.low), self.decode(self.top)]

    def describe(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "log": self.log, "step": self.step, "whole": self.whole}


@dataclass(frozen=True)
class Choices:
    """One of several values, whatever they are; a study keeps lists as their JSON text."""

    items: tuple[Any, ...]

    def suggest(self, trial: optuna.Trial, key: str) -> Any:
        return trial.suggest_categorical(key, [_plain(item) for item in self.items])

    def decode(self, value: Any) -> Any:
        return next((item for item in self.items if _plain(item) == value and type(_plain(item)) is type(value)), value)

    def points(self, key: str) -> list[Any]:
        return [_plain(item) for item in self.items]

    def count(self, key: str) -> int:
        return len(self.items)

    def extremes(self) -> list[Any]:
        return self.points("")

    def describe(self) -> dict[str, Any]:
        return {"choices": list(self.items)}


Values = Range | Choices


def _plain(item: Any) -> Any:
    return item if item is None or isinstance(item, (bool, int, float, str)) else json.dumps(item)


def read_values(given: Any, key: str, source: str, *, whole: bool) -> Values:
    """What ``--search KEY=…`` or ``[tune.search]`` says: ``0.1..0.6``, ``1e-4..1e-2:log``, ``8..64:step=8``, ``a,b``, a
    list of values, a table with ``low`` and ``high``, or a single value.

    Args:
        given: the text or TOML value.
        key: for messages.
        source: for messages.
        whole: the option takes integers.

    Raises:
        UserError: it is none of these.
    """
    if isinstance(given, Mapping):
        return _from_table(given, key, source, whole)
    if isinstance(given, str) and ".." in given:
        return _from_text(given, key, source, whole)
    if isinstance(given, str):
        given = [parse_value(part.strip()) for part in split_commas(given)]
    items: Sequence[Any] = given if isinstance(given, (list, tuple)) else [given]
    if not items or any(item == "" for item in items):
        raise UserError(f"{source} {key}: no values are given", f"for example {key}=v1,v2 or {key}=0.1..0.6")
    unique = [item for i, item in enumerate(items) if item not in items[:i]]
    return Choices(tuple(unique))


def _from_text(text: str, key: str, source: str, whole: bool) -> Range:
    span, *marks = text.split(":")
    low, _, high = span.partition("..")
    table: dict[str, Any] = {"low": parse_value(low.strip()), "high": parse_value(high.strip())}
    for mark in marks:
        name, equals, value = mark.partition("=")
        if (name, equals) == ("log", ""):
            table["log"] = True
        elif name == "step" and equals:
            table["step"] = parse_value(value)
        else:
            raise UserError(
                f"{source} {key}: ':{mark}' says nothing", "a range ends with :log, with :step=S, or with neither"
            )
    return _from_table(table, key, source, whole)


def _from_table(table: Mapping[str, Any], key: str, source: str, whole: bool) -> Range:
    where, example = f"{source} {key}", f"for example {key}=0.1..0.6, or {key}=1e-4..1e-2:log"
    unknown = set(table) - {"low", "high", "log", "step"}
    numbers = [table.get("low"), table.get("high"), *([table["step"]] if table.get("step") is not None else [])]
    plain = all(isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers)
    if unknown or not plain or not isinstance(table.get("log", False), bool):
        raise UserError(f"{where}: this is no range of numbers", example)
    made = Range(table["low"], table["high"], table.get("log", False), table.get("step"), whole)
    if not made.low < made.high:
        raise UserError(f"{where}: {made.low:g} is not below {made.high:g}", example)
    if made.log and (made.low <= 0 or made.step is not None):
        raise UserError(f"{where}: a logarithmic range starts above 0 and has no steps", example)
    if made.step is not None and made.step <= 0:
        raise UserError(f"{where}: a step is above 0", f"for example {key}=8..64:step=8")
    if whole and any(not float(n).is_integer() for n in numbers if n is not None):
        raise UserError(f"{where}: it takes whole numbers", f"for example {key}=1..4")
    return made
