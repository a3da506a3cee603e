"""``training.folds = K``: every fold of K. It is an axis of a grid, and nothing of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ferbench.errors import UserError

KEY = "training.folds"
FOLD = "data.fold"

#: What to do about folds where one thing is trained or read, not a grid.
ELSEWHERE = "leave it out; 'ferbench run' runs every fold, and data.fold=1/5 names one"


#: Combinations that a grid may have: more than anybody waits for.
MOST = 10_000


def refuse_more(count: int, what: str) -> None:
    """Refuse a grid before it is laid out.

    Args:
        count: of its combinations, or of the values of one axis.
        what: they are, such as ``values of --grid optimizer.lr``.

    Raises:
        UserError: there are more than `MOST`.
    """
    if count > MOST:
        raise UserError(
            f"a grid of {count:,} {what}: {MOST:,} combinations at most",
            "give fewer values, or search with 'ferbench tune'",
        )


def axis(of: int) -> list[str]:
    """``data.fold`` of every fold.

    Raises:
        UserError: there are more than `MOST`.
    """
    refuse_more(of, "folds")
    return [f"{place}/{of}" for place in range(1, of + 1)]


def take_folds(
    base: dict[str, Any], varied: dict[str, list[Any]], flags: Mapping[str, Any], *, refused: str | None
) -> None:
    """Make ``training.folds`` of the settings the axis ``data.fold``, the last of the grid.

    Args:
        base: raw settings; they lose it.
        varied: axes by dotted key; they gain one.
        flags: values of flags by dotted key, ``--folds`` as ``data.fold``.
        refused: what to do instead, where there can be no grid.

    Raises:
        UserError: it is no number of folds, or other settings ask for folds too.
    """
    if KEY in varied:
        raise UserError(f"{KEY} is no axis of a grid: it makes one", f"give one number, {KEY} = 5")
    section = base.get("training", {})
    if "folds" not in section:
        return
    of = section.pop("folds")
    if not section:
        del base["training"]
    given = f"{KEY} = {json.dumps(of, default=str)[:80]}"
    if refused is not None:
        raise UserError(f"{given} has no say here: there is one set of samples", refused)
    if not isinstance(of, int) or isinstance(of, bool) or of < 2:
        raise UserError(f"{given}: not a whole number of folds, 2 or more", f"for example --set {KEY}=5")
    if flags.get(FOLD):
        raise UserError(f"{given}, and --folds is given too", "leave one of them out")
    one = varied.get(FOLD) or base.get("data", {}).get("fold")
    if one:
        named = ", ".join(map(str, one)) if isinstance(one, list) else str(one)
        raise UserError(f"{given} is every fold, {FOLD} = {named[:80]} is not", "leave one of them out")
    varied[FOLD] = axis(of)
