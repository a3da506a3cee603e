"""Every fold validates (``training.folds``) or is tested (``training.test_folds``): axes of a grid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ferbench.errors import UserError
from ferbench.runs.partitions import FOLD_MARK

#: In the place of a number of folds: every person is one, which only who has the data can number.
EVERY_PERSON = "person"

#: Settings of a grid that are nothing of a run, and what each of its runs has instead.
AXES = {"training.folds": "data.fold", "training.test_folds": "data.test_fold"}

#: What to do about folds where one thing is trained or read, not a grid.
ELSEWHERE = "leave it out; 'ferbench run' runs every fold, and {fold}=1/5 names one"


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


def axis(of: int | str) -> list[str]:
    """``data.fold`` or ``data.test_fold`` of every fold; one value where every person is a fold.

    Raises:
        UserError: there are more than `MOST`.
    """
    if isinstance(of, str):
        return [of]
    refuse_more(of, "folds")
    return [f"{place}/{of}" for place in range(1, of + 1)]


def unfolded_key(settings: Mapping[str, Any]) -> str | None:
    """Equal for settings that differ in their name and in the fold that is tested; None where none is."""
    data = dict(settings.get("data", {}))
    if not data.pop("test_fold", None):
        return None
    return json.dumps({**settings, "data": data, "name": None}, sort_keys=True, default=str)


def fold_suffix(settings: Mapping[str, Any]) -> str:
    """What stands behind the name of a run for its fold that is tested: ``-fold-03``; empty where none is."""
    place, _, of = str(settings.get("data", {}).get("test_fold") or "").partition("/")
    return f"{FOLD_MARK}{int(place):0{len(of)}}" if place.isdecimal() else ""


def take_folds(
    base: dict[str, Any], varied: dict[str, list[Any]], flags: Mapping[str, Any], *, refused: str | None
) -> None:
    """Make ``training.folds`` of the settings the axis ``data.fold``, the last of the grid, and ``training.test_folds``
    the axis ``data.test_fold``.

    Args:
        base: raw settings; they lose it.
        varied: axes by dotted key; they gain one.
        flags: values of flags by dotted key, ``--folds`` as ``data.fold``.
        refused: what to do instead, where there can be no grid.

    Raises:
        UserError: it is no number of folds, or other settings ask for folds too.
    """
    for key, fold in AXES.items():
        if key in varied:
            raise UserError(f"{key} is no axis of a grid: it makes one", f"give one number, {key} = 5")
        section, field = base.get("training", {}), key.partition(".")[2]
        if field not in section:
            continue
        of = section.pop(field)
        if not section:
            del base["training"]
        given = f"{key} = {json.dumps(of, default=str)[:80]}"
        if refused is not None:
            raise UserError(f"{given} has no say here: there is one set of samples", refused.format(fold=fold))
        people = fold == "data.test_fold" and of == EVERY_PERSON
        if not people and (not isinstance(of, int) or isinstance(of, bool) or of < 2):
            or_people = f', or {key}="{EVERY_PERSON}"' if fold == "data.test_fold" else ""
            raise UserError(f"{given}: not a whole number of folds, 2 or more", f"for example --set {key}=5{or_people}")
        if flags.get(fold):
            flag = "--" + field.replace("_", "-")
            raise UserError(f"{given}, and {flag} is given too", "leave one of them out")
        one = varied.get(fold) or base.get("data", {}).get(fold.partition(".")[2])
        if one:
            named = ", ".join(map(str, one)) if isinstance(one, list) else str(one)
            raise UserError(f"{given} is every fold, {fold} = {named[:80]} is not", "leave one of them out")
        varied[fold] = axis(of)
