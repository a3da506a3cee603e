"""What rows may be ranked by: metrics that follow from predictions, those of plugins among them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ferbench.errors import UserError
from ferbench.metrics.measures import KNOWN, PARTS, PER_CLASS, offered
from ferbench.wording import did_you_mean

if TYPE_CHECKING:
    from ferbench.plugin.component import Component
    from ferbench.plugin.registry import Registry
    from ferbench.ranking.leaderboard import Group

#: What every row has an interval of by its confusion matrix, and what ranks unless something else is asked for.
RANKED_BY = ("macro_f1", "accuracy", "balanced_accuracy")


class PluginMetrics:
    """The metrics of plugins that records have, and the plugins themselves, which are loaded when they are needed.

    Args:
        names: of the metrics.
        registry: loads the plugins; None: they are left out.
    """

    def __init__(self, names: Iterable[str] = (), registry: Callable[[], Registry] | None = None) -> None:
        self.names = tuple(names)
        self._load = registry
        self._found: dict[str, Component] | None = None

    def find(self, name: str) -> Component:
        """The component of a name.

        Raises:
            UserError: it is not here.
        """
        found = self._components().get(name)
        if found is None:
            raise UserError("its plugin is not here", "load it with --plugin")
        return found

    def sources(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Each with a digest of its source, empty where it is not here: what is computed depends on that."""
        found = self._components() if names else {}
        return [(name, (found[name].source_hash() or found[name].version) if name in found else "") for name in names]

    def _components(self) -> dict[str, Component]:
        if self._found is None:
            self._found = {}
            if self._load is not None and self.names:
                registry = self._load()
                for name in self.names:
                    with contextlib.suppress(UserError):  # it is not here, or two plugins have one of that name
                        self._found[name] = registry.find("metric", name)
        return self._found


def is_computed(metric: str, class_names: Sequence[str]) -> bool:
    """Whether a metric of the harness follows from predictions, as the losses of trainings do not."""
    which, colon, name = metric.partition(":")
    if colon:
        return which in PER_CLASS and name in class_names
    return metric in KNOWN and metric not in ("loss", *PARTS)


def check_ranking(groups: Sequence[Group], metric: str, plugins: PluginMetrics) -> None:
    """Refuse a metric that ranks nothing.

    Args:
        groups: that are to be ranked.
        metric: as it was asked for.
        plugins: metrics of plugins.

    Raises:
        UserError: no group has it, or it does not follow from predictions.
    """
    there = dict.fromkeys(name for group in groups for name in group.metrics)
    able = [name for name in there if name in plugins.names or any(is_computed(name, g.class_names) for g in groups)]
    if metric in (*able, *RANKED_BY):
        return
    if metric in there:
        raise UserError(
            f"--rank-by {metric}: it is of each training alone, and follows from no predictions",
            "rank by what all are measured with, such as log_loss",
        )
    overall = ", ".join(name for name in able if ":" not in name) or ", ".join(RANKED_BY)
    if metric in offered():
        remedy = f"give it to the same runs: the command that made them, with --set evaluation.metrics=[{metric}]"
        raise UserError(f"--rank-by {metric}: no run here has it", remedy)
    raise UserError(
        f"--rank-by {metric}: no run here has such a metric",
        f"{did_you_mean(metric, able)}choose among: {overall}, and f1:CLASS or recall:CLASS",
    )
