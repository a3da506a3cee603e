"""``ferbench tune --dry-run``: the space and the study, before anything is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ferbench.cli.json_output import echo_json
from ferbench.cli.tables import fitting, show, terminal_width
from ferbench.experiment.differences import of_recipe, title
from ferbench.kinds import DEFAULTS

if TYPE_CHECKING:
    from ferbench.tune.session import Session


def show_space(session: Session, *, as_json: bool) -> None:
    """``--dry-run``."""
    from ferbench.tune.algorithms import searched_by
    from ferbench.tune.session import DEFAULT_TRIALS

    space, place = session.space, session.place
    if as_json:
        objectives = [objective.name for objective in session.objectives]
        about = {"study": place.id, "exists": place.path.exists(), "label": session.label, "objectives": objectives}
        about |= searched_by(session.settings, session.objectives)
        echo_json({**about, "space": space.describe()})
        return
    rows = [
        [one.key, one.values.text, one.values.scale, _where(one.section, one.component), one.source]
        for one in space.dimensions
    ]
    for fixed in space.fixed:
        key = ".".join(filter(None, (fixed.section, fixed.component, fixed.field)))
        rows.append([key, str(fixed.value), "not searched", _where(fixed.section, fixed.component), ""])
    columns = ["parameter", "values", "scale", "only where", "from"]
    if not any(row[3] for row in rows):
        columns, rows = [*columns[:3], "from"], [[*row[:3], row[4]] for row in rows]
    width = terminal_width()
    show(fitting(columns, rows, width, spare=["from", "scale"]), width)
    settings = session.settings
    goals = ", ".join(f"{one.name} ({'higher' if one.higher_is_better else 'lower'})" for one in session.objectives)
    trials = settings.trials or (_points(session) if settings.algorithm == "grid" else DEFAULT_TRIALS)
    seeds = ", ".join(map(str, settings.seeds))
    pruner = searched_by(settings, session.objectives)["pruner"]
    there = "there already: it goes on" if place.path.exists() else "new"
    lines = (
        f"study {place.id} ({session.label}; {there})",
        f"base: {title(of_recipe(space.base, DEFAULTS))}",
        f"better: {goals}, on validation",
        f"{trials} trials chosen by {settings.algorithm}, pruner {pruner}; the best repeated over seeds {seeds}",
    )
    click.echo("\n" + "\n".join(lines))


def _where(section: str, component: str | None) -> str:
    return "" if component is None else f"{section} = {component}"


def _points(session: Session) -> int:
    """How many there are in a grid."""
    return sum(1 for _ in session.space.grid())
