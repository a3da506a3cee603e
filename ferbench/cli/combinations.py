"""The cells of a grid on their way from settings to plans."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.errors import UserError
from ferbench.kinds import DEFAULTS, IN_LABELS
from ferbench.plugin.faults import one_line
from ferbench.storage import replace_file

if TYPE_CHECKING:
    from ferbench.data.fit import StoredForm
    from ferbench.data.pack import Pack
    from ferbench.data.sample import Fault
    from ferbench.experiment.plan import Plan
    from ferbench.experiment.resolve import ResolvedRecipe
    from ferbench.experiment.start import Start
    from ferbench.plugin.discovery import Registry


#: Faults of a dataset that are printed; beyond that, a file lists them all.
_FAULTS_SHOWN = 20


@dataclass
class Combination:
    """One cell of the grid on its way to a run.

    Attributes:
        settings: raw settings.
        resolved: None when the combination makes no sense.
        plan: known once the data is packed.
        skip: why it is not run, else None.
        error: the full error behind ``skip``.
        start: the weights that it starts from, where that is known; else planning looks what the settings name.
        done: the run is there already.
    """

    settings: dict[str, Any]
    resolved: ResolvedRecipe | None = None
    plan: Plan | None = None
    skip: str | None = None
    error: UserError | None = None
    done: bool = False
    start: Start | None = None

    @property
    def label(self) -> str:
        """What it is, in the form of a plan's label also where there is no plan."""
        if self.plan is not None:
            return self.plan.label
        fold = self.settings.get("data", {}).get("fold")
        seed = f", seed {self.settings.get('training', {}).get('seed', 0)}"
        return self.components + seed + (f", fold {fold}" if fold else "")

    @property
    def components(self) -> str:
        """Dataset, model, loss and sampler."""
        return " × ".join(str(self.settings.get(section, {}).get("name", DEFAULTS[section])) for section in IN_LABELS)

    @property
    def action(self) -> str:
        return f"skip ({self.skip})" if self.skip else "reuse" if self.done else "run"


def name_runs(settings: Sequence[dict[str, Any]], name: str | None) -> None:
    """Names from ``--name`` or the recipe; the runs of a grid are numbered.

    Raises:
        UserError: a name cannot name a run.
    """
    from ferbench.experiment.settings import check_run_name

    digits = len(str(len(settings)))
    for number, one in enumerate(settings, start=1):
        chosen = name if name is not None else one.get("name")
        if chosen is not None:
            check_run_name(chosen)
            one["name"] = chosen if len(settings) == 1 else f"{chosen}-{number:0{digits}}"


def resolve_all(settings: Sequence[dict[str, Any]], registry: Registry) -> list[Combination]:
    """Check every combination against the plugins. One that makes no sense is skipped, unless none makes sense."""
    from ferbench.experiment.resolve import resolve
    from ferbench.experiment.settings import build_recipe

    combinations = [Combination(one) for one in settings]
    for combination in combinations:
        try:
            combination.resolved = resolve(build_recipe(combination.settings), registry)
        except UserError as error:
            combination.skip, combination.error = error.message, error
    refuse_if_all_skipped(combinations)
    return combinations


def refuse_if_all_skipped(combinations: Sequence[Combination]) -> None:
    if all(combination.skip for combination in combinations):
        error = combinations[0].error
        assert error is not None
        raise error


def plan_all(combinations: Sequence[Combination], results: Path, cache: Path, *, quiet: bool) -> None:
    """Pack each dataset once, then cut splits, compute ids and look for finished runs."""
    from ferbench.experiment.plan import dataset_key, plan

    packs: dict[str, Pack | UserError] = {}
    starts: dict[str, Start] = {}
    seen: set[str] = set()
    for combination in combinations:
        if combination.resolved is None:
            continue
        key = dataset_key(combination.resolved)
        if key not in packs:
            try:
                packs[key] = packed(combination.resolved, cache, quiet=quiet)
            except UserError as error:
                packs[key] = error
        pack = packs[key]
        try:
            if isinstance(pack, UserError):
                raise pack
            given = combination.resolved.recipe.start
            if given is not None and combination.start is None:
                if given not in starts:
                    from ferbench.training.starting import find_start

                    starts[given] = find_start(results, given)
                combination.start = starts[given]
            combination.plan = plan(combination.resolved, pack, combination.start)
        except UserError as error:
            combination.skip, combination.error = error.message, error
            continue
        if combination.plan.training_id in seen:
            combination.skip = "the same run as one above"
            continue
        seen.add(combination.plan.training_id)
        combination.done = combination.plan.is_complete(results)
    refuse_if_all_skipped(combinations)


def single_update(plan: Plan) -> str | None:
    """A warning where a batch is larger than an epoch; None: it is not."""
    training = plan.resolved.recipe.training
    size, drawn = training.batch_size * training.accumulate, plan.epoch_samples
    if not training.epochs or size <= drawn:
        return None
    asked = "training.batch_size" if training.accumulate == 1 else "training.batch_size × training.accumulate"
    return (
        f"warning: {asked} = {size:,}, but an epoch has {drawn:,} training samples: each epoch is a single update; "
        "use a smaller batch for more"
    )


def packed(
    resolved: ResolvedRecipe,
    cache: Path,
    *,
    quiet: bool,
    form: Callable[[StoredForm], StoredForm] | None = None,
) -> Pack:
    """The pack of a recipe's dataset.

    Args:
        resolved: the recipe.
        cache: where packs are kept.
        quiet: no progress.
        form: gives what the pack makes of images from what the dataset asks for; None: just that.

    Raises:
        UserError: it cannot be read, or has faults, which are then listed on stderr.
    """
    from ferbench.cli.progress import PackingProgress
    from ferbench.data.class_mapping import of_one_expression
    from ferbench.data.pack import FaultyDataset
    from ferbench.experiment.datasets import build_dataset, dataset_pack

    chosen = resolved.components["dataset"]
    name = chosen.component.name
    data = resolved.recipe.data
    dataset = build_dataset(chosen, data)
    try:
        with PackingProgress(name, quiet=quiet) as progress:
            pack = dataset_pack(chosen, data, cache, progress, dataset=dataset, form=form)
    except UserError as error:
        if isinstance(error, FaultyDataset):
            _list_faults(name, error.faults, cache)
        _say_left_out(name, dataset.notes)
        raise
    _say_left_out(name, pack.notes)
    if pack.skipped and not quiet:
        click.echo(f"{name}: {pack.skipped:,} faulty samples left out, first {one_line(str(pack.faults[0]))}", err=True)
    for first, second in [] if quiet else of_one_expression(pack.class_names):
        said = f"{name}: '{first}' and '{second}' mean one expression; they are kept as two classes"
        click.echo(one_line(said), err=True)
    return pack


def _say_left_out(name: str, notes: Mapping[str, Any]) -> None:
    from ferbench.data.image_tree import left_out_line

    if line := left_out_line(notes):
        click.echo(one_line(f"warning: {name}: {line}; convert them to PNG or JPEG to use them"), err=True)


def _list_faults(name: str, faults: Sequence[Fault], cache: Path) -> None:
    """Name the faults on stderr, and all of them in a file when they are many."""
    for fault in faults[:_FAULTS_SHOWN]:
        click.echo(one_line(str(fault)), err=True)
    if len(faults) > _FAULTS_SHOWN:
        path = cache / "faults" / f"{name}.txt"
        replace_file(path, "".join(f"{one_line(str(fault))}\n" for fault in faults).encode())
        click.echo(f"… {len(faults) - _FAULTS_SHOWN:,} more; all of them are listed in {path}", err=True)


def varied_keys(settings: Sequence[dict[str, Any]]) -> list[str]:
    """Dotted keys on which the combinations differ, beyond what their labels say."""
    labelled = {"dataset.name", "model.name", "loss.name", "sampler.name", "training.seed", "data.fold"}
    keys = {
        f"{section}.{field}"
        for one in settings
        for section, fields in one.items()
        if isinstance(fields, dict)
        for field in fields
    }
    return sorted(
        key for key in keys - labelled if len({json.dumps(lookup(one, key), default=str) for one in settings}) > 1
    )


def lookup(settings: dict[str, Any], key: str) -> Any:
    """The value of a dotted key."""
    section, _, field = key.partition(".")
    return settings.get(section, {}).get(field, "default")
