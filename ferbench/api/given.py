"""What Python users give, checked by the name of the argument before anything is done with it."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ferbench.errors import UserError
from ferbench.experiment.fold_axis import EVERY_PERSON, MOST, refuse_more
from ferbench.kinds import SECTIONS
from ferbench.storage import refuse_long

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Draws of a bootstrap: more change no digit that is shown.
MOST_DRAWS = 1_000_000

#: Processes of a host: more are a slip.
MOST_WORKERS = 1024

#: What Python users write in another way than a flag with a value behind it.
_WRITTEN_OTHERWISE = ("grid", "settings", "data")

_EXAMPLES = {
    "grid": '{"optimizer.lr": [0.01, 0.001]}',
    "settings": '{"training.epochs": 10}',
    "space": '{"optimizer.lr": "1e-4..1e-1:log"}',
    "where": '{"model": "linear"}',
}


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, for which arguments that nobody can have meant are mistakes of the user.

    Numbers and arrays of numpy and pandas become Python's, and a single plugin or tracker a list of it.
    """
    signature = inspect.signature(function)
    names = tuple(signature.parameters)

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            parameter = signature.parameters[name]
            if parameter.kind is parameter.VAR_KEYWORD:
                bound.arguments[name] = {key: _checked(key, each) for key, each in value.items()}
            elif value is not parameter.default:
                bound.arguments[name] = _checked(name, value)
        with arguments_named(names):
            return function(*bound.args, **bound.kwargs)

    return call


@contextlib.contextmanager
def arguments_named(names: Iterable[str]) -> Iterator[None]:
    """Let mistakes name arguments of Python, ``where=``, where they name flags, unless a command is at work.

    Args:
        names: of the arguments.
    """
    try:
        yield
    except UserError as error:
        if not _in_a_command():
            error.message, error.remedy = _as_arguments(error.message, names), _as_arguments(error.remedy, names)
            error.args = (error.message,)
        raise


def _in_a_command() -> bool:
    import click

    return click.get_current_context(silent=True) is not None


def _as_arguments(text: str, names: Iterable[str]) -> str:
    flags = {name.replace("_", "-"): name for name in names if name not in _WRITTEN_OTHERWISE}
    if not flags:
        return text
    # Commands that are quoted stay what they are. A value may stand behind a flag, or the word that goes on.
    pattern = rf"'ferbench [^']*'|--({'|'.join(map(re.escape, flags))})(?![\w-])(:| (?=['\d]|\S*=))?"

    def argument(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        return f"{flags[match[1]]}={'…:' if match[2] == ':' else ''}"

    return re.sub(pattern, argument, text)


def kind_of(value: Any) -> str:
    """What a value is, in a message."""
    return "None" if value is None else f"of type {type(value).__name__}"


def _checked(name: str, value: Any) -> Any:
    check = _CHECKS.get(name)
    return value if check is None or (value is None and name in SECTIONS) else check(name, value)


def _path(name: str, value: Any) -> Any:
    from ferbench.api.results import Results

    if not isinstance(value, (str, os.PathLike)) and not (name == "results" and isinstance(value, Results)):
        raise UserError(f"{name} is {kind_of(value)}", "give a path, as text or pathlib.Path")
    if name in ("results", "cache") and isinstance(value, (str, os.PathLike)):
        refuse_long(Path(value))
    return value


def _run(name: str, value: Any) -> Any:
    from ferbench.api.results import Run

    if not isinstance(value, (str, os.PathLike, Run)):
        raise UserError(f"{name} is {kind_of(value)}, not a run", "give a run, its name, or the first digits of its id")
    return value


def _data(name: str, value: Any) -> Any:
    if not isinstance(value, (str, os.PathLike, Mapping, list, tuple)):
        raise UserError(f"{name} is {kind_of(value)}", "give a directory, or directories by name of the dataset")
    return value


def _frame(name: str, value: Any) -> Any:
    if isinstance(value, (str, os.PathLike)):
        return value
    import pandas as pd

    if isinstance(value, pd.Series):
        value = value.to_frame()
    if not isinstance(value, pd.DataFrame):
        raise UserError(f"{name} is {kind_of(value)}", "give a DataFrame of pandas, or the path of a file")
    return value


def _table(name: str, value: Any) -> Any:
    if name == "where" and isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        return value
    remedy = f"write {name}={_EXAMPLES[name]}"
    if not isinstance(value, Mapping):
        raise UserError(f"{name} is {kind_of(value)}, not a dict", remedy)
    for key, each in value.items():
        if not isinstance(key, str):
            raise UserError(f"{name}: the key {key!r} is {kind_of(key)}, not text", remedy)
        if isinstance(each, Mapping) and "." not in key:
            raise UserError(f"{name}: '{key}' holds a dict", f"name a field of it in the key: {remedy}")
        if name == "grid":
            _several(f"grid of {key}", each)
    return value


def _several(name: str, value: Any) -> Any:
    if hasattr(value, "tolist") and not isinstance(value, type):  # of numpy and pandas
        value = value.tolist()
    if isinstance(value, (set, frozenset)):
        raise UserError(f"{name} is a set, which has no order", "give a list")
    if isinstance(value, Sized) and not isinstance(value, type):
        if not len(value):
            raise UserError(f"{name} is empty", "give one value at least, or leave it out")
        if not isinstance(value, (str, bytes)):
            refuse_more(len(value), f"values of {name}")
    return value


def _seeds(name: str, value: Any) -> Any:
    value = _several(name, value)
    if isinstance(value, bool):  # of a comparison: whether over all seeds
        return value
    if not isinstance(value, (list, tuple, range)):
        raise UserError(f"{name} is {kind_of(value)}", f"give a list, such as {name}=[0, 1, 2]")
    return value


def _listed(name: str, value: Any) -> Any:
    return (value,) if isinstance(value, (str, os.PathLike)) else value


def _count(name: str, value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    least, most = _COUNTS[name]
    if type(value) is not int or not least <= value <= most:
        given = f"of {value.bit_length()} bits" if isinstance(value, int) and abs(value) > 2**63 else repr(value)
        raise UserError(f"{name} is {given}", f"give a whole number from {least} to {most:,}")
    return value


def _test_folds(name: str, value: Any) -> Any:
    try:
        return value if value == EVERY_PERSON else _count(name, value)
    except UserError as error:
        raise UserError(error.message, f"{error.remedy}, or '{EVERY_PERSON}' to leave one person out") from None


#: The least and the most that a number may be.
_COUNTS = {"folds": (2, MOST), "test_folds": (2, MOST), "draws": (100, MOST_DRAWS), "workers": (1, MOST_WORKERS)}

#: What checks an argument, and gives it as the function takes it. Raises `UserError`.
_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("recipe", "results", "cache"), _path),
    **dict.fromkeys(_EXAMPLES, _table),
    **dict.fromkeys((*SECTIONS, "seed"), _several),
    **dict.fromkeys(("table", "predictions"), _frame),
    **dict.fromkeys(("plugins", "trackers"), _listed),
    **dict.fromkeys(("folds", "draws", "workers"), _count),
    **dict.fromkeys(("first", "second", "like", "run"), _run),
    "test_folds": _test_folds,
    "data": _data,
    "seeds": _seeds,
}
