"""What kinds of values a record has at which places; records may come from anybody.

Only what readers rely on is described, and a part that is not there is none of a wrong kind: `Part` speaks up for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ferbench.errors import UserError

REMEDY = "remove that run directory and run again"

#: Gives what a value should be, None when it is.
_Shape = Callable[[Any], "str | None"]


class _Lacking(UserError, KeyError):
    """Something is not there; also a KeyError, for readers who can do without."""


@dataclass(frozen=True)
class _OrVarious:
    """A shape, or what an ensemble has where its members have unlike values."""

    shape: Any


class Part(dict[str, Any]):
    """A part of a record in which a missing key is a user's error that names the file."""

    where: Path | None = None

    def __missing__(self, key: str) -> NoReturn:
        raise _Lacking(f"{self.where} is damaged: it lacks '{key}'", REMEDY)


def parts(text: str, where: Path) -> Any:
    """Parse JSON so that all its objects are `Part` of ``where``.

    Raises:
        ValueError: it is no JSON, or has numbers that JSON has not.
    """

    def part(pairs: list[tuple[str, Any]]) -> Part:
        made = Part(pairs)
        made.where = where
        return made

    return json.loads(text, object_pairs_hook=part, parse_constant=_refuse)


def misplaced(value: Any, shape: Any, place: str = "") -> str | None:
    """The first place that holds something else than it should, and what it should be; None when there is none.

    Args:
        value: plain values.
        shape: a function as those below, or a mapping from keys to shapes.
        place: dotted, of ``value``.
    """
    if isinstance(shape, _OrVarious):
        return None if value == "various" else misplaced(value, shape.shape, place)
    if not isinstance(shape, Mapping):
        wanted = shape(value)
        return None if wanted is None else f"{place} is not {wanted}"
    if not isinstance(value, Mapping):
        return f"{place} is not a table"
    for key, one in shape.items():
        for name in value if key == "*" else (key,) if key in value else ():
            wrong = misplaced(value[name], one, f"{place}.{name}" if place else name)
            if wrong is not None:
                return wrong
    return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "a text"


def _truth(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _count(value: Any) -> str | None:
    return None if type(value) is int and 0 <= value < 2**63 else "a whole number"


def _number(value: Any) -> str | None:
    fits = (type(value) is int and abs(value) < 2**63) or (isinstance(value, float) and math.isfinite(value))
    return None if fits else "a number"


def _size(value: Any) -> str | None:
    fits = isinstance(value, list) and len(value) == 2 and all(type(one) is int and 0 < one < 2**15 for one in value)
    return None if fits else "a height and a width in pixels"


def _maybe(shape: Any) -> _Shape:
    return lambda value: None if value is None else _wanted(value, shape)


def _list(shape: Any) -> _Shape:
    def check(value: Any) -> str | None:
        if not isinstance(value, list):
            return "a list"
        wrong = next((found for one in value if (found := _wanted(one, shape)) is not None), None)
        return None if wrong is None else f"a list of which each is {wrong}"

    return check


def _wanted(value: Any, shape: Any) -> str | None:
    return shape(value) if not isinstance(shape, Mapping) else misplaced(value, shape, "one of them")


def _plain(value: Any) -> str | None:
    """Anything that a number cannot make dangerous."""
    if isinstance(value, Mapping):
        return next((found for one in value.values() if (found := _plain(one))), None)
    if isinstance(value, list):
        return next((found for one in value if (found := _plain(one))), None)
    return None if value is None or isinstance(value, (str, bool)) else _number(value)


def _pair(value: Any) -> str | None:
    return _plain(value) if isinstance(value, list) and len(value) == 2 else "an old and a new value"


_SECTIONS = ("dataset", "model", "loss", "sampler", "augmentation", "optimizer", "schedule")
_component = {"name": _text, "distribution": _text, "version": _text, "source": _maybe(_text), "options": {"*": _plain}}
_scores = {"precision": _number, "recall": _number, "f1": _number, "support": _count}

_parent = {
    "run": _text,
    "name": _maybe(_text),
    "at": _text,
    "epoch": _count,
    "changed": {"*": _pair},
    "weight": _number,
    "*": _plain,
}

EVALUATION = {
    "id": _text,
    "split": _text,
    "rows_digest": _text,
    "n": _count,
    "options": {"*": _plain},
    "metrics": {"*": _maybe(_number)},
    "per_class": {"*": _scores},
    "class_names": _list(_text),
    "confusion": _maybe(_list(_list(_count))),
    "dataset": _text,
    "data": {"dataset": _text, "protocol": _text, "synthetic": _truth, "class_names": _list(_text)},
    "left_out": {"*": _count},
    "excluded": _count,
    "stored": _maybe({"size": _list(_count), "fit": _text, "digest": _text}),
}

RECORD = {
    "name": _maybe(_text),
    "status": _text,
    "started": _maybe(_text),
    "finished": _maybe(_text),
    "identity": {
        "training_id": _text,
        "config_id": _text,
        "covers": {
            "components": {"*": {"options": {"*": _plain}}},
            "rows": {"input": _list(_plain)},
            "data": {"*": _plain},
            "training": {"*": _plain},
        },
    },
    "recipe": {
        "name": _maybe(_text),
        "from": _maybe(_text),
        **{key: _OrVarious({"name": _text, "*": _plain}) for key in _SECTIONS},
        **{key: {"*": _plain} for key in ("data", "evaluation", "runtime")},
        "training": {"seed": _count, "epochs": _OrVarious(_count), "*": _plain},
        "trackers": _list({"name": _text, "*": _plain}),
    },
    "components": dict.fromkeys(_SECTIONS, _component),
    "data": {
        "dataset": _text,
        "synthetic": _truth,
        "protocol": _text,
        "fold": _maybe(_text),
        "class_names": _list(_text),
        "has_affect": _truth,
        "counts": {"*": {"*": _count}},
        "color": _text,
        "stored": {"size": _size, "fit": _text},
        "skipped_faulty": _count,
        "excluded": {"*": _count},
        "faults": _list(_text),
        "notes": {"*": _plain},
    },
    "environment": {"packages": {"*": _plain}, "*": _plain},
    "lineage": {"parents": _list(_parent)},
    "evaluations": {"*": EVALUATION},
    "model": {"parameters": _count, "flops": _maybe(_number)},
    "training": {
        "epochs": _count,
        "stopped": {"reason": _text},
        "best_epoch": _count,
        "select": _text,
        "best_value": _maybe(_number),
        "seconds": _maybe(_number),
        "images_per_second": _maybe(_number),
        "batch_size": _count,
        "last_batch": _count,
        "micro_batch": _maybe(_count),
        "shards": _list(_count),
    },
    "error": _maybe({"type": _text, "message": _text}),
}

_IMPORTED = RECORD | {"identity": {"training_id": _text, "config_id": _text, "covers": {"*": _plain}}}


def shape_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a record should be like; imported predictions are identified by other things than a training is."""
    return _IMPORTED if "imported" in record else RECORD
