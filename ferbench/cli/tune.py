"""``ferbench tune``: search a recipe's settings. Its subcommands look at studies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.completion import SettingType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import cache_option, results_option
from ferbench.cli.recipe_options import (
    recipe_options,
    set_option,
    short_forms,
    skip_faulty_option,
    start_option,
    take_short_forms,
)
from ferbench.cli.streams import is_live_terminal
from ferbench.cli.studies import report, status, storage_option, write_page
from ferbench.display import keep_working
from ferbench.errors import UserError
from ferbench.wording import did_you_mean

if TYPE_CHECKING:
    from ferbench.tuning.session import Session

_SEARCH = "search"


class OneOf(click.Choice[str]):
    """A choice that is refused in two lines, as every mistake is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in self.choices:
            hint = did_you_mean(str(value), self.choices)
            flag = param.opts[0] if param is not None else "it"
            raise UserError(f"{flag} {value} is not known", f"{hint}choose {', '.join(self.choices)}")
        return super().convert(value, param, ctx)


class SearchCommand(click.Command):
    """Messages call it ``ferbench tune``, as its user does."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if parent is not None:
            info_name, parent = parent.info_name, parent.parent
        return super().make_context(info_name, args, parent=parent, **extra)


class TuneGroup(click.Group):
    """``tune RECIPE`` searches; ``tune status`` and ``tune report`` look at a study. A recipe of such a name is
    given as ``./status``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [_SEARCH, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        search = self.commands[_SEARCH]
        search.format_help(click.Context(search, parent=ctx.parent, info_name=ctx.info_name), formatter)
        with formatter.section("Commands"):
            shown = [(name, command) for name, command in self.commands.items() if not command.hidden]
            formatter.write_dl([(f"{name} STUDY", command.get_short_help_str(100)) for name, command in shown])


@click.group(cls=TuneGroup)
def tune() -> None:
    """Search a recipe's settings."""


@tune.command(_SEARCH, cls=SearchCommand, hidden=True)
@recipe_options("Repeat any of these flags to choose among components.")
@short_forms("")
@set_option
@start_option
@click.option(
    "--search",
    "searches",
    type=SettingType(),
    multiple=True,
    metavar="KEY=VALUES",
    help="What to search, or another range: KEY=0.1..0.6, KEY=1e-4..1e-2:log, KEY=8..64:step=8, KEY=a,b; KEY=VALUE "
    "does not search it.",
)
@click.option("--only", is_flag=True, help="Search nothing but what --search and [tune.search] name.")
@click.option(
    "--trials", type=click.IntRange(min=1), help="Trials in all, those of earlier calls included; default: 50."
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="METRIC",
    help="What to make better on validation, or a cost: seconds, parameters, flops. Repeat for several. The value of a "
    "trial is that of the epoch that training.select keeps.",
)
@click.option(
    "--algorithm",
    type=OneOf(["tpe", "cma-es", "gp", "random", "grid", "nsga-ii"]),
    help="How trials are chosen; default: tpe.",
)
@click.option(
    "--pruner",
    type=OneOf(["auto", "median", "hyperband", "asha", "none"]),
    help="What ends hopeless trials early; default: median, with several objectives none.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes on this host; default: 1.")
@storage_option
@click.option(
    "--grace",
    type=click.FloatRange(min=1),
    default=60.0,
    metavar="SECONDS",
    help="Silence after which trials of another host are taken over; default: 60.",
)
@click.option("--best", type=click.IntRange(min=1), help="How many of the best trials are repeated over the seeds.")
@click.option("--seeds", metavar="S1,S2", help="Seeds of the runs that are tested in the end; default: 0,1,2.")
@click.option("--final/--no-final", default=True, help="Repeat the best trials over the seeds and test them.")
@click.option("--name", help="What the study is called; default: the recipe's name.")
@skip_faulty_option
@click.option("--dry-run", is_flag=True, help="Show the space and the study's name; may pack, never trains.")
@click.option("--json", "as_json", is_flag=True, help="Print the space or the outcome as JSON.")
@click.option("--report/--no-report", "with_report", default=True, help="Write a report page; default: yes.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only results.")
@results_option
@cache_option
@plugin_option
def search(
    recipe: Path | None,
    tracker_names: Sequence[str],
    data: Sequence[str],
    sets: Sequence[str],
    start: str | None,
    searches: Sequence[str],
    only: bool,
    trials: int | None,
    objectives: Sequence[str],
    algorithm: str | None,
    pruner: str | None,
    workers: int | None,
    storage: str | None,
    grace: float,
    best: int | None,
    seeds: str | None,
    final: bool,
    name: str | None,
    skip_faulty: bool,
    dry_run: bool,
    as_json: bool,
    with_report: bool,
    quiet: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
    **names: Sequence[str],
) -> None:
    """Search a recipe's settings on validation, then test the best over several seeds.

    RECIPE is a TOML file, as for 'ferbench run'; its section [tune] says what the flags below say. Every option with a
    search range of the recipe's components is searched; --search adds to them or changes a range, and with --only
    nothing else is searched. Trials are ordinary runs without a test. The same command goes on with the study, and
    --trials 100 extends it. With --from, every trial starts from the weights of that run.

    \b
    ferbench tune RECIPE.toml --trials 50 --workers 2
    ferbench tune RECIPE.toml --search optimizer.lr=1e-4..1e-2:log --search loss=cross-entropy,focal
    ferbench tune status STUDY
    """
    from ferbench.cli.packed import preparer
    from ferbench.kinds import SECTIONS
    from ferbench.plugin.discovery import load_registry
    from ferbench.tuning.prepare_search import prepare_search

    short = take_short_forms(names, {"--set": sets, "--search": searches})
    for key, several in short.items():
        if len(several) > 1:
            listed = ",".join(f"{value:g}" for value in several)
            raise UserError(f"{key} has several values: {listed}", f"search it: --search {key}={listed}")
    silent = as_json or quiet
    asked = {
        "trials": trials,
        "objectives": tuple(objectives),
        "algorithm": algorithm,
        "pruner": pruner,
        "only": only,
        "workers": workers,
        "best": best,
        "seeds": None if seeds is None else _final_seeds(seeds),
    }
    session = prepare_search(
        preparer(load_registry(plugin), results, cache, quiet=silent),
        results,
        cache,
        recipe=recipe,
        components={section: names[f"{section}_names"] for section in SECTIONS},
        trackers=tracker_names,
        data=data,
        sets=sets,
        values={key: value for key, (value,) in short.items()},
        searches=[_search(text) for text in searches],
        tune=asked,
        start=start,
        name=name,
        skip_faulty=skip_faulty,
        plugins=plugin,
        storage=storage,
        grace=grace,
    )
    _warn(session, name, quiet=silent)
    if dry_run:
        from ferbench.cli.tune_space import show_space

        show_space(session, as_json=as_json)
        return
    from ferbench.cli.study_tables import show_best, show_finalists
    from ferbench.cli.tune_progress import LiveTrials, TrialProgress
    from ferbench.tuning.view import read_view

    keep_working()
    try:
        live = is_live_terminal() and not silent
        kind = LiveTrials if live else partial(TrialProgress, quiet=silent)
        outcome = session.conduct(kind(session.objectives, session.settings.workers), finish=final)
    except KeyboardInterrupt:
        click.echo(f"interrupted: the same command goes on with study {session.place.id}", err=True)
        raise
    place = session.place
    view = read_view(place, results, storage, importances=with_report)
    page = write_page(view, place) if with_report else None
    if as_json:
        about = {"study": place.id, "directory": str(place.path), **({} if page is None else {"report": str(page)})}
        echo_json({**about, **({} if outcome is None else outcome.plain())})
        return
    if outcome is not None:
        show_finalists(view)
        if place.best.is_file():
            click.echo(f"\nbest recipe: {place.best}")
    else:
        show_best(view)
    if page is not None:
        click.echo(f"report: {page}")


def _final_seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UserError(f"--seeds {text}: these are no seeds", "give whole numbers: --seeds 0,1,2")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _search(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise UserError(f"--search {text!r} is not KEY=VALUES", "for example --search model.dropout=0.1..0.6")
    return key.strip(), value.strip()


def _warn(session: Session, name: str | None, *, quiet: bool) -> None:
    """Say what a user should know before the first trial."""
    from ferbench.api.conduct import forewarnings
    from ferbench.cli.naming import warn_of_digits
    from ferbench.experiment.plan import single_update
    from ferbench.tuning.session import DEFAULT_TRIALS
    from ferbench.tuning.space_warnings import few_trials, without_effect

    warn_of_digits(session.label, "study")
    if name is not None and name != session.label:
        about = f"study {session.place.id} is called '{session.label}' already, and keeps that name"
        click.echo(f"warning: {about}", err=True)
    if session.left_out and session.base.start is not None and not quiet:
        keys = ", ".join(session.left_out)
        click.echo(f"not searched, since the weights of {session.base.start.label} do not fit: {keys}", err=True)
    select = session.base.resolved.recipe.training.select
    others = [objective.name for objective in session.objectives if objective.is_metric and objective.name != select]
    if others and not quiet:
        click.echo(
            f"the value of a trial is that of the epoch with the best {select} (training.select); "
            f"for that with the best {others[0]}: --set training.select={others[0]}",
            err=True,
        )
    searched = {dimension.key: None for dimension in session.space.dimensions}
    trials = session.settings.trials or DEFAULT_TRIALS
    channels = int(session.base.pack.images.shape[1])
    for line in (few_trials([*searched], trials, session.settings.algorithm), without_effect([*searched], channels)):
        if line is not None:
            click.echo(line, err=True)
    about_batches = single_update(session.base)
    for warning in forewarnings(session.base):
        if warning != about_batches or not {"training.batch_size", "training.accumulate"} & searched.keys():
            click.echo(warning, err=True)


tune.add_command(status)
tune.add_command(report)
