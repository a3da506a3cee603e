"""``ferbench tune``: search a recipe's settings. Its subcommands look at studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ferbench.cli.completion import SettingType, plugin_option
from ferbench.cli.places import cache_option, results_option
from ferbench.cli.recipe_options import (
    recipe_options,
    set_option,
    skip_faulty_option,
    start_option,
)
from ferbench.cli.studies import report, status, storage_option
from ferbench.errors import UserError
from ferbench.plugin.faults import did_you_mean

_SEARCH = "search"
_NO_FOLDS = "search on one split, or one fold (data.fold=1/5); then run every fold: 'ferbench run best.toml --folds 5'"


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
            shown = [(name, one) for name, one in self.commands.items() if not one.hidden]
            formatter.write_dl([(f"{name} STUDY", one.get_short_help_str(100)) for name, one in shown])


@click.group(cls=TuneGroup)
def tune() -> None:
    """Search a recipe's settings."""


@tune.command(_SEARCH, cls=SearchCommand, hidden=True)
@recipe_options("Repeat any of these flags to choose among components.")
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
    help="What to make better on validation, or a cost: seconds, parameters, flops. Repeat for several.",
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
    from ferbench.api.request import asked_settings, asked_tables
    from ferbench.cli.tune_request import Places, final_seeds, searches_of, session_of, take_seeds
    from ferbench.kinds import SECTIONS
    from ferbench.plugin.discovery import load_registry
    from ferbench.tune.settings import read_tune

    registry = load_registry(plugin)
    raw, found = asked_tables(recipe, start, tracker_names, results, registry)
    flags = {
        "trials": trials,
        "objectives": tuple(objectives),
        "algorithm": algorithm,
        "pruner": pruner,
        "only": only,
        "workers": workers,
        "best": best,
        "seeds": None if seeds is None else final_seeds(seeds),
    }
    table = dict(raw.get("tune", {}))
    take_seeds(raw, table)
    settings = read_tune(table, flags)
    components = {section: names[f"{section}_names"] for section in SECTIONS}
    first = {section: value[:1] for section, value in components.items()}
    (base,) = asked_settings(raw, first, data, sets=sets, no_folds=_NO_FOLDS, skip_faulty=skip_faulty)
    called = base.pop("name", None)
    label = str(called or "tune") if name is None else name
    asked = searches_of(settings.search, components, sets, searches)
    places = Places(results, cache, tuple(plugin), storage, grace)
    session = session_of(
        base, label, settings, asked, registry, places, found, named=name is not None, quiet=as_json or quiet
    )
    if dry_run:
        from ferbench.cli.tune_space import show_space

        show_space(session, as_json=as_json)
        return
    from ferbench.cli.tune_conduct import conduct

    conduct(session, finish=final, quiet=quiet, as_json=as_json, with_report=with_report)


tune.add_command(status)
tune.add_command(report)
