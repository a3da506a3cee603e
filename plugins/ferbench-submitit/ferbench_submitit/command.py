"""``ferbench submit run`` and ``ferbench submit tune``."""

from __future__ import annotations

import datetime
import hashlib
import math
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ferbench import UserError, one_line

if TYPE_CHECKING:
    from submitit import Job

    from ferbench.experiment.prepare import Combination
    from ferbench_submitit.executors import Ended, Resources
    from ferbench_submitit.jobs import FerbenchJob

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: What is not of ``submit`` is of the command that the jobs run, and goes through as it is.
_THROUGH = {"ignore_unknown_options": True, "allow_interspersed_args": True}


def job_options(command: _Command) -> _Command:
    """Give a command what all jobs have; they arrive as keyword arguments of `_resources`."""
    options = [
        click.option(
            "--executor",
            type=click.Choice(["slurm", "local", "debug"]),
            default="slurm",
            show_default=True,
            help="Where the jobs go: a cluster, this machine, or one after the other in the foreground.",
        ),
        click.option("--partition", metavar="NAME", help="Partition of the cluster."),
        click.option("--account", metavar="NAME", help="Account to be charged."),
        click.option(
            "--time", default="4h", show_default=True, metavar="DURATION", help="Of each job: 4h, 90, 1-12:00:00."
        ),
        click.option("--gpus", type=click.IntRange(min=0), default=0, show_default=True, help="Of each job."),
        click.option("--cpus", type=click.IntRange(min=1), help="Of each job; default: the cluster's."),
        click.option("--memory", metavar="SIZE", help="Of each job: 16G; default: the cluster's."),
        click.option("--at-once", type=click.IntRange(min=1), help="Jobs at the same time; default: all, here one."),
        click.option(
            "--warning",
            type=click.IntRange(min=1),
            default=120,
            show_default=True,
            metavar="SECONDS",
            help="How long before its end a job saves its run and queues again.",
        ),
        click.option(
            "--requeues",
            type=click.IntRange(min=0),
            default=20,
            show_default=True,
            help="How often a job may run out of time.",
        ),
        click.option(
            "--sbatch", "more", multiple=True, metavar="OPTION[=VALUE]", help="Another option of sbatch. Repeatable."
        ),
        click.option(
            "--logs",
            type=click.Path(path_type=Path, file_okay=False),
            help="Where logs and job files go; default: RESULTS/jobs/….",
        ),
        click.option("--wait", "stay", is_flag=True, help="Stay until all jobs of the cluster have ended."),
        click.option("--dry-run", is_flag=True, help="Check everything and show the jobs; submit nothing."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def submit() -> None:
    """Hand runs and searches to a Slurm cluster, or to this machine, as jobs that go on when stopped."""


@submit.command("run", context_settings=_THROUGH)
@job_options
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[RECIPE] [OPTIONS OF 'ferbench run']")
def submit_run(arguments: tuple[str, ...], **asked: Any) -> None:
    """Run every combination of a grid as a job of its own.

    Takes what 'ferbench run' takes. The grid is checked and its data packed here, before anything is queued; runs that
    are done already are left out.

    \b
    ferbench submit run RECIPE.toml --data DIR --seed 0 --seed 1 --time 4h --gpus 1
    ferbench submit run RECIPE.toml --grid optimizer.lr=1e-4,1e-3 --executor local --at-once 2
    """
    from ferbench.cli.packed import preparer
    from ferbench.cli.run import combinations_of, run
    from ferbench.experiment.prepare import plan_all
    from ferbench.plugin.discovery import load_registry
    from ferbench_submitit.executors import check, make_folder
    from ferbench_submitit.jobs import FerbenchJob

    params = _parsed(run, "run", arguments)
    if params.pop("workers") > 1:
        raise UserError(
            "--workers trains several runs in one command, but each job is one run", "give --at-once instead"
        )
    if params.pop("minutes") is not None:
        raise UserError("--minutes times batches on this machine, but jobs may run on others", "give --epochs instead")
    resources = _resources(asked, params["results"], "ferbench-run")
    places = _places(params)
    own = {"dry_run", "as_json", "with_report", "quiet", "results", "cache", "plugin"}
    rest = {key: value for key, value in params.items() if key not in own}
    registry = load_registry(params["plugin"])
    prepares = preparer(registry, params["results"], params["cache"], quiet=params["quiet"])
    combinations = combinations_of(prepares, **rest)
    _check_gpus(combinations, resources.gpus)
    check(resources)
    plan_all(combinations, prepares, params["results"])
    wanted = [one for one in combinations if one.skip is None and not one.done]
    for one in combinations:
        if one.skip is not None or one.done:
            click.echo(f"left out: {_label(one)}: {one.skip or 'done already'}", err=True)
    if not wanted:
        click.echo("there is nothing to submit: every run is done", err=True)
        return
    if not asked["dry_run"]:
        make_folder(resources.folder)
    recipes = _write_recipes(wanted, resources.folder, write=not asked["dry_run"])
    flags = ["--no-report", "--quiet", *places]
    jobs = [
        FerbenchJob(["run", str(recipe), *flags], str(Path.cwd()), hashlib.sha256(content).hexdigest())
        for recipe, content in recipes.items()
    ]
    _hand_over(jobs, [_label(one) for one in wanted], resources, dry_run=asked["dry_run"], stay=asked["stay"])
    click.echo("see them with 'ferbench leaderboard' and 'ferbench runs list'", err=True)


@submit.command("tune", context_settings=_THROUGH)
@job_options
@click.option("--jobs", "count", type=click.IntRange(min=1), default=1, show_default=True, help="How many join.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[RECIPE] [OPTIONS OF 'ferbench tune']")
def submit_tune(arguments: tuple[str, ...], count: int, **asked: Any) -> None:
    """Work on one study with several jobs.

    Takes what 'ferbench tune' takes. Each job gives the same command and joins; more than one need a database that
    they share, --storage or FERBENCH_STORAGE.

    \b
    ferbench submit tune RECIPE.toml --jobs 8 --gpus 1 --storage postgresql+psycopg://USER@HOST/NAME
    ferbench submit tune RECIPE.toml --workers 2 --executor local
    """
    from ferbench.cli.tune import tune
    from ferbench_submitit.executors import check
    from ferbench_submitit.jobs import FerbenchJob

    command = tune.commands["search"]
    params = _parsed(command, "tune", arguments)
    if count > 1 and params["storage"] is None:
        raise UserError(
            f"{count} jobs need a database that they share",
            "name it with --storage or FERBENCH_STORAGE, or use one job with --workers N",
        )
    resources = _resources(asked, params["results"], "ferbench-tune")
    check(resources)
    with command.make_context("tune", [*arguments, "--dry-run"]) as context:
        command.invoke(context)
    jobs = [FerbenchJob(["tune", *arguments], str(Path.cwd())) for _ in range(count)]
    labels = [f"worker {number} of {count}" for number in range(1, count + 1)]
    _hand_over(jobs, labels, resources, dry_run=asked["dry_run"], stay=asked["stay"])
    click.echo("see it with 'ferbench tune status STUDY'", err=True)


def _parsed(command: click.Command, name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What ``ferbench NAME`` makes of its arguments."""
    return command.make_context(name, list(arguments)).params


def _resources(asked: dict[str, Any], results: Path, name: str) -> Resources:
    from ferbench_submitit.executors import Resources
    from ferbench_submitit.quantities import gigabytes, minutes

    duration = minutes(asked["time"])
    if asked["warning"] >= 60 * duration:
        raise UserError(
            f"--warning {asked['warning']} leaves nothing of --time {asked['time']}",
            "give the jobs more time, or a shorter warning",
        )
    stamp = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    more = []
    for text in asked["more"]:
        key, equals, value = text.removeprefix("--").partition("=")
        if not key or any(character.isspace() for character in key):
            raise UserError(f"--sbatch {text!r} is no option of sbatch", "for example --sbatch qos=high")
        more.append((key, value if equals else True))
    return Resources(
        executor=asked["executor"],
        folder=(asked["logs"] or results / "jobs" / stamp).absolute(),
        minutes=duration,
        warning=asked["warning"],
        requeues=asked["requeues"],
        at_once=asked["at_once"],
        gpus=asked["gpus"],
        cpus=asked["cpus"],
        memory=None if asked["memory"] is None else gigabytes(asked["memory"]),
        partition=asked["partition"],
        account=asked["account"],
        more=tuple(more),
        name=name,
    )


def _check_gpus(combinations: Sequence[Combination], gpus: int) -> None:
    """Refuse jobs whose runs are over more GPUs than they get; without GPUs such a run is over processes.

    Raises:
        UserError: naming both numbers.
    """
    most = max((one.resolved.recipe.runtime.devices for one in combinations if one.resolved is not None), default=1)
    if 0 < gpus < most:
        raise UserError(f"--devices {most}, but each job gets --gpus {gpus}", f"give --gpus {most}")


def _places(params: dict[str, Any]) -> list[str]:
    """Flags of the places and plugins that a job needs as the caller named them."""
    plugins = [part for one in params["plugin"] for part in ("--plugin", one)]
    return ["--results", str(params["results"]), "--cache", str(params["cache"]), *plugins]


def _label(combination: Combination) -> str:
    if combination.plan is None:
        return str(combination.settings.get("name") or "a combination")
    return f"{combination.plan.directory(Path()).path.name}  {combination.label}"


def _write_recipes(combinations: Sequence[Combination], folder: Path, *, write: bool) -> dict[Path, bytes]:
    """Each combination as a recipe of its own, which is what its job runs: files with their content."""
    import tomli_w

    from ferbench import replace_file

    digits = len(str(len(combinations)))
    recipes = {
        folder / "recipes" / f"{number:0{digits}}.toml": tomli_w.dumps(combination.settings).encode()
        for number, combination in enumerate(combinations, start=1)
    }
    for path, content in recipes.items() if write else ():
        replace_file(path, content)
    return recipes


def _hand_over(
    jobs: Sequence[FerbenchJob], labels: Sequence[str], resources: Resources, *, dry_run: bool, stay: bool
) -> None:
    from ferbench_submitit import executors

    if dry_run:
        for job, label in zip(jobs, labels, strict=True):
            click.echo(one_line(f"{label}: {job.text}"))
        click.echo(f"would be submitted: {_counted(len(jobs))} by {resources.executor}", err=True)
        return
    if resources.executor != "slurm":
        _share_cores(jobs, resources)

        def begun(position: int, job: Job[int]) -> None:
            if resources.executor == "local":
                click.echo(one_line(f"job {position + 1} of {len(jobs)} begins: {labels[position]}"), err=True)
                click.echo(f"  log: {job.paths.stdout}", err=True)

        _finish(executors.work(jobs, resources, begun), labels)
        return
    submitted = executors.submit(jobs, resources)
    for one, label in zip(submitted, labels, strict=True):
        click.echo(one_line(f"job {one.job_id}: {label}"))
    click.echo(f"submitted: {_counted(len(jobs))}; logs in {resources.folder}", err=True)
    if stay:
        _finish(executors.wait(submitted), labels)


def _share_cores(jobs: Sequence[FerbenchJob], resources: Resources) -> None:
    """Jobs on one machine that each took all its cores would only be in each other's way."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_once = min(len(jobs), resources.at_once or 1)
    cores = resources.cpus or max(1, math.floor(there / at_once))
    if at_once > 1 or resources.cpus is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))


def _finish(ended: Any, labels: Sequence[str]) -> None:
    """Say how each job ended; exit code 1 when one failed."""
    failed = 0
    one: Ended
    for one in ended:
        failed += bool(one.code)
        said = "done" if not one.code else f"failed: {one.why}" if one.why else f"failed with exit code {one.code}"
        click.echo(one_line(f"job {one.position + 1} of {len(labels)} {said}: {labels[one.position]}"))
    if failed:
        click.echo(f"{failed} of {_counted(len(labels))} failed", err=True)
        sys.exit(1)


def _counted(n: int) -> str:
    return "1 job" if n == 1 else f"{n} jobs"
