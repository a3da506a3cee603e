"""``ferbench tune status`` and ``ferbench tune report``: look at studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ferbench.cli.json_output import echo_json
from ferbench.cli.places import OutputType, results_option
from ferbench.errors import UserError

if TYPE_CHECKING:
    from ferbench.tuning.study import StudyDirectory
    from ferbench.tuning.view import StudyView

storage_option: Any = click.option(
    "--storage",
    envvar="FERBENCH_STORAGE",
    metavar="URL",
    help="Database that hosts share: postgresql+psycopg://USER@HOST/NAME or mysql+pymysql://… (also FERBENCH_STORAGE).",
)


class StudyType(click.ParamType):
    """A study by id, name or path: completes names and ids of the results directory."""

    name = "study"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ferbench.bounded import from_json, read_file

        words: list[str] = []
        for path in sorted((Path(ctx.params.get("results") or "results") / "studies").glob("*/study.json")):
            try:  # without the types of records, which take too long to import here
                label = from_json(read_file(path)).get("label")
            except (OSError, ValueError, AttributeError):
                label = None
            words += [word for word in (label, path.parent.name) if isinstance(word, str)]
        return [CompletionItem(word) for word in dict.fromkeys(words) if word.startswith(incomplete)]


@click.command()
@click.argument("study", type=StudyType())
@storage_option
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON.")
@results_option
def status(study: str, storage: str | None, as_json: bool, results: Path) -> None:
    """Show a study's trials and its best so far.

    STUDY is a name, an id or its first digits (at least four), or the path of a study's directory.
    """
    from ferbench.cli.study_tables import show_finalists, show_trials, trials_json
    from ferbench.tuning.final import tally
    from ferbench.tuning.study import find_study
    from ferbench.tuning.view import read_view

    place = find_study(results, study)
    view = read_view(place, results, storage, importances=False)
    record, outcome, tried = view.record, view.outcome, tally(view.trials)
    if as_json:
        content = {
            **{"study": place.id, "label": record.label},
            **{"algorithm": record.algorithm, "pruner": record.pruner, "seed": record.seed},
            **{"counts": tried.plain(), "best": view.best, "trials": trials_json(view)},
        }
        echo_json({**content, "outcome": None if outcome is None else outcome.plain()})
        return
    show_trials(view)
    states = ", ".join(f"{number} {state}" for state, number in tried.plain().items() if number and state != "all")
    ended = f" ({states}); * marks the best" if states else ""
    click.echo(f"\nstudy {place.id} ({record.label}): {tried.all} trials{ended}")
    seed = "not recorded" if record.seed is None else record.seed
    click.echo(f"chosen by {record.algorithm}, pruner {record.pruner}, seed {seed}")
    if storage is None:
        click.echo("a process is at work on it" if place.is_conducted() else "no process is at work on it")
    if outcome is not None:
        click.echo("")
        more = tried.all - outcome.trials.all
        if more > 0:
            last = "trial" if more == 1 else f"{more} trials"
            click.echo(f"before the last {last} ('ferbench tune' again repeats and tests the best of all):")
        show_finalists(view)


@click.command()
@click.argument("study", type=StudyType())
@storage_option
@click.option("--output", "-o", type=OutputType(), help="Where the page goes; - is standard output.")
@click.option("--open", "open_it", is_flag=True, help="Open it in a browser.")
@results_option
def report(study: str, storage: str | None, output: Path | None, open_it: bool, results: Path) -> None:
    """Write a study's page: history, importance, parallel coordinates, slices, Pareto front."""
    from ferbench.output import write_output
    from ferbench.storage import replace_file
    from ferbench.tuning.study import find_study
    from ferbench.tuning.study_page import study_page
    from ferbench.tuning.view import read_view

    place = find_study(results, study)
    path = output or place.report
    (replace_file if output is None else write_output)(path, study_page(read_view(place, results, storage)).encode())
    click.echo(f"report: {path}")
    if open_it:
        click.launch(str(path))


def write_page(view: StudyView, place: StudyDirectory) -> Path | None:
    """Write the page of a study; None when there is no room for it, which loses no result."""
    from ferbench.storage import replace_file
    from ferbench.tuning.study_page import study_page

    try:
        replace_file(place.report, study_page(view).encode())
    except UserError as error:
        click.echo(f"no report was written: {error.message}\n  → {error.remedy}", err=True)
        return None
    return place.report
