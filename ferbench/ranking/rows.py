"""The rows of a leaderboard: the evaluations of a configuration, or a single one, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ferbench.ids import short
from ferbench.kinds import SECTIONS
from ferbench.tables.table import Cell, Spread

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

#: Columns that are those of a row's first evaluation.
_OF_FIRST = ["run", "kind", "fold", "trained_on", "epochs", "parameters", "flops", "select", "settings"]
_OF_FIRST += ["config_id", "unfolded_id"]
#: Columns that `ferbench.ranking.standing` fills.
_STANDING = ("rank", "rank_range", "gap", "p", "unranked")


def rows_of(members: pd.DataFrame, *, single: bool, folds: bool) -> pd.DataFrame:
    """A frame with a row for each value of ``row``, by which the members are sorted.

    Columns: ``config`` (twelve digits), ``name``, the components by section, ``seed`` or ``seeds``, ``folds`` (``3 of
    5``; missing where a row is over none) and ``whole`` (it has every fold), what it cost, ``runs``; ``settings`` by
    key, and ``evaluation.tta`` where it was not tested plainly; ``start`` and ``end`` of its members. ``rank``,
    ``rank_range``, ``gap``, ``p``, ``unranked`` (why it has no rank) and ``intervals`` (95 %, by metric) are missing
    and empty until they are known, and so is ``without``: metrics without some samples.

    Args:
        members: of a group.
        single: a row is a run.
        folds: of a partition, not on a test set.
    """
    import numpy as np

    ends = np.cumsum(np.bincount(members["row"]))
    starts = np.concatenate([[0], ends[:-1]])
    first = members.iloc[starts]
    rows = first[_OF_FIRST].set_axis(range(len(first)))

    def over(key: str, of: Callable[[list[Any]], T]) -> list[T]:
        values = members[key].astype(object).where(members[key].notna(), None).tolist()
        return [of(values[start:end]) for start, end in zip(starts, ends, strict=True)]

    configs = rows["unfolded_id" if folds else "config_id"]
    columns: dict[str, Any] = {
        "start": starts,
        "end": ends,
        "config": [short(config) for config in configs],
        "name": _texts(over("name", _names)),
        "seed": first["seed"].array,
        "seeds": over("seed", _seeds if folds and not single else len),
        "runs": over("run", " ".join),
        "train": over("train", _same),
        **{key: over(key, _first if single else _spread) for key in ("best_epoch", "seconds", "images_per_second")},
        **{key: None for key in _STANDING},
        "folds": None,
        "whole": True,
        "intervals": [{} for _ in ends],
        "without": [{} for _ in ends],
    }
    rows = rows.assign(**columns)
    return rows.assign(**{key: _texts(settings.get(key) for settings in rows["settings"]) for key in SECTIONS})


def _texts(values: Iterable[str | None]) -> pd.Series:
    """None stays None, which is missing and false, where a column of the dtype ``str`` has NaN."""
    import pandas as pd

    return pd.Series(list(values), dtype=object)


def _names(given: Sequence[str | None]) -> str | None:
    """Up to three names with commas between them, of more the first two and a count."""
    names = list(dict.fromkeys(filter(None, given)))
    return ", ".join(names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]) or None


def _seeds(given: Sequence[int | None]) -> int:
    return len({seed or 0 for seed in given})


def _same(values: Sequence[Any]) -> Any:
    return values[0] or None if len(set(values)) == 1 else None


def _first(values: Sequence[Cell]) -> Cell:
    return values[0]


def _spread(values: Sequence[float | None]) -> Cell:
    known = [value for value in values if value is not None]
    return Spread.of(known) if len(known) == len(values) else None
