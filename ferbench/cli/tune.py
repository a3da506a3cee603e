"""``ferbench tune``: search a recipe's settings, and look at studies."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ferbench.cli.completion import SettingType, plugin_option
from ferbench.cli.json_output import echo_json
from ferbench.cli.places import cache_option, results_option
from ferbench.cli.recipe_options import (
    add_trackers,
    asked_settings,
    recipe_options,
    set_option,
    skip_faulty_option,
)
from ferbench.errors import UserError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from ferbench.tune.session import Session
    from ferbench.tune.storage import Storage
    from ferbench.tune.study import StudyPlace

_SEARCH = "search"


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
            shown = [(name, one) for name, one in self.commands.items() if not one.hidden]
            formatter.write_dl([(f"{name} STUDY", one.get_short_help_str(100)) for name, one in shown])


@click.group(cls=TuneGroup)
def tune() -> None:
    """Search a recipe's settings."""


storage_option: Any = click.option(
    "--storage",
    envvar="FERBENCH_STORAGE",
    metavar="URL",
    help="Database that hosts share, such as postgresql+psycopg://USER@HOST/NAME (also FERBENCH_STORAGE).",
)


@tune.command(_SEARCH, hidden=True)
@recipe_options("Repeat any of these flags to choose among components.")
@set_option
@click.option(
    "--search",
    "searches",
    type=SettingType(),
    multiple=True,
    metavar="KEY=VALUES",
    help="What to search: KEY=0.1..0.6, KEY=1e-4..1e-2:log, KEY=8..64:step=8, KEY=a,b; KEY=VALUE does not search it.",
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
    help="What to make better on validation, or a cost: seconds, parameters, flops. Repeat for several.",
)
@click.option(
    "--algorithm",
    type=click.Choice(["tpe", "cma-es", "gp", "random", "grid", "nsga-ii"]),
    help="How trials are chosen; default: tpe.",
)
@click.option(
    "--pruner",
    type=click.Choice(["auto", "median", "hyperband", "asha", "none"]),
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

    RECIPE is a TOML file, as for 'ferbench run'; its section [tune] says what the flags below say. Without --search,
    every option with a search range of the recipe's components is searched. Trials are ordinary runs without a test.
    The same command goes on with the study, and --trials 100 extends it.

    \b
    ferbench tune RECIPE.toml --trials 50 --workers 2
    ferbench tune RECIPE.toml --search optimizer.lr=1e-4..1e-2:log --search loss=cross-entropy,focal
    ferbench tune status STUDY
    """
    from ferbench.experiment.settings import read_recipe
    from ferbench.plugin.discovery import load_registry
    from ferbench.tune.settings import read_tune

    raw = read_recipe(recipe) if recipe is not None else {}
    if raw.get("from") is not None:
        raise UserError("trials that start from another run cannot be searched yet", "leave 'from' out of the recipe")
    add_trackers(raw, tracker_names)
    flags = {
        "trials": trials,
        "objectives": tuple(objectives),
        "algorithm": algorithm,
        "pruner": pruner,
        "only": only,
        "workers": workers,
        "best": best,
        "seeds": None if seeds is None else _seeds(seeds),
    }
    table = dict(raw.get("tune", {}))
    _take_seeds(raw, table)
    settings = read_tune(table, flags)
    components = {key.removesuffix("_names"): value for key, value in names.items()}
    first = {section: value[:1] for section, value in components.items()}
    (base,) = asked_settings(raw, first, data, sets=sets, skip_faulty=skip_faulty)
    label = str(name or base.pop("name", None) or "tune")
    base.pop("name", None)
    asked = _searches(settings.search, components, sets, searches)
    registry = load_registry(plugin)
    session = _session(base, label, settings, asked, registry, results, cache, plugin, storage, grace, as_json or quiet)
    if dry_run:
        _show_space(session, as_json=as_json)
        return
    _conduct(session, finish=final, quiet=quiet, as_json=as_json, with_report=with_report)


def _seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UserError(f"--seeds {text}: these are no seeds", "give whole numbers: --seeds 0,1,2")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _take_seeds(raw: dict[str, Any], table: dict[str, Any]) -> None:
    """A recipe's grid over seeds is over those of the final runs; any other grid is a search to be written as one."""
    grid = raw.pop("grid", {})
    for key, values in grid.items():
        if key != "training.seed":
            raise UserError(
                f"the recipe has a grid over {key}", f"write it as a search: --search {key}=… with --algorithm grid"
            )
        table.setdefault("seeds", list(values))


def _searches(
    table: dict[str, Any], components: dict[str, Sequence[str]], sets: Sequence[str], flags: Sequence[str]
) -> list[tuple[str, Any, str]]:
    """(key, values, source), those that win last."""
    from ferbench.experiment.recipe import COMPONENT_SECTIONS
    from ferbench.experiment.settings import parse_value

    found: list[tuple[str, Any, str]] = []
    for text in sets:  # checked already
        key, _, value = text.partition("=")
        section, _, field = key.strip().partition(".")
        if section in COMPONENT_SECTIONS and section != "dataset" and field != "name":
            found.append((key.strip(), [parse_value(value.strip())], "--set"))
    found += [(key, value, "[tune.search]") for key, value in table.items()]
    if len(components["dataset"]) > 1:
        raise UserError("a study has one dataset", "tune on one, and run the best recipe on the others")
    found += [
        (section, list(names), f"--{section}")
        for section, names in components.items()
        if names and section != "dataset"
    ]
    for text in flags:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UserError(f"--search {text!r} is not KEY=VALUES", "for example --search model.dropout=0.1..0.6")
        found.append((key.strip(), value.strip(), "--search"))
    return found


def _session(
    base: dict[str, Any],
    label: str,
    settings: Any,
    asked: list[tuple[str, Any, str]],
    registry: Any,
    results: Path,
    cache: Path,
    plugins: Sequence[str],
    storage: str | None,
    grace: float,
    quiet: bool,
) -> Session:
    """Everything that is known before the first trial."""
    from ferbench.cli.combinations import packed
    from ferbench.experiment.plan import check_selection, plan
    from ferbench.experiment.resolve import resolve
    from ferbench.experiment.settings import build_recipe, check_run_name
    from ferbench.tune.algorithms import choose_pruner, make_sampler
    from ferbench.tune.objectives import COSTS, read_objectives
    from ferbench.tune.session import Session
    from ferbench.tune.space import build_space
    from ferbench.tune.study import covers, place_of

    check_run_name(label)
    space = build_space(base, registry, searches=asked, only=settings.only)
    resolved = resolve(build_recipe(space.base), registry)
    objectives = read_objectives(settings.objectives or (resolved.recipe.training.select,))
    choose_pruner(settings.pruner, objectives)
    make_sampler(settings.algorithm, objectives, 0)
    planned = plan(resolved, packed(resolved, cache, quiet=quiet))
    for objective in objectives:
        if objective.name not in COSTS:
            affect = planned.task.has_affect and planned.model_spec.affect
            check_selection(objective.name, planned.split.class_names, affect)
    place = place_of(results, covers(space, objectives, planned))
    return Session(place, label, settings, space, objectives, planned, results, cache, tuple(plugins), storage, grace)


def _conduct(session: Session, *, finish: bool, quiet: bool, as_json: bool, with_report: bool) -> None:
    from ferbench.cli.trials import LiveTrials, TrialProgress

    _introduce(session, quiet=quiet or as_json)

    def watch_for(trials: list[FrozenTrial], target: int) -> TrialProgress:
        workers = session.settings.workers
        if sys.stderr.isatty() and not (quiet or as_json):
            return LiveTrials(trials, target, session.objectives, workers)
        return TrialProgress(trials, target, session.objectives, workers, quiet=quiet or as_json)

    try:
        _, outcome = session.conduct(watch_for, finish=finish)
    except KeyboardInterrupt:
        click.echo(f"interrupted: the same command goes on with study {session.place.id}", err=True)
        raise
    page = _write_report(session.place, session.results, session.storage) if with_report else None
    if as_json:
        about = {"study": session.place.id, "directory": str(session.place.path)}
        about |= {} if page is None else {"report": str(page)}
        echo_json({**about, **(outcome or {})})
        return
    if outcome is not None:
        from ferbench.cli.study_tables import show_finalists

        show_finalists(outcome, session.results)
        click.echo(f"\nbest recipe: {session.place.best}")
    if page is not None:
        click.echo(f"report: {page}")


def _introduce(session: Session, *, quiet: bool) -> None:
    """Say which study this is, and why it is a new one where another of that recipe is there; write ``study.json``."""
    import datetime

    from ferbench.tune.storage import shown_url
    from ferbench.tune.study import covers, differences, earlier

    place = session.place
    covered = covers(session.space, session.objectives, session.base)
    existed = (place.path / "study.json").is_file()
    before = None if existed else earlier(session.results, session.label, place)
    if not quiet:
        what = "going on with study" if existed else "study"
        click.echo(f"{what} {place.id} ({session.label}): {len(session.space.dimensions)} dimensions", err=True)
        if before is not None:
            unlike = list(differences(before.read().get("covers"), covered))
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
            "algorithm": session.settings.algorithm,
            "pruner": session.settings.pruner,
            "trials": session.settings.trials,
            "dataset": session.base.pack.dataset,
            "protocol": session.base.split.protocol,
            "synthetic": session.base.dataset_spec.synthetic,
            "samples": {"train": len(session.base.split.train), "validation": len(session.base.split.validation)},
            "space": session.space.describe(),
            "covers": covered,
        }
    )


def _show_space(session: Session, *, as_json: bool) -> None:
    """``--dry-run``."""
    from ferbench.cli.tables import fitting, show, terminal_width

    space, place = session.space, session.place
    if as_json:
        objectives = [objective.name for objective in session.objectives]
        about = {"study": place.id, "exists": place.path.exists(), "objectives": objectives}
        echo_json({**about, "space": space.describe()})
        return
    rows = [
        [
            one.key,
            one.values.text,
            one.values.scale,
            f"{one.section} = {one.component}" if one.component is not None else "",
            one.source,
        ]
        for one in space.dimensions
    ]
    rows += [
        [".".join(filter(None, (one.section, one.component, one.field))), str(one.value), "not searched", "", ""]
        for one in space.fixed
    ]
    width = terminal_width()
    show(fitting(["parameter", "values", "scale", "only where", "from"], rows, width, spare=["from", "scale"]), width)
    goals = ", ".join(f"{one.name} ({'higher' if one.higher_is_better else 'lower'})" for one in session.objectives)
    click.echo(f"\nstudy {place.id} ({'there already' if place.path.exists() else 'new'}); objectives: {goals}")
    click.echo(f"base: {session.base.label}; {session.settings.algorithm}")


class StudyType(click.ParamType):
    """A study by id, name or path: completes those of the results directory."""

    name = "study"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        folder = Path(ctx.params.get("results") or "results") / "studies"
        names = sorted(path.parent.name for path in folder.glob("*/study.json"))
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _write_report(place: StudyPlace, results: Path, storage: str | None) -> Path | None:
    """Write the page of a study; None when there is no room for it, which loses no result."""
    from ferbench.report.study_page import study_page
    from ferbench.storage import replace_file
    from ferbench.tune.ledger import load
    from ferbench.tune.view import read_study

    with _opened(place, storage) as opened:
        page = study_page(read_study(place, load(opened, place.id), results))
    try:
        replace_file(place.report, page.encode())
    except UserError as error:
        click.echo(f"no report was written: {error.message}\n  → {error.remedy}", err=True)
        return None
    return place.report


@contextlib.contextmanager
def _opened(place: StudyPlace, storage: str | None) -> Iterator[Storage]:
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


@tune.command()
@click.argument("study", type=StudyType())
@storage_option
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON.")
@results_option
def status(study: str, storage: str | None, as_json: bool, results: Path) -> None:
    """Show a study's trials and its best so far.

    STUDY is an id, its first digits, or the name of the recipe.
    """
    from ferbench.cli.study_tables import show_finalists, show_trials
    from ferbench.tune.final import counts
    from ferbench.tune.ledger import load
    from ferbench.tune.study import find_study
    from ferbench.tune.view import STATES, best_numbers

    place = find_study(results, study)
    about = place.read()
    with _opened(place, storage) as opened:
        trials = load(opened, place.id).get_trials(deepcopy=False)
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
                **{key: trial.user_attrs[key] for key in ("run", "seconds", "reason") if key in trial.user_attrs},
            }
            for trial in trials
        ]
        content = {"study": place.id, "label": about["label"], "counts": tally, "best": best, "trials": entries}
        echo_json({**content, "outcome": outcome})
        return
    show_trials(trials, about["objectives"], set(best))
    there = ", ".join(f"{number} {state}" for state, number in tally.items() if number and state != "all")
    click.echo(f"\nstudy {place.id} ({about['label']}): {tally['all']} trials ({there}); * marks the best")
    if storage is None:
        click.echo("a process is at work on it" if place.is_conducted() else "no process is at work on it")
    if outcome is not None:
        click.echo("")
        show_finalists(outcome, results)


@tune.command()
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
    with _opened(place, storage) as opened:
        page = study_page(read_study(place, load(opened, place.id), results))
    path = output or place.report
    replace_file(path, page.encode())
    click.echo(f"report: {path}")
    if open_it:
        click.launch(str(path))
