"""A search under way, as a terminal shows it, and what came of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ferbench.cli.json_output import echo_json
from ferbench.cli.studies import write_report

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from ferbench.cli.trials import TrialProgress
    from ferbench.tune.session import Session


def conduct(session: Session, *, finish: bool, quiet: bool, as_json: bool, with_report: bool) -> None:
    """Search, repeat and test the best, and say what came of it.

    Args:
        session: what is searched, and where.
        finish: repeat and test the best trials.
        quiet: show no progress.
        as_json: print the outcome as JSON, and nothing else.
        with_report: write the study's page.
    """
    from ferbench.cli.trials import LiveTrials, TrialProgress
    from ferbench.tune.view import best_numbers

    def watch_for(trials: list[FrozenTrial], target: int) -> TrialProgress:
        _introduce(session, quiet=quiet or as_json)
        workers = session.settings.workers
        if sys.stderr.isatty() and not (quiet or as_json):
            return LiveTrials(trials, target, session.objectives, workers)
        return TrialProgress(trials, target, session.objectives, workers, quiet=quiet or as_json)

    try:
        trials, outcome = session.conduct(watch_for, finish=finish)
    except KeyboardInterrupt:
        click.echo(f"interrupted: the same command goes on with study {session.place.id}", err=True)
        raise
    page = write_report(session.place, session.results, session.storage) if with_report else None
    if as_json:
        about = {"study": session.place.id, "directory": str(session.place.path)}
        about |= {} if page is None else {"report": str(page)}
        echo_json({**about, **(outcome or {})})
        return
    from ferbench.cli.study_tables import show_best, show_finalists

    if outcome is not None:
        show_finalists(outcome, session.results)
        if session.place.best.is_file():
            click.echo(f"\nbest recipe: {session.place.best}")
    else:
        names = [objective.name for objective in session.objectives]
        show_best(trials, names, best_numbers(trials, names))
    if page is not None:
        click.echo(f"report: {page}")


def _introduce(session: Session, *, quiet: bool) -> None:
    """Say which study this is, and why it is a new one where another of that recipe is there; write ``study.json``."""
    import datetime

    from ferbench.tune.algorithms import searched_by
    from ferbench.tune.storage import shown_url
    from ferbench.tune.study import covers, differences, earlier

    place = session.place
    by = searched_by(session.settings, session.objectives)
    covered = covers(session.space, session.objectives, session.base, by)
    existed = (place.path / "study.json").is_file()
    before = None if existed else earlier(session.results, session.label, place)
    if not quiet:
        number = len(session.space.dimensions)
        dimensions = "1 dimension" if number == 1 else f"{number} dimensions"
        what = "going on with study" if existed else "study"
        click.echo(f"{what} {place.id} ({session.label}): {dimensions}", err=True)
        if before is not None:
            was = {"search": {}, **(before.read().get("covers") or {})}
            unlike = list(differences(was, {"search": {}, **covered}))
            more = f" and {len(unlike) - 5} more" if len(unlike) > 5 else ""
            click.echo(f"a new study: it differs from study {before.id} in {', '.join(unlike[:5])}{more}", err=True)
    created = place.read()["created"] if existed else datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    place.write(
        {
            "id": place.id,
            "label": session.label,
            "created": created,
            "storage": None if session.storage is None else shown_url(session.storage),
            "objectives": [objective.name for objective in session.objectives],
            **by,
            "trials": session.settings.trials,
            "dataset": session.base.pack.dataset,
            "protocol": session.base.split.protocol,
            "synthetic": session.base.dataset_spec.synthetic,
            "samples": {"train": len(session.base.split.train), "validation": len(session.base.split.validation)},
            "space": session.space.describe(),
            "covers": covered,
        }
    )
