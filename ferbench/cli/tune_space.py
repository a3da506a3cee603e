"""``ferbench tune --dry-run``: the space and the study, before anything is tried."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ferbench.cli.json_output import echo_json
from ferbench.cli.tables import fitting, show, terminal_width
from ferbench.experiment.differences import of_recipe, title
from ferbench.kinds import DEFAULTS, NONE

if TYPE_CHECKING:
    from ferbench.tuning.session import Session


def show_space(session: Session, *, as_json: bool) -> None:
    """``--dry-run``."""
    from ferbench.records.study import Dimension

    space, place, by = session.space, session.place, session.by
    if as_json:
        about = {"study": place.id, "exists": place.path.exists(), "label": session.label, "objectives": session.goals}
        echo_json({**about, **asdict(by), "space": space.describe()})
        return
    rows = []
    for dimension in space.dimensions:
        values = Dimension(**dimension.describe())
        rows.append(
            [dimension.key, values.text, values.scale, _where(dimension.section, dimension.component), dimension.source]
        )
    for fixed in space.fixed:
        rows.append([fixed.key, str(fixed.value), "not searched", _where(fixed.section, fixed.component), ""])
    columns = ["parameter", "values", "scale", "only where", "from"]
    if not any(row[3] for row in rows):
        columns, rows = [*columns[:3], "from"], [[*row[:3], row[4]] for row in rows]
    width = terminal_width()
    show(fitting(columns, rows, width, spare=["from", "scale"]), width)
    goals = ", ".join(
        f"{objective.name} ({'higher' if objective.higher_is_better else 'lower'})" for objective in session.objectives
    )
    seeds = ", ".join(map(str, session.settings.seeds))
    there_are = session.base.resolved.components
    used = {section: name for section, name in DEFAULTS.items() if section in there_are or name == NONE}
    there = "there already: it goes on" if place.path.exists() else "new"
    lines = (
        f"study {place.id} ({session.label}; {there})",
        f"base: {title(of_recipe(space.base, used))}",
        f"better: {goals}, on validation",
        f"{session.target} trials chosen by {by.algorithm}, pruner {by.pruner}; the best repeated over seeds {seeds}",
    )
    click.echo("\n" + "\n".join(lines))


def _where(section: str, component: str | None) -> str:
    return "" if component is None else f"{section} = {component}"
