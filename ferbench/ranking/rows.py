"""The rows of leaderboards: the evaluations of a configuration, or a single one, put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ferbench.experiment.differences import FOLDS
from ferbench.ids import short
from ferbench.kinds import OF_RUNS
from ferbench.ranking.cross_validation import held
from ferbench.runs.frame import values_of
from ferbench.runs.partitions import place_of
from ferbench.tables.table import Cell, Spread
from ferbench.wording import few_of

if TYPE_CHECKING:
    import pandas as pd

#: Columns that are those of a row's first evaluation.
_OF_FIRST = ["group", "run", "seed", "kind", "fold", "trained_on", "epochs", "parameters", "flops", "select"]
_OF_FIRST += ["config_id", "unfolded_id", "whole"]
#: Columns that are means over a row's runs.
_MEANS = ("best_epoch", "seconds", "images_per_second")


def rows_of(members: pd.DataFrame, *, single: bool) -> pd.DataFrame:
    """A frame with a row for each value of ``row``, by which the members are sorted within their ``group``.

    Columns: ``config`` (twelve digits), ``name``, the components by section, ``seed`` and ``seeds``, ``fold`` and
    ``folds`` (``3 of 5``; missing where a row is over none) and ``whole`` (it has every fold), what it cost, ``runs``;
    ``settings`` by key, and ``evaluation.tta`` where it was not tested plainly; ``start`` and ``end`` of its members
    within the group. ``rank``, ``rank_range``, ``gap``, ``p``, ``unranked`` (why it has no rank) and ``intervals``
    (95 %, by metric) are missing and empty until they are known, and so is ``without``: metrics without some samples.
    ``plan`` says of a row whether it was planned, ``unplanned`` why it was not (`ferbench.ranking.planned`).
    ``removed`` is how many models that were tested as a part of the row are not there any more.

    Args:
        members: of groups.
        single: a row is a run.
    """
    import numpy as np
    import pandas as pd

    ends = members.groupby("row", sort=False).size().cumsum()
    starts = ends.shift(fill_value=0)
    first = members.iloc[starts]
    rows = first.set_index("row")[_OF_FIRST]
    before = starts.groupby(rows["group"]).transform("min")
    places = list(zip(starts, ends, strict=True))

    def over(key: str, of: Callable[[list[Any]], Any]) -> pd.Series:
        values = values_of(members[key])
        return pd.Series([of(values[start:end]) for start, end in places], rows.index, dtype=object)

    folded = np.array([not single and place == place for place in first["place"]], dtype=bool)
    counts = zip(folded, over("sown", Counter), rows["fold"], strict=True)
    folds = [held(seeds.values(), place_of(fold)[1]) if is_one else None for is_one, seeds, fold in counts]
    settings = [
        {key: value for key, value in given.items() if key not in FOLDS} if is_one else given
        for is_one, given in zip(folded, first["settings"], strict=True)
    ]
    shared = first["shared"].map(short).array
    # At once: columns that are put in one by one take most of the time of a small leaderboard.
    columns = {
        **rows,
        "start": starts - before,
        "end": ends - before,
        "config": shared,
        "name": over("name", _names),
        "seeds": over("sown", len).where(~folded, over("sown", lambda seeds: len(set(seeds)))),
        "folds": pd.array(folds, dtype=object),
        "runs": over("run", " ".join),
        "train": over("train", _same),
        **{key: over(key, _first if single else _mean) for key in _MEANS},
        "settings": settings,
        **dict.fromkeys(("rank", "rank_range", "gap", "p", "unranked", "plan", "unplanned")),
        "intervals": [{} for _ in places],
        "without": [{} for _ in places],
        "removed": 0,
    }
    rows = pd.DataFrame(columns, rows.index)
    # Objects, since None stays None among them, which is false.
    components = {key: [given.get(key) for given in settings] for key in OF_RUNS}
    return pd.concat([rows, pd.DataFrame(components, rows.index, dtype=object)], axis=1)


def _names(given: Sequence[str | None]) -> str | None:
    return few_of(filter(None, given), 3) or None


def _same(values: Sequence[Any]) -> Any:
    return values[0] or None if len(set(values)) == 1 else None


def _first(values: Sequence[Cell]) -> Cell:
    return values[0]


def _mean(values: Sequence[float | None]) -> Cell:
    known = [value for value in values if value is not None]
    return Spread.of(known) if len(known) == len(values) else None
