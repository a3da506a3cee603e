"""``ferbench tune status`` and ``ferbench tune report``: look at studies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ferbench.cli.json_output import echo_json
from ferbench.cli.places import results_option
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.tune.storage import Storage
    from ferbench.tune.study import StudyPlace

storage_option: Any = click.option(
    "--storage",
    envvar="FERBENCH_STORAGE",
    metavar="URL",
    help="Database that hosts share, such as postgresql+psycopg://USER@HOST/NAME (also FERBENCH_STORAGE).",
)


class StudyType(click.ParamType):
    """A study by id, name or path: completes names and ids of the results directory."""

    name = "study"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        import json

        found: dict[str, None] = {}
        for path in sorted((Path(ctx.params.get("results") or "results") / "studies").glob("*/study.json")):
            try:
                label = json.loads(path.read_text(encoding="utf-8")).get("label")
            except (OSError, ValueError, AttributeError):
                label = None
            found |= {word: None for word in (label, path.parent.name) if isinstance(word, str)}
        return [CompletionItem(word) for word in found if word.startswith(incomplete)]


@click.command()
@click.argument("study", type=StudyType())
@storage_option
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON.")
@results_option
def status(study: str, storage: str | None, as_json: bool, results: Path) -> None:
    """Show a study's trials and its best so far.

    STUDY is a name, an id or its first digits (at least four), or the path of a study's directory.
    """
    from ferbench.cli.study_tables import show_finalists, show_trials
    from ferbench.tune.algorithms import CHOSEN_BY
    from ferbench.tune.final import counts
    from ferbench.tune.ledger import load
    from ferbench.tune.study import find_study
    from ferbench.tune.view import STATES, best_numbers

    place = find_study(results, study)
    about = place.read()
    with opened(place, storage) as kept:
        trials = load(kept, place.id).get_trials(deepcopy=False)
    best = best_numbers(trials, about["objectives"])
    tally = counts(trials)
    outcome = place.outcome()
    if as_json:
        entries = [
            {
                "trial": trial.number,
                "state": STATES[trial.state],
                "values": dict(zip(about["objectives"], trial.values or [], strict=False)),
                "params": trial.params,
                "chosen_by": trial.user_attrs.get(CHOSEN_BY),
                **{key: trial.user_attrs[key] for key in ("run", "seconds", "reason") if key in trial.user_attrs},
            }
            for trial in trials
        ]
        by = {key: about.get(key) for key in ("algorithm", "pruner", "seed")}
        content = {"study": place.id, "label": about["label"], **by, "counts": tally, "best": best, "trials": entries}
        echo_json({**content, "outcome": outcome})
        return
    show_trials(trials, about["objectives"], set(best))
    states = ", ".join(f"{number} {state}" for state, number in tally.items() if number and state != "all")
    ended = f" ({states}); * marks the best" if states else ""
    click.echo(f"\nstudy {place.id} ({about['label']}): {tally['all']} trials{ended}")
    click.echo(
        f"chosen by {about.get('algorithm')}, pruner {about.get('pruner')}, seed {about.get('seed', 'not recorded')}"
    )
    if storage is None:
        click.echo("a process is at work on it" if place.is_conducted() else "no process is at work on it")
    if outcome is not None:
        click.echo("")
        if outcome["trials"]["all"] < tally["all"]:
            more = tally["all"] - outcome["trials"]["all"]
            last = "trial" if more == 1 else f"{more} trials"
            click.echo(f"before the last {last} ('ferbench tune' again repeats and tests the best of all):")
        show_finalists(outcome, results)


@click.command()
@click.argument("study", type=StudyType())
@storage_option
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where the page goes.")
@click.option("--open", "open_it", is_flag=True, help="Open it in a browser.")
@results_option
def report(study: str, storage: str | None, output: Path | None, open_it: bool, results: Path) -> None:
    """Write a study's page: history, importance, parallel coordinates, slices, Pareto front."""
    from ferbench.report.study_page import study_page
    from ferbench.storage import replace_file
    from ferbench.tune.ledger import load
    from ferbench.tune.study import find_study
    from ferbench.tune.view import read_study

    place = find_study(results, study)
    with opened(place, storage) as kept:
        page = study_page(read_study(place, load(kept, place.id), results))
    path = output or place.report
    replace_file(path, page.encode())
    click.echo(f"report: {path}")
    if open_it:
        click.launch(str(path))


def write_report(place: StudyPlace, results: Path, storage: str | None) -> Path | None:
    """Write the page of a study; None when there is no room for it, which loses no result."""
    from ferbench.report.study_page import study_page
    from ferbench.storage import replace_file
    from ferbench.tune.ledger import load
    from ferbench.tune.view import read_study

    with opened(place, storage) as kept:
        page = study_page(read_study(place, load(kept, place.id), results))
    try:
        replace_file(place.report, page.encode())
    except UserError as error:
        click.echo(f"no report was written: {error.message}\n  → {error.remedy}", err=True)
        return None
    return place.report


@contextlib.contextmanager
def opened(place: StudyPlace, storage: str | None) -> Iterator[Storage]:
    """The storage of a study, to read."""
    from ferbench.tune.storage import Storage, quiet_optuna

    quiet_optuna()
    if storage is None:
        kept = place.read().get("storage")
        if kept is not None:
            raise UserError(
                f"study {place.id} is kept in {kept}", "say so with --storage, with the password if it needs one"
            )
        if not place.database.is_file():
            raise UserError(f"study {place.id} has no trial yet", "begin it with 'ferbench tune'")
    opened = Storage(storage or f"sqlite:///{place.database.absolute()}")
    try:
        yield opened
    finally:
        opened.close()
