"""The comparison of two runs or configurations, as values, tables and frames."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.api.given import checked
from ferbench.api.html import table_html
from ferbench.api.results import Run
from ferbench.tables.table import Table
from ferbench.tables.terminal import to_terminal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ferbench.ranking.compare import Comparison as Compared


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two runs or configurations on the same samples.

    Attributes:
        compared: everything that is known, as `ferbench.ranking.compare.Comparison` has it.
        slices: what samples are sliced by: text[n] by name, in the order of ``compared.samples``.
        seeds: how many seeds with a result the configurations of both have.
    """

    compared: Compared
    slices: Mapping[str, NDArray[np.str_]]
    seeds: tuple[int, int]

    @property
    def sentence(self) -> str:
        """What may be concluded."""
        return self.compared.conclusion

    @property
    def frame(self) -> pd.DataFrame:
        """One row a metric: ``first``, ``second``, their ``difference`` with its 95 % interval ``low`` and ``high``,
        ``p``, ``p_adjusted`` (of classes), and the relative ``improvement``."""
        from ferbench.tables.formats import to_frame

        return to_frame(self.tables(0)[0])

    @property
    def samples(self) -> pd.DataFrame:
        """One row a sample that only one side gets right, A's first."""
        from ferbench.tables.formats import to_frame

        return to_frame(self.samples_table())

    def samples_table(self) -> Table:
        """`samples` as a table."""
        from ferbench.report.paired_tables import unlike_samples

        return unlike_samples(self.compared, None)

    def tables(self, samples: int = 10) -> list[Table]:
        """Metrics, then slices, then so many samples that one side gets right and the other wrong, for each."""
        from ferbench.report.paired_tables import tables

        return tables(self.compared, self.slices, samples)

    def document(self, samples: int = 10) -> dict[str, Any]:
        """As plain values: what ``ferbench compare --json`` prints."""
        from ferbench.tables.formats import to_json_value

        compared, discordance = self.compared, self.compared.discordance
        first, second = (
            {
                "label": side.label,
                "config": side.runs[0].config,
                "without_result": dict(side.ended),
                "runs": [{"run": run.run, "name": run.name, "seed": run.seed} for run in side.runs],
            }
            for side in compared.sides
        )
        mcnemar = None
        if discordance is not None:
            counts = {key: getattr(discordance, key) for key in ("both", "only_first", "only_second", "neither")}
            tested = not compared.changes[0].lacks
            mcnemar = {
                **counts,
                "exact_p": discordance.exact if tested else None,
                "mid_p": discordance.mid_p if tested else None,
            }
        on = compared.samples
        rows = {table.id: to_json_value(table)["rows"] for table in self.tables(samples)}
        return {
            "first": first,
            "second": second,
            "n": len(on.ids),
            "class_names": list(on.class_names),
            "rows_digest": compared.sides[0].scores[0].rows,
            "clustered_by": on.clustered_by,
            "unclustered": 0 if on.clusters is None else on.clusters.unknown,
            "configurations": compared.family or None,
            "over_seeds": compared.over_seeds,
            "estimand": compared.estimand,
            "mcnemar": mcnemar,
            "metrics": rows.pop("compare"),
            "samples": rows.pop("compare-samples", []),
            "slices": {key.removeprefix("compare-by-"): values for key, values in rows.items()},
            "conclusion": compared.conclusion,
        }

    def __str__(self) -> str:
        return "\n".join([self.sentence, "", *to_terminal(self.tables(0)[0], None)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.sentence)}</p>{''.join(map(table_html, self.tables(0)))}"


@checked
def compare(
    first: Run | str,
    second: Run | str,
    *,
    seeds: bool = False,
    slices: Sequence[str] = (),
    slice_table: str | PathLike[str] | None = None,
    draws: int = 10_000,
    results: str | PathLike[str] | None = None,
    plugins: Sequence[str | PathLike[str]] = (),
) -> Comparison:
    """Say whether one run or configuration is better than another, paired sample by sample.

    Args:
        first: A: a run, or a name, the first digits of a run's or a configuration's id.
        second: B, the baseline.
        seeds: compare their configurations, over all their seeds.
        slices: also compare within each value of these columns of the samples.
        slice_table: a CSV with more columns of the samples, by a column ``id``.
        draws: of the bootstrap.
        results: the results directory; None: that of a run that is given, or ``results``.
        plugins: local plugins, as ``--plugin``, for the metrics that they have.

    Raises:
        UserError: they were not measured on the same samples, have no result, or there is no such column.
    """
    from ferbench.plugin.discovery import load_registry
    from ferbench.ranking.compare import compare as compared_sides
    from ferbench.ranking.sides import find_side, on_one_test_set, over_seeds, refuse_selections
    from ferbench.ranking.slice_columns import sliced_by
    from ferbench.runs.index import summaries

    given = next((run for run in (first, second) if isinstance(run, Run)), None)
    path = Path(results) if results is not None else given.results if given is not None else Path("results")
    runs = summaries(path)
    a, b = (find_side(path, side.id if isinstance(side, Run) else side, runs) for side in (first, second))
    whole = over_seeds(a, b, runs)
    if seeds:
        refuse_selections(*whole)
        a, b = whole
    local = [os.fspath(plugin) for plugin in plugins]
    compared = compared_sides(
        path, *on_one_test_set(a, b), draws=draws, runs=runs, registry=lambda: load_registry(local)
    )
    more = None if slice_table is None else Path(slice_table)
    sliced = sliced_by(compared.samples.ids, compared.samples.columns, slices, more)
    return Comparison(compared, sliced, (len(whole[0].runs), len(whole[1].runs)))
