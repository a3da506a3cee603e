"""``ferbench run``: train and evaluate one combination of plugins, or a grid of them."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.completion import ComponentType, plugin_option
from ferbench.cli.places import cache_option, results_option
from ferbench.cli.results import per_class_table
from ferbench.cli.tables import show, table, terminal_width
from ferbench.errors import UserError
from ferbench.plugin.faults import one_line

if TYPE_CHECKING:
    from ferbench.data.pack import Pack
    from ferbench.experiment.plan import Plan
    from ferbench.experiment.resolve import ResolvedRecipe
    from ferbench.plugin.discovery import Registry
    from ferbench.training.estimate import Estimate


@dataclass
class _Combination:
    """One cell of the grid on its way to a run.

    Attributes:
        settings: raw settings.
        resolved: None when the combination makes no sense.
        plan: known once the data is packed.
        skip: why it is not run, else None.
        error: the full error behind ``skip``.
        done: the run is there already.
    """

    settings: dict[str, Any]
    resolved: ResolvedRecipe | None = None
    plan: Plan | None = None
    skip: str | None = None
    error: UserError | None = None
    done: bool = False

    @property
    def action(self) -> str:
        return f"skip ({self.skip})" if self.skip else "reuse" if self.done else "run"


def _component_flag(kind: str, text: str) -> Any:
    return click.option(f"--{kind}", f"{kind}_names", type=ComponentType(kind), multiple=True, metavar="NAME", help=text)


@click.command()
@click.argument("recipe", required=False, type=click.Path(path_type=Path, dir_okay=False))
@_component_flag("dataset", "Dataset plugin. Repeat any of these flags to make a grid.")
@_component_flag("model", "Model plugin.")
@_component_flag("loss", "Loss plugin.")
@_component_flag("sampler", "Sampler plugin.")
@_component_flag("augmentation", "Augmentation plugin.")
@_component_flag("optimizer", "Optimiser plugin.")
@_component_flag("schedule", "Learning-rate schedule plugin.")
@click.option("--data", type=click.Path(), help="Where the dataset's files are.")
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, help="Training seed; repeatable.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a field, e.g. training.epochs=10.")
@click.option("--grid", "axes", multiple=True, metavar="KEY=V1,V2", help="Try several values of a field.")
@click.option("--name", help="Name of the run; a grid numbers its runs.")
@click.option("--skip-faulty", is_flag=True, help="Leave faulty samples out, and record how many.")
@click.option("--dry-run", is_flag=True, help="Show what would be run, with ids and estimates; may pack, never trains.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan or the results as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only results.")
@results_option
@cache_option
@plugin_option
def run(
    recipe: Path | None,
    dataset_names: Sequence[str],
    model_names: Sequence[str],
    loss_names: Sequence[str],
    sampler_names: Sequence[str],
    augmentation_names: Sequence[str],
    optimizer_names: Sequence[str],
    schedule_names: Sequence[str],
    data: str | None,
    seeds: Sequence[int],
    sets: Sequence[str],
    axes: Sequence[str],
    name: str | None,
    skip_faulty: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    results: Path,
    cache: Path,
    plugin: Sequence[str],
) -> None:
    """Train a combination of plugins and test it once.

    RECIPE is a TOML file; flags win over --set, --set over the recipe, the recipe over the defaults. Repeating a
    component flag or --seed, or giving --grid, runs every combination. A run that is done already is reused.

    \b
    ferbench run --dataset fer2013 --data DIR --model basic-cnn --set training.epochs=10
    ferbench run RECIPE.toml --seed 0 --seed 1 --grid training.batch_size=64,128
    """
    from ferbench.experiment.settings import grid, read_recipe
    from ferbench.plugin.discovery import load_registry

    raw = read_recipe(recipe) if recipe is not None else {}
    components = {
        "dataset": dataset_names,
        "model": model_names,
        "loss": loss_names,
        "sampler": sampler_names,
        "augmentation": augmentation_names,
        "optimizer": optimizer_names,
        "schedule": schedule_names,
    }
    fields: dict[str, Sequence[Any]] = {
        "training.seed": seeds,
        "data.path": [data] if data is not None else [],
        "data.skip_faulty": [True] if skip_faulty else [],
    }
    settings = grid(raw, sets=sets, axes=axes, components=components, fields=fields)
    _name_runs(settings, name)
    combinations = _resolve_all(settings, load_registry(plugin))
    _plan_all(combinations, results, cache, quiet=quiet or as_json)
    if dry_run:
        _show_plan(combinations, as_json=as_json)
        return
    outcomes = _execute_all(combinations, results, quiet=quiet or as_json, tables=not as_json)
    if as_json:
        click.echo(json.dumps(outcomes, indent=2, ensure_ascii=False))
    if any(outcome["status"] in ("failed", "diverged") for outcome in outcomes):
        sys.exit(1)


def _name_runs(settings: Sequence[dict[str, Any]], name: str | None) -> None:
    """Names from ``--name`` or the recipe; the runs of a grid are numbered."""
    digits = len(str(len(settings)))
    for number, one in enumerate(settings, start=1):
        chosen = name if name is not None else one.get("name")
        if chosen is not None:
            one["name"] = chosen if len(settings) == 1 else f"{chosen}-{number:0{digits}}"


def _resolve_all(settings: Sequence[dict[str, Any]], registry: Registry) -> list[_Combination]:
    """Check every combination against the plugins. One that makes no sense is skipped, unless none makes sense."""
    from ferbench.experiment.resolve import resolve
    from ferbench.experiment.settings import build_recipe

    combinations = [_Combination(one) for one in settings]
    for combination in combinations:
        try:
            combination.resolved = resolve(build_recipe(combination.settings), registry)
        except UserError as error:
            combination.skip, combination.error = error.message, error
    _refuse_if_all_skipped(combinations)
    return combinations


def _refuse_if_all_skipped(combinations: Sequence[_Combination]) -> None:
    if all(combination.skip for combination in combinations):
        error = combinations[0].error
        assert error is not None
        raise error


def _plan_all(combinations: Sequence[_Combination], results: Path, cache: Path, *, quiet: bool) -> None:
    """Pack each dataset once, then cut splits, compute ids and look for finished runs."""
    from ferbench.experiment.plan import dataset_key, plan
    from ferbench.training.run import is_complete

    packs: dict[str, Pack | UserError] = {}
    seen: set[str] = set()
    for combination in combinations:
        if combination.resolved is None:
            continue
        key = dataset_key(combination.resolved)
        if key not in packs:
            try:
                packs[key] = _pack(combination.resolved, cache, quiet=quiet)
            except UserError as error:
                packs[key] = error
        pack = packs[key]
        try:
            if isinstance(pack, UserError):
                raise pack
            combination.plan = plan(combination.resolved, pack)
        except UserError as error:
            combination.skip, combination.error = error.message, error
            continue
        if combination.plan.training_id in seen:
            combination.skip = "the same run as one above"
            continue
        seen.add(combination.plan.training_id)
        combination.done = is_complete(combination.plan, results)
    _refuse_if_all_skipped(combinations)


def _pack(resolved: ResolvedRecipe, cache: Path, *, quiet: bool) -> Pack:
    from ferbench.cli.progress import PackingProgress
    from ferbench.data.pack import pack_dataset
    from ferbench.plugin.specs import DatasetSpec

    chosen = resolved.components["dataset"]
    spec = chosen.component.spec
    assert isinstance(spec, DatasetSpec)
    data = resolved.recipe.data
    if data.path is None and spec.needs_path:
        raise UserError(
            f"dataset '{spec.name}' needs to know where its files are",
            "give --data DIR, or path = \"DIR\" under [data] in the recipe",
        )
    dataset = chosen.build(None if data.path is None else Path(data.path).expanduser())
    with PackingProgress(spec.name, quiet=quiet) as progress:
        return pack_dataset(dataset, name=spec.name, cache=cache, skip_faulty=data.skip_faulty, progress=progress)


def _execute_all(
    combinations: Sequence[_Combination], results: Path, *, quiet: bool, tables: bool
) -> list[dict[str, Any]]:
    """Run what is to be run; a run that fails does not stop the others."""
    outcomes = []
    for number, combination in enumerate(combinations, start=1):
        position = f"{number}/{len(combinations)} " if len(combinations) > 1 else ""
        outcome = _execute(combination, results, position, quiet=quiet, alone=len(combinations) == 1)
        outcomes.append(outcome)
        if tables:
            _show_outcome(outcome, quiet=quiet)
    if tables and len(combinations) > 1:
        _show_comparison(outcomes)
    return outcomes


def _execute(
    combination: _Combination, results: Path, position: str, *, quiet: bool, alone: bool
) -> dict[str, Any]:
    if combination.plan is None or combination.skip:
        return {"status": "skipped", "reason": combination.skip}
    plan = combination.plan
    directory = plan.directory(results)
    if combination.done:
        record = directory.read()
        name = plan.resolved.recipe.name
        if name is not None and record.get("name") != name:
            record["name"] = name
            directory.write(record)
        return _outcome(record, plan, directory.path, reused=True)
    from ferbench.training.run import execute

    with contextlib.ExitStack() as stack:

        def observer_for(record: dict[str, Any]) -> Any:
            return stack.enter_context(_progress(position + _title(plan), record, quiet=quiet))

        try:
            record = execute(plan, results, observer_for)
        except UserError as error:
            if alone:
                raise
            return {"status": "failed", "reason": error.message, "run": directory.path.name, "name": None}
        except Exception:
            if alone:
                raise
            trace = traceback.format_exc()
            print(trace, file=sys.stderr)
            return {"status": "failed", "reason": trace.splitlines()[-1], "run": directory.path.name, "name": None}
    return _outcome(record, plan, directory.path, reused=False)


def _title(plan: Plan) -> str:
    name = plan.resolved.recipe.name
    return f"{plan.directory(Path()).path.name}  {plan.label}" + (f"  ({name})" if name else "")


def _progress(title: str, record: dict[str, Any], *, quiet: bool) -> Any:
    from ferbench.cli.progress import LineProgress, LiveProgress

    epochs = record["recipe"]["training"]["epochs"]
    if sys.stderr.isatty() and not quiet:
        return LiveProgress(title, epochs)
    return LineProgress(title, epochs, quiet=quiet)


def _outcome(record: dict[str, Any], plan: Plan, path: Path, *, reused: bool) -> dict[str, Any]:
    """A run's result as plain values, for tables and ``--json``."""
    outcome: dict[str, Any] = {
        "run": path.name,
        "name": record.get("name"),
        "status": record["status"],
        "reused": reused,
        "directory": str(path),
        "training_id": plan.training_id,
        "config_id": plan.config_id,
        "label": plan.label,
        "synthetic": record["data"]["synthetic"],
        "fold": record["data"]["fold"],
    }
    if record["status"] != "done":
        return {**outcome, "reason": (record.get("error") or {}).get("message")}
    shorts = {role: plan.evaluation_id(role).removeprefix("v1:")[:12] for role in plan.evaluation_rows()}
    outcome["training"] = record["training"]
    outcome["evaluations"] = {role: record["evaluations"][one] for role, one in shorts.items()}
    return outcome


def _measured(outcome: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The split that the result is judged on: test, or validation for a fold."""
    role = "test" if "test" in outcome["evaluations"] else "validation"
    return role, outcome["evaluations"][role]


def _show_outcome(outcome: dict[str, Any], *, quiet: bool) -> None:
    if outcome["status"] != "done":
        where = f"run {outcome['run']} " if "run" in outcome else "a combination was "
        click.echo(f"{where}{outcome['status']}: {outcome['reason']}", err=True)
        return
    role, evaluation = _measured(outcome)
    training = outcome["training"]
    about = [f"{role}, n = {evaluation['n']:,}", f"epoch {training['best_epoch']} of {training['epochs']}"]
    about.append(f"selected by validation {training['select']}")
    if outcome["synthetic"]:
        about.append("synthetic images")
    if outcome["reused"]:
        about.append("reused")
    click.echo(f"{outcome['run']}  {one_line(outcome['label'])}\n{one_line('; '.join(about))}\n")
    show([per_class_table(evaluation["per_class"], evaluation["metrics"])], terminal_width())
    if not quiet:
        click.echo(f"\nrecord: {outcome['directory']}\n")


def _show_comparison(outcomes: Sequence[dict[str, Any]]) -> None:
    """The runs of a grid side by side, in the order of the grid."""
    rows = []
    for outcome in outcomes:
        if outcome["status"] == "done":
            role, evaluation = _measured(outcome)
            metrics = evaluation["metrics"]
            numbers = [f"{metrics[key]:.4f}" for key in ("accuracy", "macro_f1", "balanced_accuracy")]
            rows.append([outcome["run"], outcome["label"], role, f"{evaluation['n']:,}", *numbers])
        else:
            what = outcome.get("label") or outcome["status"]
            rows.append([outcome.get("run", ""), what, outcome["status"], "", "", "", ""])
    numbers = ("n", "accuracy", "macro-F1", "balanced accuracy")
    columns = ["run", "combination", "split", *numbers]
    show([table(columns, rows, whole=["run", *numbers], right=numbers)], terminal_width())


def _show_plan(combinations: Sequence[_Combination], *, as_json: bool) -> None:
    from ferbench.cli.progress import duration
    from ferbench.experiment.fingerprint import short
    from ferbench.training.estimate import Estimator

    estimator = Estimator()
    estimates: list[Estimate | None] = []
    for combination in combinations:
        estimate = None
        if combination.plan is not None and not combination.skip and not combination.done:
            try:
                estimate = estimator.estimate(combination.plan)
            except UserError as error:
                combination.skip, combination.error = error.message, error
        estimates.append(estimate)
    _refuse_if_all_skipped(combinations)
    if as_json:
        entries = [_plan_entry(c, e) for c, e in zip(combinations, estimates, strict=True)]
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    varied = _varied_keys([combination.settings for combination in combinations])
    rows = []
    for combination, estimate in zip(combinations, estimates, strict=True):
        plan = combination.plan
        rows.append(
            [
                plan.label if plan else "",
                *(str(_lookup(combination.settings, key)) for key in varied),
                short(plan.training_id) if plan else "",
                short(plan.config_id) if plan else "",
                combination.action,
                duration(estimate.seconds) if estimate else "",
                f"{estimate.disk_bytes / 1e6:.1f} MB" if estimate else "",
            ]
        )
    ids, costs = ("training id", "config id"), ("time", "disk")
    made = table(["combination", *varied, *ids, "action", *costs], rows, whole=[*ids, *costs], right=costs)
    show([made], terminal_width())
    todo = [estimate for estimate in estimates if estimate is not None]
    reused = sum(combination.done for combination in combinations)
    skipped = sum(combination.skip is not None for combination in combinations)
    seconds, disk = sum(e.seconds for e in todo), sum(e.disk_bytes for e in todo)
    click.echo(
        f"\n{len(todo)} to run, {reused} to reuse, {skipped} skipped; about {duration(seconds)} "
        f"and {disk / 1e6:.1f} MB on this machine (timed on a few batches)"
    )


def _plan_entry(combination: _Combination, estimate: Estimate | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "action": "skip" if combination.skip else "reuse" if combination.done else "run",
        "reason": combination.skip,
        "settings": combination.settings,
    }
    plan = combination.plan
    if plan is not None:
        split = plan.split
        entry |= {
            "label": plan.label,
            "training_id": plan.training_id,
            "config_id": plan.config_id,
            "evaluation_ids": {role: plan.evaluation_id(role) for role in plan.evaluation_rows()},
            "test_digest": split.test_digest,
            "pack": plan.pack.digest,
            "samples": {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
        }
    if estimate is not None:
        entry["estimate"] = {"seconds": round(estimate.seconds, 1), "disk_bytes": estimate.disk_bytes}
    return entry


def _varied_keys(settings: Sequence[dict[str, Any]]) -> list[str]:
    """Dotted keys on which the combinations differ, beyond what their labels say."""
    labelled = {"dataset.name", "model.name", "loss.name", "sampler.name", "training.seed"}
    keys = {
        f"{section}.{field}"
        for one in settings
        for section, fields in one.items()
        if isinstance(fields, dict)
        for field in fields
    }
    return sorted(
        key for key in keys - labelled if len({json.dumps(_lookup(one, key), default=str) for one in settings}) > 1
    )


def _lookup(settings: dict[str, Any], key: str) -> Any:
    section, _, field = key.partition(".")
    return settings.get(section, {}).get(field, "default")
