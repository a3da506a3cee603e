"""``ferbench.plan``: register what will be compared before the test set is read."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.api.components import plain, several
from ferbench.api.given import checked
from ferbench.api.places import Places, cache_directory, data_places, quiet_preparer
from ferbench.errors import UserError
from ferbench.ids import short
from ferbench.records.preregistration import PLAN_FILE, PlannedRun, Preregistration, read_plan
from ferbench.wording import few_of, number_of

if TYPE_CHECKING:
    from ferbench.experiment.prepare import Combination, Preparer

Place = str | os.PathLike[str]


@checked
def plan(
    *recipes: Place,
    output: Place | None = None,
    metric: str = "macro_f1",
    data: Places = None,
    seed: int | Sequence[int] | None = None,
    settings: Mapping[str, Any] | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
    skip_faulty: bool = False,
    results: Place = "results",
    cache: Place | None = None,
    plugins: Sequence[Place] = (),
) -> Preregistration:
    """Register what will be compared, as ``ferbench plan`` does: every combination of the recipes is planned.

    Args:
        recipes: TOML files.
        output: where the plan is written; None: ``plan.toml`` in the results directory, where leaderboards find it.
        metric: that configurations are compared by.
        data: where the dataset's files are; with several datasets, by name.
        seed: of training; several are repeats of each configuration.
        settings: fields and options by dotted key, laid over every recipe.
        grid: several values by dotted key.
        skip_faulty: leave faulty samples out.
        results: the results directory, whose ledger says what was read already.
        cache: where packed datasets are kept; None: the user's cache directory.
        plugins: local plugins: ``.py`` files or importable modules.

    Returns:
        The plan as it was written.

    Raises:
        UserError: nothing can be planned, the test set was read already by one of these, or there is another plan.
    """
    kept = Path(results)
    local = [os.fspath(plugin) for plugin in plugins]
    path = check_plan_request([Path(recipe) for recipe in recipes], metric, output, kept)
    preparer = quiet_preparer(cache_directory(cache), local, kept)
    fields: dict[str, Sequence[Any]] = {
        "training.seed": [] if seed is None else several(seed),
        **{key: several(plain(values)) for key, values in (grid or {}).items()},
    }
    asked = {"values": {key: plain(value) for key, value in (settings or {}).items()}, "fields": fields}
    return register(
        [Path(recipe) for recipe in recipes],
        preparer,
        path,
        kept,
        metric,
        data=data_places(data),
        skip_faulty=skip_faulty,
        **asked,
    )


def check_plan_request(recipes: Sequence[Path], metric: str, output: Place | None, results: Path) -> Path:
    """Where the plan goes, when everything that needs no data is right.

    Raises:
        UserError: something is wrong, or a plan is there.
    """
    from ferbench.metrics.measures import is_selectable, selectable

    if not recipes:
        raise UserError("there is nothing to plan", "give recipes: 'ferbench plan a.toml b.toml --seed 0 --seed 1'")
    if not is_selectable(metric):
        raise UserError(f"'{metric}' is no metric", f"choose {', '.join(selectable())}, f1:CLASS or recall:CLASS")
    path = results / PLAN_FILE if output is None else Path(output)
    if path.exists():
        there = read_plan(path)
        raise UserError(
            f"{path} is a plan already, registered {there.planned}",
            "a plan is not changed afterwards; write another one with -o, and keep both",
        )
    return path


def register(
    recipes: Sequence[Path], preparer: Preparer, path: Path, results: Path, metric: str, **asked: Any
) -> Preregistration:
    """Plan every combination of the recipes and write the plan.

    Args:
        recipes: TOML files.
        preparer: prepares them.
        path: of the plan.
        results: the results directory.
        metric: that configurations are compared by.
        asked: what is laid over every recipe, see `ferbench.experiment.request.asked_combinations`.

    Raises:
        UserError: nothing can be planned, or the test set was read already by one of these.
    """
    from ferbench.experiment.plan import check_selection
    from ferbench.experiment.prepare import plan_all
    from ferbench.experiment.request import asked_combinations
    from ferbench.kinds import SECTIONS
    from ferbench.output import write_output
    from ferbench.records.ledger import read_ledger
    from ferbench.runs.index import summaries
    from ferbench.runs.reads import with_found
    from ferbench.version import __version__

    nothing: dict[str, Sequence[str]] = dict.fromkeys(SECTIONS, ())
    runs: dict[str, PlannedRun] = {}
    for recipe in recipes:
        combinations = asked_combinations(preparer, nothing, recipe=recipe, **asked)
        plan_all(combinations, preparer, results)
        for combination in combinations:
            run = _planned(combination, recipe, several_there=len(combinations) > 1)
            assert combination.plan is not None
            known = combination.plan
            check_selection(
                metric,
                known.split.class_names,
                known.task.has_affect and known.resolved.predicts_affect,
                "the metric of the plan",
            )
            runs.setdefault(run.evaluation, run)
    ledger = read_ledger(results)
    reads = with_found(ledger, summaries(results))
    sets, configs = {run.test_set for run in runs.values()}, {run.config: run.label for run in runs.values()}
    on_these = [read for read in reads if read.test_set in sets]
    done = [read for read in on_these if read.config in configs]
    if done:
        named = few_of(f"{configs[read.config]} (seed {read.seed}, {read.time or 'time unknown'})" for read in done)
        raise UserError(
            f"the test set was read already by what is to be planned: {named}",
            "it cannot be planned any more: leave it out, or plan a comparison on other test samples",
        )
    made = Preregistration(
        planned=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        metric=metric,
        runs=tuple(runs.values()),
        ledger=ledger.head,
        read_before=len(on_these),
        version=__version__,
    )
    write_output(path, made.to_toml().encode())
    return read_plan(path)


def _planned(combination: Combination, recipe: Path, *, several_there: bool) -> PlannedRun:
    """A run of the plan.

    Raises:
        UserError: it cannot be run, or has no test.
    """
    plan = combination.plan
    if plan is None:
        raise combination.error or UserError(f"{combination.label} cannot run: {combination.skip}", "leave it out")
    if plan.split.test_digest is None or plan.split.tested is not None:
        raise UserError(
            f"{recipe} is about folds, and a plan is about one test set",
            "plan a protocol with a test set, without data.fold, data.test_fold and folds of [training]",
        )
    asked = plan.resolved.recipe
    varied = {key: value for key, value in combination.varied.items() if key != "training.seed"}
    beside = ", ".join(f"{key}={value}" for key, value in varied.items()) if several_there else ""
    label = f"{recipe.stem} {beside}" if beside else recipe.stem
    return PlannedRun(
        label=label,
        config=plan.config_id,
        seed=asked.training.seed,
        evaluation=short(plan.evaluation_id("test")),
        test_set=plan.split.test_digest,
        dataset=plan.pack.dataset,
        samples=len(plan.split.test),
    )


def registered_lines(plan: Preregistration) -> list[str]:
    """What is said of a plan that was just registered."""
    sets = {run.test_set: run for run in plan.runs}
    configurations = number_of(len(plan.configurations), "configuration")
    lines = [f"{plan.path}: {number_of(len(plan.runs), 'run')} of {configurations}"]
    lines += [f"test set {short(key)}: {run.dataset}, {run.samples:,} samples" for key, run in sets.items()]
    lines.append(f"metric: {plan.metric}")
    lines.append(f"registered {plan.planned}, digest {plan.digest}: keep it where others see it")
    if plan.read_before:
        lines.append(f"others have read the test set {number_of(plan.read_before, 'time')} before")
    return lines
