"""Records from and to bytes: the one place that knows how files hold them.

Whoever wrote a file, it ends in a record or in one error that says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from ferbench.bounded import from_json
from ferbench.errors import UserError
from ferbench.ids import own_digest
from ferbench.records.epoch import Epoch
from ferbench.records.evaluation import Evaluation
from ferbench.records.own import is_whole
from ferbench.records.run import Run
from ferbench.records.upgrades import SCHEMA_VERSION, is_sealed, upgraded

REMEDY = "'ferbench runs verify' says more, 'ferbench runs rm' removes it; then run again"

#: What a value should be, by the type of pydantic's error.
_WANTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "greater_than_equal": "a whole number",
    "less_than": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "string_pattern_mismatch": "of the form 2/5",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def read_run(content: bytes, where: Path) -> Run:
    """``run.json``, of any release.

    Args:
        content: of the file.
        where: the file, for messages.

    Raises:
        UserError: it is damaged or not what was written, or written by a newer ferbench.
    """
    try:
        record = from_json(content)
    except ValueError as error:
        raise UserError(f"{where} is damaged: {error}", REMEDY) from error
    record = record if isinstance(record, dict) else {}
    try:
        record, sealed = upgraded(record), is_sealed(record)
    except ValueError as error:
        raise UserError(
            f"{where} has schema version {error}, this ferbench reads {SCHEMA_VERSION}",
            "use the ferbench release that wrote it, or run again",
        ) from error
    try:
        run = Run.model_validate(record)
    except ValidationError as error:
        raise UserError(f"{where} is damaged: {complaint(error)}", REMEDY) from error
    if sealed and not is_whole(content):
        raise UserError(
            f"{where} is damaged: it is not what was written: its own digest is another",
            "take it from a backup, or remove that run directory and run again",
        )
    return run


def read_evaluation(content: bytes) -> Evaluation:
    """``metrics.json``.

    Raises:
        ValueError: it is damaged; the error's text says how.
    """
    about = from_json(content)
    if not isinstance(about, dict):
        raise ValueError("it is no evaluation")
    # Evaluations of older releases have no digest of their own.
    if "own" in about and about["own"] != own_digest({key: value for key, value in about.items() if key != "own"}):
        raise ValueError("it is not what was written: its own digest is another")
    try:
        return Evaluation.model_validate(about)
    except ValidationError as error:
        raise ValueError(complaint(error)) from error


def read_epoch(content: bytes) -> Epoch:
    """A line of ``history.jsonl``.

    Raises:
        ValueError: it is damaged or cut short.
    """
    return Epoch.model_validate(from_json(content))


def complaint(error: ValidationError) -> str:
    """The first thing that is wrong with a record, such as ``data.class_names is not a list``."""
    first = error.errors(include_url=False)[0]
    place = _dotted(first["loc"])
    if first["type"] == "missing":
        above, _, key = place.rpartition(".")
        return f"{above or 'it'} lacks '{key}'"
    if first["type"] == "literal_error":
        return f"{place} is not {first['ctx']['expected']}"
    if first["type"] == "field_type":
        return f"{place}.{first['msg']}".removeprefix(".")
    if first["type"] == "lacking":
        return f"{place or 'it'} {first['msg']}"
    wanted = _WANTED.get(first["type"])
    return f"{place} is not {wanted}" if wanted else f"{place}: {first['msg'].removeprefix('Value error, ')}"


def _dotted(place: Sequence[int | str]) -> str:
    """Where in a record; without the names that pydantic has for the alternatives of a type."""
    parts = [str(part) for part in place if not (isinstance(part, str) and (part[:1].isupper() or "[" in part))]
    return ".".join(parts)
