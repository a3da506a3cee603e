"""Which run or study a text means: by its name, by its id, or by the first digits of its id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferbench.errors import UserError
from ferbench.ids import SHORT

if TYPE_CHECKING:
    from ferbench.records.run import Run

#: So many digits are an id in full.
WHOLE = SHORT

#: Fewer digits stand for no id: runs are called ``a``, ``b``, ``1``, ``2``.
_LEAST = 4

_ID = re.compile(rf"(?:v1:)?([0-9a-f]{{{_LEAST},64}})")

#: So many are listed where a text means several.
_MOST = 8


@dataclass(frozen=True)
class Meant:
    """What a text may mean, by id.

    Attributes:
        named: those that are called so.
        begun: those whose id begins so.
    """

    named: tuple[str, ...]
    begun: tuple[str, ...]

    @property
    def all(self) -> list[str]:
        """Each once, those that are called so first."""
        return list(dict.fromkeys(self.named + self.begun))


def digits_of(text: str) -> str:
    """The digits that a text gives of an id, four to twelve; empty where it cannot be one."""
    match = _ID.fullmatch(text)
    return match[1][:WHOLE] if match else ""


def refuse_id(name: str) -> None:
    """Refuse a name that is an id in full: whoever has it would be taken for another run.

    Raises:
        UserError: it is.
    """
    if len(digits_of(name)) == WHOLE:
        raise UserError(
            f"run name '{name}' looks like an id: it has nothing but hexadecimal digits",
            "add a word to it, such as 'run-' in front",
        )


def meant(text: str, names: Mapping[str, str | None]) -> Meant:
    """What a text may mean.

    Args:
        text: as the user wrote it.
        names: of everything that there is, by id.
    """
    digits = digits_of(text)
    return Meant(
        tuple(identifier for identifier, name in names.items() if name == text),
        tuple(identifier for identifier in names if digits and identifier.startswith(digits)),
    )


def several(text: str, meaning: Meant, lines: Sequence[str], kind: str = "run", kinds: str = "runs") -> UserError:
    """The error for a text that means more than one.

    Args:
        text: as the user wrote it.
        meaning: what it may mean.
        lines: each in words.
        kind: what they are, one of them.
        kinds: what they are, several of them.
    """
    shown = "; ".join(lines[:_MOST]) + (f"; and {len(lines) - _MOST} more" if len(lines) > _MOST else "")
    remedy = f"give the id of the {kind} that you mean, in full"
    if len(meaning.named) == len(lines):
        return UserError(f"{len(lines)} {kinds} are named '{text}': {shown}", remedy)
    if len(meaning.begun) == len(lines):
        return UserError(f"the ids of {len(lines)} {kinds} begin with '{text}': {shown}", "give more digits of the id")
    return UserError(f"'{text}' may mean {len(lines)} {kinds}, by name, id or path: {shown}", remedy)


def run_words(run: str, record: Run | None) -> str:
    """A run as people tell it from others: ``12cb59af60d5 'cmp-1' (basic-cnn on fer2013, seed 0, 2026-11-29 21:11)``.

    Args:
        run: name of the run's directory.
        record: its ``run.json``; None when it cannot be read.
    """
    if record is None:
        return f"{run} (no readable record)"
    what = f"{record.components['model'].name} on {record.data.dataset}"
    status = "" if record.status == "done" else record.status
    return words(run, record.name, [what, f"seed {record.seed}", minute(record.started), status])


def words(identifier: str, name: object, about: Iterable[str]) -> str:
    """An id, a name, and what is known besides."""
    facts = ", ".join(fact for fact in about if fact)
    return identifier + (f" '{name}'" if name else "") + (f" ({facts})" if facts else "")


def minute(moment: object) -> str:
    """``2026-11-29 21:11`` of a time as records have it, in UTC; empty where it is none."""
    return moment[:16].replace("T", " ") if isinstance(moment, str) else ""
